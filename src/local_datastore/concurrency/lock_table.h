// Locks on keys of the store and on ranges of them: what makes transactions serializable that are not to be aborted for
// what others write meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "local_datastore/call_context.h"
#include "local_datastore/concurrency/read_set.h"

namespace ndb::local {

// ABORTED, in the words of the cloud.
absl::Status contention_error();

// Readers share keys and ranges; a writer excludes all others from keys. Locks are held until release(). Who waits for
// longer than the limit is aborted, and so is the youngest of a circle of owners that wait for each other. A reader
// waits behind an older writer that waits already, so that a stream of readers starves nobody. Thread-safe.
class LockTable {
 public:
  // Somebody who holds locks: a transaction, or a commit of its own. Released before it goes.
  class Owner {
   public:
    explicit Owner(std::uint64_t number) : age(number) {}
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;

    const std::uint64_t age;  // the younger has the greater one

   private:
    friend class LockTable;
    using Ranges = std::multimap<std::string, std::pair<std::string, Owner*>, std::less<>>;
    std::vector<std::string> shared_;
    std::vector<std::string> excluded_;
    std::vector<Ranges::iterator> ranges_;
    bool doomed_ = false;
    bool closed_ = false;
  };

  // The clock outlives it.
  LockTable(const Clock& clock, std::chrono::nanoseconds max_wait) : clock_(clock), max_wait_(max_wait) {}

  // ABORTED if a lock can't be had; those that the owner has already stay. FAILED_PRECONDITION after close(). The error
  // of the call if it ends while it waits.
  absl::Status share(const CallContext& call, Owner& owner, const ReadSet& reads);
  absl::Status exclude(const CallContext& call, Owner& owner, const std::vector<std::string>& keys);

  // Gives all locks back; the owner may take others, unless it was closed, which ends its waits too.
  void release(Owner& owner);
  void close(Owner& owner);

 private:
  // A key, or, where `end` is not empty, a range of them.
  struct Request {
    Owner& owner;
    bool exclusive;
    std::string_view begin;
    std::string_view end{};
    bool contains(std::string_view key) const { return end.empty() ? key == begin : begin <= key && key < end; }
  };
  struct Waiter {
    const Request& request;
    std::vector<Owner*> blockers{};
    bool woken = false;
    Condition changed{};
    void wake() {
      woken = true;
      changed.notify_all();
    }
  };

  absl::Status acquire(const CallContext& call, const Request& request) NDB_REQUIRES(mutex_);
  absl::Status wait(const CallContext& call, Waiter& waiter) NDB_REQUIRES(mutex_);
  std::vector<Owner*> blockers_of(const Request& request) NDB_REQUIRES(mutex_);
  void grant(const Request& request) NDB_REQUIRES(mutex_);
  void break_circles(const Waiter& waiter) NDB_REQUIRES(mutex_);
  bool find_way(Owner* from, const Owner* to, std::vector<Owner*>& seen, std::vector<Owner*>& way) NDB_REQUIRES(mutex_);
  void give_back(Owner& owner) NDB_REQUIRES(mutex_);

  const Clock& clock_;
  const std::chrono::nanoseconds max_wait_;
  Mutex mutex_;
  std::unordered_map<std::string, std::vector<Owner*>, StringHash, std::equal_to<>> shared_ NDB_GUARDED_BY(mutex_);
  std::map<std::string, Owner*, std::less<>> excluded_ NDB_GUARDED_BY(mutex_);
  Owner::Ranges ranges_ NDB_GUARDED_BY(mutex_);
  std::list<Waiter*> waiters_ NDB_GUARDED_BY(mutex_);
};

}  // namespace ndb::local
