// Carries the steps of the protocol out: for a batch of records, send what each does next, look again, and repeat until
// all are done.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "memcache/operations/plain_items.h"
#include "memcache/protocol/transitions.h"
#include "memcache/transport/cluster.h"
#include "memcache/transport/thread_connections.h"
#include "ndb/key.h"

namespace ndb::memcache {

// Where a record lives.
struct Place {
  Key key;
  std::string name;
  std::size_t server = 0;
};

// A record on its way through an operation.
struct Entry {
  std::size_t index = 0;  // of the request
  Place place;
  Seen seen{};
  bool wants_payload = false;
  std::uint64_t known = 0;  // see ReadRequest
  bool insist = false;      // ask its server even if its breaker is open
  bool done = false;
};

// Random, never 0.
std::uint64_t new_token();

// Thread-safe.
class Records {
 public:
  // What an entry does next; `round` counts from 0 and is `rounds` when the last answer is judged.
  using Decide = absl::FunctionRef<Step(Entry& entry, int round)>;

  Records(Cluster& cluster, ConnectionPool& connections) : cluster_(cluster), connections_(connections) {}

  Place place(const Key& key) const;
  std::vector<Entry> entries(std::span<const Key> keys) const;
  // Whether memcached takes an item with the payload, compressed if need be.
  bool fits(const Place& place, std::string_view payload) const;
  // The command that carries the step out; `unique` is what a cas goes against.
  Store to_store(Step step, const Place& place, const Unique& unique) const;

  // Carries out what `decide` says, in at most `rounds` round trips, until every entry is done or none is left.
  // Afterwards `done` tells which are. `plain` items ride along. A store and the look at its result are one round trip.
  void converge(std::vector<Entry>& entries, int rounds, Decide decide, std::span<PlainItem> plain = {});

 private:
  // steps[i] is what entries[i] does.
  void round_trip(std::vector<Entry>& entries, std::vector<Step>& steps, std::span<PlainItem> plain);
  Seen see(const Entry& entry, const Item& item, std::size_t& inflated);

  Cluster& cluster_;
  ConnectionPool& connections_;
};

}  // namespace ndb::memcache
