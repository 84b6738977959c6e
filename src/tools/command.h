// The arguments of the `ndb` command.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "ndb/client.h"
#include "ndb/key.h"
#include "ndb/local_datastore.h"

namespace ndb::tools {

struct Help {};
struct Version {};
// `ndb cache VERB`. A flush has either keys, or a kind, or `all`.
struct CacheCommand {
  enum class Verb : std::uint8_t { kShow, kFlush, kStats };
  Verb verb = Verb::kShow;
  std::vector<Key> keys{};  // keys without a project belong to that of the options
  std::optional<std::string> kind{};
  bool all = false;
  ClientOptions options{};
};
// `ndb export` and `ndb import`.
struct TransferCommand {
  enum class Verb : std::uint8_t { kExport, kImport };
  Verb verb = Verb::kExport;
  std::string file = "-";                                // stdout, or stdin
  std::vector<std::string> kinds{};                      // none: all
  std::optional<std::vector<std::string>> namespaces{};  // not set: all
  ClientOptions options{};
};
// LocalDatastore::Options are `ndb serve`.
using Command = std::variant<Help, Version, LocalDatastore::Options, CacheCommand, TransferCommand>;

// What `ndb help` prints.
extern const std::string_view kHelp;

// Parses the arguments after the program's name. INVALID_ARGUMENT, with a message for the user, if they are invalid.
absl::StatusOr<Command> parse_command(std::span<const std::string> arguments);

}  // namespace ndb::tools
