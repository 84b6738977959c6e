// Bodies in gzip (RFC 1952).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ndb::local {

// INVALID_ARGUMENT if the bytes are not gzip, or are cut off; OUT_OF_RANGE, without having made more, if they are more
// than `limit` bytes.
absl::StatusOr<std::string> gunzip(std::string_view bytes, std::size_t limit);

std::string gzip(std::string_view bytes);

}  // namespace ndb::local
