// The servers as all threads of a gateway share them: addresses, the home of each key, breakers, counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "memcache/config.h"
#include "memcache/transport/address.h"
#include "memcache/transport/breaker.h"
#include "memcache/transport/continuum.h"

namespace ndb::memcache {

struct Counters {
  std::atomic<std::uint64_t> round_trips{0}, commands{0}, hits{0}, misses{0}, bypassed{0}, fills{0}, locks{0},
      unlocks{0}, errors{0}, corrupt{0}, stale{0}, ring_mismatches{0}, repaired{0};
};

// Thread-safe: only breakers and counters change.
class Cluster {
 public:
  static absl::StatusOr<std::unique_ptr<Cluster>> make(Config config);

  const Config& config() const { return config_; }
  const Clock& clock() const { return *config_.clock; }
  std::size_t size() const { return addresses_.size(); }
  const Address& address(std::size_t server) const { return addresses_[server]; }
  Breaker& breaker(std::size_t server) { return breakers_[server]; }
  Counters& counters() { return counters_; }

  // The server that holds the item with this memcache key.
  std::size_t home(std::string_view name) const { return continuum_.home(name); }

  // Whether memcached accepts an item with a value of this size.
  bool fits(std::string_view name, std::size_t size) const;

 private:
  Cluster(Config config, std::vector<Address> addresses);

  Config config_;
  std::vector<Address> addresses_;
  std::deque<Breaker> breakers_;
  Continuum continuum_;
  Counters counters_;
};

}  // namespace ndb::memcache
