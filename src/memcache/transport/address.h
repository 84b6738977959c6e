// Where a memcached server listens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ndb::memcache {

struct Address {
  std::string host;  // or the path of a unix socket
  std::uint16_t port = 11211;
  bool is_socket = false;
  std::string to_string() const;
};

// host, host:port, [v6], [v6]:port, /path. INVALID_ARGUMENT names the text and what is wrong with it.
absl::StatusOr<Address> parse_address(std::string_view text);

}  // namespace ndb::memcache
