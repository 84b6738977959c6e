// Connections to a Datastore: the cloud's, an emulator's, or one in this process.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace grpc {
class Channel;
class ChannelCredentials;
}  // namespace grpc

namespace ndb {
class Channel;
}

namespace ndb::datastore {

// Where the Datastore is. The first of these that is set decides: in_process, emulator_host, endpoint, the
// environment's DATASTORE_EMULATOR_HOST; else the cloud.
struct ChannelConfig {
  std::shared_ptr<ndb::Channel> in_process{};  // of an embedded local Datastore
  std::string emulator_host{};     // host:port, [v6]:port, http://host:port: plaintext; https://host:port: TLS
  std::string emulator_ca_file{};  // PEM: whom to believe that they are an https emulator; default: the system's
  std::string emulator_token{};    // sent to an emulator with every call; default: NDB_AUTH_TOKEN
  std::string endpoint{};          // host[:port] of the cloud API, with TLS; the port is 443 unless it says so
  std::shared_ptr<grpc::ChannelCredentials> credentials{};  // for an endpoint; default: application-default credentials
  std::optional<int> channels{};  // connections, used in turn; default: 4 to the cloud, 1 elsewhere
};

// What a stub sends over. Every channel has a connection of its own, made when it is first used.
struct Channels {
  std::vector<std::shared_ptr<grpc::Channel>> list{};
  std::string address{};        // for messages
  std::string hint{};           // for messages: what to check when nothing answers at the address
  std::string authorization{};  // the header that every call has; empty: none
};

// Fails when an address makes no sense, or without application-default credentials where they are needed; an address
// where nothing answers shows in the calls. Looking for credentials may block for seconds: gRPC asks the metadata
// server of Google's machines when there are no others.
absl::StatusOr<Channels> make_channels(const ChannelConfig& config);

}  // namespace ndb::datastore
