// The gateway's inside. Functions are grouped by side: reader.cc, writer.cc, raw.cc, operator.cc; make(), invalidate()
// and the CACHED records are in gateway.cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "memcache/cluster.h"
#include "memcache/gateway.h"
#include "memcache/handle.h"
#include "memcache/repair_queue.h"
#include "memcache/ring_guard.h"
#include "memcache/transitions.h"

namespace ndb::memcache {

// Where a record lives.
struct Place {
  Key key;
  std::string name;
  std::size_t server = 0;
};

struct Lease {
  Place place;
  Unique unique;
  std::uint64_t min = 0;
  Monotonic since{};
};

struct Lock {
  Place place;
  Holder me;
  Seen seen;  // the LOCK as it was read back with `me` in it: releasing it needs no read
  Monotonic protected_until{};
};

// A record on its way through an operation.
struct Entry {
  std::size_t index = 0;  // of the request
  Place place;
  Seen seen{};
  std::uint64_t known = 0;  // see ReadRequest
  bool insist = false;      // ask its server even if it has failed so often that it is left alone
  bool done = false;
};

// An item that is no record, on its way through a read: a tag, or one of the user's own.
struct PlainEntry {
  std::size_t server = 0;
  std::string name{};
  bool tag = false;    // is made where there is none, and read back
  seconds timeout{0};  // of one that is made
  bool wanted = true;  // in the next round trip
  bool answered = false;
  std::optional<RawItem> found{};
};

// A writer's leave of one record.
struct Departure {
  Place place;
  Seen seen{};
  Leaving leaving{};
  Commit outcome = Commit::kUnknown;
  WallTime start{};
  Monotonic useless_after{};  // no LOCK of it can be left
  bool insist = false;        // see Entry
  bool done = false;
};

class MemcacheGateway final : public Gateway {
 public:
  explicit MemcacheGateway(std::unique_ptr<Cluster> cluster);

  std::vector<ReadResult> read(std::span<const ReadRequest> requests, std::span<TagRead> tags,
                               std::span<RawRead> raw) override;
  void fill(std::span<const Fill> fills) override;
  std::vector<absl::StatusOr<LockPtr>> lock(std::span<const LockRequest> requests, std::chrono::seconds hold) override;
  bool still_held(const Lock& lock, std::chrono::milliseconds margin) const override;
  void unlock(std::span<const Unlock> unlocks) override;
  absl::Status invalidate(std::span<const Key> keys) override;
  absl::Status put_cached(const Key& key, std::string_view payload, std::chrono::seconds timeout) override;
  absl::Status delete_cached(const Key& key) override;
  absl::Status reset_tags(std::span<const std::string> names, std::chrono::seconds timeout) override;
  bool raw_store(RawStore how, std::string_view key, std::string_view value, std::chrono::seconds timeout) override;
  bool raw_cas(std::string_view key, std::string_view value, std::uint64_t token,
               std::chrono::seconds timeout) override;
  bool raw_delete(std::string_view key) override;
  std::optional<std::uint64_t> raw_add_number(std::string_view key, std::int64_t delta,
                                              std::optional<std::uint64_t> initial) override;
  Stats stats() const override;
  std::vector<Inspection> inspect(std::span<const Key> keys) override;
  std::vector<ServerStats> server_stats() override;
  std::vector<absl::Status> flush_all() override;

 private:
  // What an entry does next; `round` counts from 0 and is `rounds` when the last answer is judged.
  using Decide = absl::FunctionRef<Step(Entry& entry, int round)>;
  // Carries out what `decide` says, in at most `rounds` round trips, until every entry is done or none is left.
  // Afterwards `done` tells which are. `plain` entries ride along.
  void converge(std::vector<Entry>& entries, int rounds, Decide decide, std::span<PlainEntry> plain = {});
  // steps[i] is what entries[i] does.
  void round_trip(std::vector<Entry>& entries, std::vector<Step>& steps, std::span<PlainEntry> plain);

  Place place(const Key& key) const;
  std::vector<Entry> entries(std::span<const Key> keys) const;
  Seen see(const Entry& entry, const Item& item);
  Store to_store(Step step, const Place& place, const Unique& unique) const;
  bool fenced() { return !ring_.agrees() && cluster_->config().ring_check == RingCheck::kEnforce; }
  void leave(std::vector<Departure>& departures);  // takes out those that are done
  void finish_read(const ReadRequest& request, Entry& entry, ReadResult& result);
  bool fits(const Place& place, std::string_view payload) const;

  WallTime now() const { return cluster_->clock().now(); }

  std::unique_ptr<Cluster> cluster_;
  HandlePool handles_;
  RingGuard ring_;
  RepairQueue repairs_;  // last: its thread uses the others
};

absl::Status ring_error();  // of operations that a fenced gateway refuses
// Random, never 0.
std::uint64_t new_token();
// The memcache key of an item that is no record: `prefix` and the caller's key, which may be any bytes.
std::string plain_name(std::string_view prefix, std::string_view key);
PlainEntry tag_entry(const Cluster& cluster, const TagRead& read);
Store new_tag(Verb verb, seconds timeout, WallTime now);
PlainEntry raw_entry(const Cluster& cluster, const RawRead& read);
std::optional<Tag> tag_of(const PlainEntry& entry);
// A CAS unique as the caller of raw access may keep it.
std::uint64_t to_token(const Unique& unique);
// `duration` as memcached reads it: more than 30 days would be taken for a date.
std::int64_t memcached_ttl(seconds duration, WallTime now);
// What the server says of itself; warnings of what would make the protocol weaker or slower: CAS off, no
// temporary_ttl, another item size. Without the ring.
ServerStats probe(const Address& address, const Config& config);
// Logs the warnings about all servers.
void warn(const Cluster& cluster);

}  // namespace ndb::memcache
