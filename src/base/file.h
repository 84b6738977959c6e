// Whole files.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace ndb {

// The bytes of a file. The error says why not, without the name: NOT_FOUND if there is none, else INVALID_ARGUMENT.
absl::StatusOr<std::string> read_file(const std::string& name);

}  // namespace ndb
