#include "datastore/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/channel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::datastore {
namespace {

constexpr const char* kEmulatorVariable = "DATASTORE_EMULATOR_HOST";
constexpr const char* kTokenVariable = "NDB_AUTH_TOKEN";
constexpr const char* kCredentialsVariable = "GOOGLE_APPLICATION_CREDENTIALS";
constexpr std::string_view kCloudEndpoint = "datastore.googleapis.com";
constexpr int kMaxChannels = 256;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool is_host(std::string_view text) {
  if (text.empty() || text.find_first_of("/ \t\r\n") != std::string_view::npos) return false;
  return text.find(':') == std::string_view::npos || (text.front() == '[' && text.back() == ']');
}

// `text` as host:port. `text` must contain the port if `default_port` is empty.
std::optional<std::string> host_and_port(std::string_view text, std::string_view default_port) {
  const bool has_port = text.find(':') != std::string_view::npos && !text.ends_with(']');
  const std::string_view host = has_port ? text.substr(0, text.rfind(':')) : text;
  const std::string_view port = has_port ? text.substr(text.rfind(':') + 1) : default_port;
  if (!is_host(host) || !is_port(port)) return std::nullopt;
  return cat(host, ":", port);
}

absl::Status bad_address(std::string_view setting, std::string_view text) {
  return bad_argument(cat(setting, " is ", ndb::quoted(text), "; it must be host:port or [IPv6 address]:port"));
}

using Credentials = std::function<absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>>()>;

// Reports defects of application-default credentials that can be seen without the network. gRPC would ask the network
// first, and then report only that there are none.
absl::Status check_default_credentials() {
  const std::string file = environment(kCredentialsVariable);
  if (file.empty() || access(file.c_str(), R_OK) == 0) return absl::OkStatus();
  return absl::UnauthenticatedError(
      to_absl(cat(kCredentialsVariable, " names ", ndb::quoted(file), ", which can't be read")));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> default_credentials() {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::GoogleDefaultCredentials();
  if (credentials == nullptr) {
    return absl::UnauthenticatedError(to_absl(cat(
        "no application-default credentials for the cloud: run `gcloud auth application-default login`, or set ",
        kCredentialsVariable, " to the key file of a service account, or ", kEmulatorVariable, " for an emulator")));
  }
  return credentials;
}

grpc::ChannelArguments arguments(int index, bool near) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // gRPC's default of 4 MiB is less than a batch may hold
  // Pings detect dead connections while calls wait on them. Idle connections send none, because Google's front ends and
  // gRPC servers close connections that ping without need.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // Reconnects within seconds of a server's return, not after gRPC's two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  if (near) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // http_proxy is not meant for an emulator nearby
  arguments.SetInt("ndb.channel", index);  // channels with equal arguments would share one connection
  return arguments;
}

absl::StatusOr<Channels> connect(const ChannelConfig& config, std::string address, std::string hint, int default_count,
                                 Credentials credentials, bool near) {
  const int count = config.channels.value_or(default_count);
  if (count < 1 || count > kMaxChannels) {
    return bad_argument(cat("the number of channels is ", count, "; it must be 1 to ", kMaxChannels));
  }
  const auto open = [address, count, near, credentials = std::move(credentials)]() -> absl::StatusOr<Channels::List> {
    NDB_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> known, credentials());
    Channels::List list;
    for (int i = 0; i < count; ++i) {
      list.push_back(std::make_shared<ndb::Channel>(
          grpc::CreateCustomChannel(cat("dns:///", address), known, arguments(i, near))));
    }
    return list;
  };
  return Channels{.open = open, .address = std::move(address), .hint = std::move(hint)};
}

// The authorization header that an emulator on a network requires.
absl::StatusOr<std::string> emulator_authorization(const ChannelConfig& config) {
  const std::string token = config.emulator_token.empty() ? environment(kTokenVariable) : config.emulator_token;
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return bad_argument(cat("the emulator's token (emulator_token, ", kTokenVariable, ") must be visible ASCII"));
  }
  return token.empty() ? token : cat("Bearer ", token);
}

absl::StatusOr<Channels> connect_to_emulator(const ChannelConfig& config, std::string_view setting,
                                             std::string_view text) {
  constexpr std::string_view kHttp = "http://", kHttps = "https://";
  std::string_view host = text;
  const bool tls = host.starts_with(kHttps);
  if (tls || host.starts_with(kHttp)) host.remove_prefix((tls ? kHttps : kHttp).size());
  if (host.ends_with('/')) host.remove_suffix(1);
  const std::optional<std::string> address = host_and_port(host, "");
  if (!address) return bad_address(setting, text);
  Credentials credentials = [] { return grpc::InsecureChannelCredentials(); };
  if (tls) {
    grpc::SslCredentialsOptions trust;
    if (!config.emulator_ca_file.empty()) {
      absl::StatusOr<std::string> certificates = read_file(config.emulator_ca_file);
      if (!certificates.ok() || certificates->empty()) {  // for an empty list gRPC would use the system's
        const std::string why =
            certificates.ok() ? "is empty" : std::string(from_absl(certificates.status().message()));
        return bad_argument(cat("emulator_ca_file, ", ndb::quoted(config.emulator_ca_file), ", ", why));
      }
      trust.pem_root_certs = *std::move(certificates);
    }
    credentials = [trust = std::move(trust)] { return grpc::SslCredentials(trust); };
  }
  NDB_ASSIGN_OR_RETURN(
      Channels channels,
      connect(config, *address, cat("is the emulator running? ", setting, "=", text), 1, credentials, true));
  NDB_ASSIGN_OR_RETURN(channels.authorization, emulator_authorization(config));
  return channels;
}

absl::StatusOr<Channels> connect_to_cloud(const ChannelConfig& config) {
  const std::string_view endpoint = config.endpoint.empty() ? kCloudEndpoint : config.endpoint;
  const std::optional<std::string> address = host_and_port(endpoint, "443");
  if (!address) return bad_address("the endpoint", endpoint);
  Credentials credentials = default_credentials;
  if (config.credentials != nullptr) {
    credentials = [known = config.credentials] { return known; };
  } else {
    NDB_RETURN_IF_ERROR(check_default_credentials());
  }
  return connect(config, *address, cat("check the network; for an emulator, set ", kEmulatorVariable, "=host:port"), 4,
                 credentials, false);
}

}  // namespace

absl::StatusOr<Channels> make_channels(const ChannelConfig& config) {
  if (config.in_process != nullptr) {
    return Channels{.open = [channel = config.in_process] { return Channels::List{channel}; },
                    .address = "(in this process)",
                    .hint = "has the ndb::LocalDatastore been destroyed?"};
  }
  if (!config.emulator_host.empty()) return connect_to_emulator(config, "emulator_host", config.emulator_host);
  if (!config.endpoint.empty()) return connect_to_cloud(config);
  if (const std::string host = environment(kEmulatorVariable); !host.empty()) {
    return connect_to_emulator(config, kEmulatorVariable, host);
  }
  return connect_to_cloud(config);
}

}  // namespace ndb::datastore
