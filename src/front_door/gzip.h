// Bodies compressed with gzip (RFC 1952).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ndb::local {

// INVALID_ARGUMENT if the bytes are not gzip or are truncated; OUT_OF_RANGE if they inflate to more than `limit` bytes,
// of which no more are produced.
absl::StatusOr<std::string> gunzip(std::string_view bytes, std::size_t limit);

std::string gzip(std::string_view bytes);

}  // namespace ndb::local
