// What the messages of a request cost, found out before they are made.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <cstddef>

#include "absl/status/statusor.h"

namespace ndb::local {

// Smaller requests become messages of a megabyte at most, and need not be looked at.
inline constexpr std::size_t kNotMeasured = 8 << 10;

// About how many bytes of memory a message of this type takes once it is parsed: two bytes on the wire may become an
// object of a hundred. One pass, without recursion deeper than the parser's own. INVALID_ARGUMENT for more than any
// valid request has. Bytes that cannot be parsed are counted up to there.
absl::StatusOr<std::size_t> parsed_size(google::protobuf::io::ZeroCopyInputStream& bytes,
                                        const google::protobuf::Descriptor& type);

}  // namespace ndb::local
