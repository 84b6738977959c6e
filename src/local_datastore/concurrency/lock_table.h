// Locks on keys of the store and on ranges of them, which make pessimistic transactions serializable.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "local_datastore/call_context.h"
#include "local_datastore/concurrency/read_set.h"

namespace ndb::local {

// ABORTED, with the cloud's message followed by ours, which says who waited for what.
absl::Status contention_error(std::string_view detail);

// Shared locks are on keys or ranges, exclusive locks on keys. Owners hold them until release(). Requests that conflict
// are granted in the order in which they arrived, so that none starves. A deadlock cycle in the wait-for graph is
// broken by aborting its youngest owner. Thread-safe.
class LockTable {
  struct Waiter;

 public:
  // A transaction, or a commit outside of one. Its locks are released before it is destroyed.
  class Owner {
   public:
    Owner(std::uint64_t number, std::string name_in_errors, Monotonic begin)
        : age(number), name(std::move(name_in_errors)), began(begin) {}
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;

    const std::uint64_t age;  // a younger owner has a greater age
    const std::string name;
    const Monotonic began;

   private:
    friend class LockTable;
    std::vector<Waiter*> waits_;
    std::vector<std::string> shared_;
    std::vector<std::string> excluded_;
    KeyRanges ranges_;
    std::string doomed_;  // why it is aborted at its next request; empty: it is not
    bool closed_ = false;
  };

  // How errors name a key. Thread-safe.
  using Describe = std::function<std::string(std::string_view key)>;

  // The clock outlives it.
  LockTable(const Clock& clock, Describe describe) : clock_(clock), describe_(std::move(describe)) {}

  // Take all these locks, and wait for them until `until` at most. ABORTED if one is not free by then, or in a
  // deadlock; the error of the call if it ends first; FAILED_PRECONDITION after close(). Locks that the owner already
  // has are kept.
  absl::Status share(const CallContext& call, Owner& owner, const ReadSet& reads, Monotonic until);
  absl::Status exclude(const CallContext& call, Owner& owner, const std::vector<std::string>& keys, Monotonic until);

  // Release all locks of the owner. After close() it gets no more locks, and its waiting requests end.
  void release(Owner& owner);
  void close(Owner& owner);

  // The number of waiting requests.
  std::size_t waiting() const;

 private:
  // A key, or a range if `end` is not empty.
  struct Request {
    Owner& owner;
    bool exclusive;
    std::string_view begin;
    std::string_view end{};
    bool contains(std::string_view key) const { return end.empty() ? key == begin : begin <= key && key < end; }
    bool excludes(const Request& other) const;
  };
  struct Waiter {
    const Request& request;
    std::vector<Owner*> blockers{};  // edges of the wait-for graph
    bool woken = false;
    Condition changed{};
    void wake() {
      woken = true;
      changed.notify_all();
    }
  };

  absl::Status acquire(const CallContext& call, const Request& request, Monotonic until) NDB_REQUIRES(mutex_);
  absl::Status wait(const CallContext& call, Waiter& waiter, Monotonic until) NDB_REQUIRES(mutex_);
  std::vector<Owner*> blockers_of(const Waiter& waiter) NDB_REQUIRES(mutex_);
  void grant(const Request& request) NDB_REQUIRES(mutex_);
  void break_cycles(const Waiter& waiter) NDB_REQUIRES(mutex_);
  using Path = std::vector<const Waiter*>;
  bool waits_for(Owner* from, const Owner* to) NDB_REQUIRES(mutex_);
  bool find_path(Owner* from, const Owner* to, std::unordered_set<Owner*>& seen, Path& path) NDB_REQUIRES(mutex_);
  void give_back(Owner& owner) NDB_REQUIRES(mutex_);
  void wake_waiters_of(const Owner& owner) NDB_REQUIRES(mutex_);
  std::string describe(const Owner& owner) const;
  std::string describe(const Request& request) const;

  const Clock& clock_;
  const Describe describe_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, std::vector<Owner*>, StringHash, std::equal_to<>> shared_ NDB_GUARDED_BY(mutex_);
  std::map<std::string, Owner*, std::less<>> excluded_ NDB_GUARDED_BY(mutex_);
  std::vector<Owner*> range_readers_ NDB_GUARDED_BY(mutex_);
  std::list<Waiter*> waiters_ NDB_GUARDED_BY(mutex_);  // in the order of arrival
};

}  // namespace ndb::local
