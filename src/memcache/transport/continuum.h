// Which server is the home of a memcache key: consistent hashing on a continuum of 32-bit points (ketama).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "memcache/transport/address.h"

namespace ndb::memcache {

// Ketama with MD5 and equal weights, with the same points as libmemcached's weighted ketama, so that other clients can
// compute the same homes (docs/record-format.md); for any number of servers. A server that is down keeps its keys,
// because a key with two homes could be stale in one. Immutable.
class Continuum {
 public:
  explicit Continuum(std::span<const Address> servers);

  // The index of the key's server. There must be at least one.
  std::size_t home(std::string_view name) const;

 private:
  struct Point {
    std::uint32_t value = 0;
    std::uint32_t server = 0;
    friend auto operator<=>(const Point&, const Point&) = default;
  };
  std::vector<Point> points_;  // sorted; empty for a single server
};

}  // namespace ndb::memcache
