// The gateway over memcached. Its functions are in files by caller: reader.cc, writer.cc, cached_entities.cc, tags.cc,
// raw_items.cc, admin.cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memcache/gateway.h"
#include "memcache/operations/pending_release.h"
#include "memcache/operations/records.h"
#include "memcache/operations/repair_queue.h"
#include "memcache/operations/ring_guard.h"
#include "memcache/transport/cluster.h"
#include "memcache/transport/thread_connections.h"

namespace ndb::memcache {

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
  void discard(std::span<const Key> keys) override;
  absl::Status put_cached(const Key& key, std::string_view payload, std::chrono::seconds timeout) override;
  absl::Status delete_cached(const Key& key) override;
  absl::Status reset_tags(std::span<const std::string> names, std::chrono::seconds timeout) override;
  void raw_read(std::span<RawRead> reads) override { read({}, {}, reads); }
  bool raw_store(RawStore how, std::string_view key, std::string_view value, std::chrono::seconds timeout) override;
  bool raw_cas(std::string_view key, std::string_view value, std::uint64_t token,
               std::chrono::seconds timeout) override;
  bool raw_delete(std::string_view key) override;
  std::optional<std::uint64_t> raw_add_number(std::string_view key, std::int64_t delta,
                                              std::optional<std::uint64_t> initial) override;
  MemcacheStats stats() const override;
  std::vector<Inspection> inspect(std::span<const Key> keys) override;
  std::vector<ServerStats> server_stats() override;
  std::vector<absl::Status> flush_all() override;

 private:
  // Programs disagree on the list of servers and the check is enforced: nothing may be served or written.
  bool fenced() { return !ring_.agrees() && cluster_->config().ring_check == RingCheck::kEnforce; }
  void finish_read(const ReadRequest& request, Entry& entry, ReadResult& result);
  Store raw_value(Verb verb, std::string_view name, std::string_view value, std::chrono::seconds timeout) const;
  void release(std::vector<PendingRelease>& releases);  // removes those that are done

  WallTime now() const { return cluster_->clock().now(); }

  std::unique_ptr<Cluster> cluster_;
  ConnectionPool connections_;
  Records records_;
  RingGuard ring_;
  RepairQueue repairs_;  // last: its thread uses the other members
};

absl::Status ring_error();  // of operations that a fenced gateway refuses
// UNAVAILABLE: the record's server did not do `what`.
absl::Status not_done(const Cluster& cluster, std::string_view what, const Place& place);

}  // namespace ndb::memcache
