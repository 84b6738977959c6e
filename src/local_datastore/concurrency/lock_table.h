// Locks on keys of the store and on ranges of them: what makes transactions serializable that are not to be aborted for
// what others write meanwhile.
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

// ABORTED: the cloud's words, and then ours of who waited for what.
absl::Status contention_error(std::string_view detail);

// Readers share keys and ranges; a writer excludes all others from keys. Locks are held until release(). Requests that
// exclude each other are served in the order in which they came, so that nobody starves. Where owners wait for each
// other in a cycle, the youngest of them is aborted. Thread-safe.
class LockTable {
  struct Waiter;

 public:
  // Somebody who holds locks: a transaction, or a commit of its own. Released before it goes.
  class Owner {
   public:
    Owner(std::uint64_t number, std::string name_in_errors, Monotonic begin)
        : age(number), name(std::move(name_in_errors)), began(begin) {}
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;

    const std::uint64_t age;  // the younger has the greater one
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

  // What errors call a key. Thread-safe.
  using Describe = std::function<std::string(std::string_view key)>;

  // The clock outlives it.
  LockTable(const Clock& clock, Describe describe) : clock_(clock), describe_(std::move(describe)) {}

  // Wait until `until` at most, in all. ABORTED if a lock can't be had, and the error of the call if it ends; locks
  // that the owner has already stay. FAILED_PRECONDITION after close().
  absl::Status share(const CallContext& call, Owner& owner, const ReadSet& reads, Monotonic until);
  absl::Status exclude(const CallContext& call, Owner& owner, const std::vector<std::string>& keys, Monotonic until);

  // Gives all locks back; the owner may take others, unless it was closed, which ends its waits too.
  void release(Owner& owner);
  void close(Owner& owner);

  // How many requests wait now.
  std::size_t waiting() const;

 private:
  // A key, or, where `end` is not empty, a range of them.
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
  std::list<Waiter*> waiters_ NDB_GUARDED_BY(mutex_);  // in the order in which they came
};

}  // namespace ndb::local
