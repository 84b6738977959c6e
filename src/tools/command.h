// The arguments of the `ndb` command.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "ndb/local_datastore.h"

namespace ndb::tools {

struct Help {};
struct Version {};
using Command = std::variant<Help, Version, LocalDatastore::Options>;  // the last: `ndb serve`

// What `ndb help` prints.
extern const std::string_view kHelp;

// What the arguments after the program's name ask for. INVALID_ARGUMENT, with a message for the user, if they make no
// sense.
absl::StatusOr<Command> parse_command(std::span<const std::string> arguments);

}  // namespace ndb::tools
