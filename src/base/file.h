// Whole files.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace ndb {

// Reads a file. The error gives the reason without the name: NOT_FOUND if there is no such file, else INVALID_ARGUMENT.
absl::StatusOr<std::string> read_file(const std::string& name);

}  // namespace ndb
