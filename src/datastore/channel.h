// Connections to a Datastore: the cloud's, an emulator's, or one in this process.
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

// What a stub sends over.
struct Channels {
  using List = std::vector<std::shared_ptr<ndb::Channel>>;
  // Makes them, each with a connection of its own. Not called before the first RPC, because gRPC starts threads, which
  // a child of fork() would miss. Without a second call once it has succeeded; empty: there are none.
  std::function<absl::StatusOr<List>()> open{};
  std::string address{};        // for messages
  std::string hint{};           // for messages: what to check when nothing answers at the address
  std::string authorization{};  // the header that every call has; empty: none
};

// Fails when an address or an option makes no sense, or a file can't be read. An address where nothing answers shows in
// the calls, and so does that there are no application-default credentials: open() looks for them, which may block for
// seconds, as gRPC asks the metadata server of Google's machines when there are no others.
absl::StatusOr<Channels> make_channels(const ChannelConfig& config);

}  // namespace ndb::datastore
