// Executes the steps of the protocol for a batch of records: sends each record's next step, reads it again, and repeats
// until all are done.
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

// The server and memcache key of a record.
struct Place {
  Key key;
  std::string name;
  std::size_t server = 0;
};

// One record during an operation.
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
  // The next step of an entry. `round` counts from 0; it is `rounds` when only the last answer is to be judged.
  using Decide = absl::FunctionRef<Step(Entry& entry, int round)>;

  Records(Cluster& cluster, ConnectionPool& connections) : cluster_(cluster), connections_(connections) {}

  Place place(const Key& key) const;
  std::vector<Entry> entries(std::span<const Key> keys) const;
  // Whether memcached accepts an item with the payload, compressed if necessary.
  bool fits(const Place& place, std::string_view payload) const;
  // The command that executes the step; `unique` is the one that a cas compares.
  Store to_store(Step step, const Place& place, const Unique& unique) const;

  // Executes what `decide` returns, in at most `rounds` round trips, until every entry is done. Afterwards `done` tells
  // which are. `plain` items are read in the same round trips. A store and the read of its result are one round trip.
  void converge(std::vector<Entry>& entries, int rounds, Decide decide, std::span<PlainItem> plain = {});

 private:
  // Executes steps[i] for entries[i].
  void round_trip(std::vector<Entry>& entries, std::vector<Step>& steps, std::span<PlainItem> plain);
  Seen see(const Entry& entry, const Item& item, std::size_t& inflated);

  Cluster& cluster_;
  ConnectionPool& connections_;
};

}  // namespace ndb::memcache
