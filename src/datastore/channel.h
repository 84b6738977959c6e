// Channels to a Datastore: the cloud's, an emulator, or one in this process.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace grpc {
class ChannelCredentials;
}

namespace ndb {
class Channel;
}

namespace ndb::datastore {

// Which Datastore to use. The first of these that is set decides: in_process, emulator_host, endpoint, the environment
// variable DATASTORE_EMULATOR_HOST; otherwise the cloud.
struct ChannelConfig {
  std::shared_ptr<ndb::Channel> in_process{};  // of an embedded local Datastore
  std::string emulator_host{};     // host:port, [v6]:port, http://host:port: plaintext; https://host:port: TLS
  std::string emulator_ca_file{};  // PEM: trusted certificates for an https emulator; default: the system's
  std::string emulator_token{};    // sent to an emulator with every call; default: NDB_AUTH_TOKEN
  std::string endpoint{};          // host[:port] of the cloud API, with TLS; the port is 443 unless it says so
  std::shared_ptr<grpc::ChannelCredentials> credentials{};  // for an endpoint; default: application-default credentials
  std::optional<int> channels{};  // connections, used in turn; default: 4 to the cloud, 1 elsewhere
};

// The channels of a stub.
struct Channels {
  using List = std::vector<std::shared_ptr<ndb::Channel>>;
  // Opens the channels, each with a connection of its own. Not called before the first RPC, because gRPC starts
  // threads, which a child of fork() would not have. After a success it is not called again. Empty: there are no
  // channels.
  std::function<absl::StatusOr<List>()> open{};
  std::string address{};        // for messages
  std::string hint{};           // for messages: what to check if the address does not answer
  std::string authorization{};  // the header of every call; empty: none
};

// Fails if an address or an option is invalid, or a file can't be read. An address that does not answer shows only in
// the calls. So do missing application-default credentials: open() looks for them, and that may block for seconds,
// because gRPC falls back to asking the metadata server of Google's machines.
absl::StatusOr<Channels> make_channels(const ChannelConfig& config);

}  // namespace ndb::datastore
