// The servers, as all threads of a gateway see them: addresses, the ring that gives each key its home, breakers,
// counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "memcache/breaker.h"
#include "memcache/gateway.h"

struct memcached_st;  // NOLINT(readability-identifier-naming): libmemcached's

namespace ndb::memcache {

struct Address {
  std::string host;  // or the path of a unix socket
  std::uint16_t port = 11211;
  bool is_socket = false;
  std::string to_string() const;
};
// host, host:port, [v6], [v6]:port, /path. INVALID_ARGUMENT names the text and what is wrong with it.
absl::StatusOr<Address> parse_address(std::string_view text);

struct FreeMemcached {
  void operator()(memcached_st* memcached) const;
};
using MemcachedPtr = std::unique_ptr<memcached_st, FreeMemcached>;

// A client of one server, not yet connected, with the options that the protocol needs.
MemcachedPtr make_client(const Address& address, const Config& config);

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

  // The server that holds the item with this memcache key: ketama with MD5 and 160 points for each server, which other
  // clients call consistent hashing too. A server that is down keeps its keys: a key with two homes could be stale in
  // one.
  std::size_t home(std::string_view name) const;

  // Whether memcached takes an item with such a value.
  bool fits(std::string_view name, std::size_t size) const;

 private:
  explicit Cluster(Config config) : config_(std::move(config)) {}

  Config config_;
  std::vector<Address> addresses_;
  std::deque<Breaker> breakers_;
  MemcachedPtr ring_;  // never connects
  Counters counters_;
};

}  // namespace ndb::memcache
