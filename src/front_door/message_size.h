// Estimates the memory of a request in protobuf before it is parsed, and parses it.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream.h>
#include <google/protobuf/message.h>

#include <cstddef>

#include "absl/status/statusor.h"

namespace ndb::local {

// Smaller requests become messages of at most a megabyte and need not be measured.
inline constexpr std::size_t kNotMeasured = 8 << 10;

// About how many bytes of memory a message of this type takes once it is parsed: two bytes on the wire may become an
// object of a hundred. One pass, no deeper recursion than the parser's. INVALID_ARGUMENT if there is more than any
// valid request has. Bytes that cannot be parsed end the count.
absl::StatusOr<std::size_t> parsed_size(google::protobuf::io::ZeroCopyInputStream& bytes,
                                        const google::protobuf::Descriptor& type);

// Parses `bytes` as a message of this type. Accepts deeper nesting than protobuf's default, so that filters that are
// nested too deeply get the error of the limit on filters.
bool parse_message(google::protobuf::io::ZeroCopyInputStream& bytes, google::protobuf::Message& message);

}  // namespace ndb::local
