#include "datastore/channel.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/channel.h"
#include "base/strings.h"
#include "datastore/fake_server.h"
#include "datastore/stub.h"

namespace ndb::datastore {
namespace {

using testing::HasSubstr;

// Sets an environment variable, or unsets it, until the end of the scope.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~ScopedEnvironment() { set(old_ ? old_->c_str() : nullptr); }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

 private:
  void set(const char* value) {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

// A port of this machine that is taken, but refuses connections, because nobody listens.
class BoundPort {
 public:
  BoundPort() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&address_), size), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &size), 0);
  }
  ~BoundPort() { close(socket_); }
  BoundPort(const BoundPort&) = delete;
  BoundPort& operator=(const BoundPort&) = delete;

  int number() const { return ntohs(address_.sin_port); }

 private:
  const int socket_;
  sockaddr_in address_{};
};

absl::Status rollback(Stub& stub, const CallOptions& options = {}) {
  std::promise<absl::Status> promise;
  stub.rollback({}, options, [&](const auto& response) { promise.set_value(response.status()); });
  return promise.get_future().get();
}

std::unique_ptr<Stub> connect(const ChannelConfig& config) {
  auto channels = make_channels(config);
  EXPECT_EQ(channels.status(), absl::OkStatus());
  return channels.ok() ? make_stub({.project = "p", .channels = *std::move(channels)}) : nullptr;
}

TEST(Channel, EmulatorAddresses) {
  struct {
    std::string text, address;  // no address: an error
  } const cases[] = {
      {"127.0.0.1:8081", "127.0.0.1:8081"},
      {"localhost:1", "localhost:1"},
      {"http://localhost:8081", "localhost:8081"},
      {"http://localhost:8081/", "localhost:8081"},
      {"[::1]:8081", "[::1]:8081"},
      {"http://[::1]:65535", "[::1]:65535"},
      {"localhost", ""},
      {"localhost:", ""},
      {":8081", ""},
      {"::1:8081", ""},
      {"[::1]", ""},
      {"localhost:0", ""},
      {"localhost:65536", ""},
      {"localhost:80x", ""},
      {"https://localhost:443/", "localhost:443"},
      {"ftp://localhost:443", ""},
      {"localhost:8081/datastore", ""},
      {"local host:8081", ""},
      {"http://", ""},
  };
  const ScopedEnvironment unset("DATASTORE_EMULATOR_HOST", nullptr);
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const ScopedEnvironment environment("DATASTORE_EMULATOR_HOST", c.text.c_str());
    for (const ChannelConfig& config : {ChannelConfig{.emulator_host = c.text}, ChannelConfig{}}) {
      const auto channels = make_channels(config);
      if (!c.address.empty()) {
        ASSERT_EQ(channels.status(), absl::OkStatus());
        EXPECT_EQ(channels->address, c.address);
        EXPECT_EQ(channels->open()->size(), 1u);
        continue;
      }
      ASSERT_EQ(channels.status().code(), absl::StatusCode::kInvalidArgument);
      const std::string setting = config.emulator_host.empty() ? "DATASTORE_EMULATOR_HOST" : "emulator_host";
      EXPECT_THAT(std::string(channels.status().message()), HasSubstr(cat(setting, " is ", ndb::quoted(c.text))));
    }
  }
}

TEST(Channel, TheFirstSettingDecides) {
  FakeServer server;
  const ScopedEnvironment environment("DATASTORE_EMULATOR_HOST", "127.0.0.1:2");
  const auto credentials = grpc::InsecureChannelCredentials();
  ChannelConfig config;
  EXPECT_EQ(make_channels(config)->address, "127.0.0.1:2");
  config.endpoint = "localhost";
  config.credentials = credentials;
  EXPECT_EQ(make_channels(config)->address, "localhost:443");
  EXPECT_EQ(make_channels(config)->open()->size(), 4u);
  config.emulator_host = "127.0.0.1:3";
  EXPECT_EQ(make_channels(config)->address, "127.0.0.1:3");
  config.in_process = std::make_shared<ndb::Channel>(server.in_process());
  EXPECT_EQ(make_channels(config)->open()->front(), config.in_process);
}

TEST(Channel, ReachesEmulatorEndpointAndProcess) {
  FakeServer server;
  // A proxy is for the network outside, not for an emulator on this machine.
  const ScopedEnvironment proxy("http_proxy", "http://127.0.0.1:1");
  EXPECT_EQ(rollback(*connect({.emulator_host = server.address()})), absl::OkStatus());
  EXPECT_EQ(rollback(*connect({.emulator_host = cat("http://", server.address(), "/")})), absl::OkStatus());
  EXPECT_EQ(rollback(*connect({.in_process = std::make_shared<ndb::Channel>(server.in_process())})), absl::OkStatus());
  const ScopedEnvironment no_proxy("http_proxy", nullptr);
  EXPECT_EQ(rollback(*connect({.endpoint = server.address(), .credentials = grpc::InsecureChannelCredentials()})),
            absl::OkStatus());
}

TEST(Channel, EachHasAConnectionAndTheyAreUsedInTurn) {
  FakeServer server;
  const auto stub = connect({.emulator_host = server.address(), .channels = 3});
  for (int i = 0; i < 6; ++i) ASSERT_EQ(rollback(*stub), absl::OkStatus());
  std::map<std::string, int> calls;
  for (const Received& received : server.received()) ++calls[received.peer];
  ASSERT_EQ(calls.size(), 3u);
  for (const auto& [peer, count] : calls) EXPECT_EQ(count, 2) << peer;
}

TEST(Channel, RefusesSenselessSettings) {
  for (const int count : {0, -1, 257}) {
    const absl::Status status = make_channels({.emulator_host = "127.0.0.1:1", .channels = count}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(cat("channels is ", count)));
  }
  const absl::Status status = make_channels({.endpoint = "https://localhost"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("https://localhost"));
}

TEST(Channel, CredentialsFileThatIsNotThere) {
  const ScopedEnvironment file("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json");
  const absl::Status status = make_channels({.endpoint = "localhost:1"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/key.json"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("GOOGLE_APPLICATION_CREDENTIALS"));
}

TEST(Channel, AnAddressWhereNothingListensIsNamed) {
  const BoundPort port;
  const std::string address = cat("127.0.0.1:", port.number());
  const ScopedEnvironment environment("DATASTORE_EMULATOR_HOST", address.c_str());
  const absl::Status status = rollback(*connect({}));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(cat("the Datastore at ", address, " is unavailable")));
  EXPECT_THAT(std::string(status.message()), HasSubstr(cat("DATASTORE_EMULATOR_HOST=", address)));
}

}  // namespace
}  // namespace ndb::datastore
