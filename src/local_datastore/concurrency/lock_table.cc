#include "local_datastore/concurrency/lock_table.h"

#include <algorithm>

#include "base/status_macros.h"

namespace ndb::local {
namespace {

template <class Container, class Item>
bool has(const Container& container, const Item& item) {
  return std::find(container.begin(), container.end(), item) != container.end();
}

}  // namespace

absl::Status contention_error() {
  return absl::AbortedError(
      "Aborted due to cross-transaction contention. This occurs when multiple transactions attempt to access the same "
      "data, requiring Firestore to abort at least one in order to enforce serializability.");
}

absl::Status LockTable::share(const CallContext& call, Owner& owner, const ReadSet& reads) {
  MutexLock lock(mutex_);
  for (const std::string& key : reads.keys) {
    NDB_RETURN_IF_ERROR(acquire(call, {.owner = owner, .exclusive = false, .begin = key}));
  }
  for (const KeyRange& range : reads.ranges) {
    if (range.begin >= range.end) continue;
    NDB_RETURN_IF_ERROR(acquire(call, {.owner = owner, .exclusive = false, .begin = range.begin, .end = range.end}));
  }
  return absl::OkStatus();
}

absl::Status LockTable::exclude(const CallContext& call, Owner& owner, const std::vector<std::string>& keys) {
  MutexLock lock(mutex_);
  for (const std::string& key : keys) {
    NDB_RETURN_IF_ERROR(acquire(call, {.owner = owner, .exclusive = true, .begin = key}));
  }
  return absl::OkStatus();
}

void LockTable::release(Owner& owner) {
  MutexLock lock(mutex_);
  give_back(owner);
  owner.doomed_ = false;
}

void LockTable::close(Owner& owner) {
  MutexLock lock(mutex_);
  owner.closed_ = true;
  give_back(owner);
  for (Waiter* waiter : waiters_) {
    if (&waiter->request.owner == &owner) waiter->wake();
  }
}

void LockTable::give_back(Owner& owner) {
  for (const std::string& key : owner.shared_) {
    const auto found = shared_.find(key);
    std::erase(found->second, &owner);
    if (found->second.empty()) shared_.erase(found);
  }
  for (const std::string& key : owner.excluded_) excluded_.erase(key);
  for (const auto& range : owner.ranges_) ranges_.erase(range);
  owner.shared_.clear();
  owner.excluded_.clear();
  owner.ranges_.clear();
  for (Waiter* waiter : waiters_) {
    if (std::erase(waiter->blockers, &owner) > 0) waiter->wake();
  }
}

absl::Status LockTable::acquire(const CallContext& call, const Request& request) {
  Waiter waiter{.request = request};
  waiter.blockers = blockers_of(request);
  if (!waiter.blockers.empty() || request.owner.closed_) {
    waiters_.push_back(&waiter);
    const absl::Status status = wait(call, waiter);
    waiters_.remove(&waiter);
    NDB_RETURN_IF_ERROR(status);
  }
  grant(request);
  return absl::OkStatus();
}

absl::Status LockTable::wait(const CallContext& call, Waiter& waiter) {
  const Owner& owner = waiter.request.owner;
  const Monotonic deadline = clock_.monotonic() + max_wait_;
  for (bool in_time = true;; waiter.blockers = blockers_of(waiter.request)) {
    if (owner.closed_) return absl::FailedPreconditionError("the owner of the lock has ended");
    if (!owner.doomed_ && waiter.blockers.empty()) return absl::OkStatus();
    break_circles(waiter);
    if (owner.doomed_ || !in_time) return contention_error();
    NDB_RETURN_IF_ERROR(call.check());
    waiter.woken = false;
    call.wait(waiter.changed, mutex_, deadline - clock_.monotonic(), [&waiter] { return waiter.woken; });
    in_time = clock_.monotonic() < deadline;
  }
}

std::vector<LockTable::Owner*> LockTable::blockers_of(const Request& request) {
  std::vector<Owner*> out;
  const auto add = [&](Owner* holder) {
    if (holder != &request.owner && !has(out, holder)) out.push_back(holder);
  };
  for (auto it = excluded_.lower_bound(request.begin); it != excluded_.end() && request.contains(it->first); ++it) {
    add(it->second);
  }
  if (request.exclusive) {
    if (const auto found = shared_.find(request.begin); found != shared_.end()) {
      for (Owner* holder : found->second) add(holder);
    }
    for (auto it = ranges_.begin(); it != ranges_.end() && it->first <= request.begin; ++it) {
      if (request.begin < it->second.first) add(it->second.second);
    }
    return out;
  }
  for (const Waiter* waiter : waiters_) {
    Owner& writer = waiter->request.owner;
    if (waiter->request.exclusive && writer.age < request.owner.age && request.contains(waiter->request.begin) &&
        !has(waiter->blockers, &request.owner)) {
      add(&writer);
    }
  }
  return out;
}

void LockTable::grant(const Request& request) {
  Owner& owner = request.owner;
  std::string key(request.begin);
  if (request.exclusive) {
    if (excluded_.emplace(key, &owner).second) owner.excluded_.push_back(std::move(key));
  } else if (!request.end.empty()) {
    owner.ranges_.push_back(ranges_.emplace(std::move(key), std::pair(std::string(request.end), &owner)));
  } else if (std::vector<Owner*>& holders = shared_[key]; !has(holders, &owner)) {
    holders.push_back(&owner);
    owner.shared_.push_back(std::move(key));
  }
  // Who waits already now waits for this owner too.
  for (Waiter* waiter : waiters_) {
    const Request& other = waiter->request;
    const bool meets =
        other.exclusive ? request.contains(other.begin) : request.exclusive && other.contains(request.begin);
    if (meets && &other.owner != &owner && !has(waiter->blockers, &owner)) waiter->blockers.push_back(&owner);
  }
}

void LockTable::break_circles(const Waiter& waiter) {
  Owner* owner = &waiter.request.owner;
  for (Owner* blocker : waiter.blockers) {
    for (;;) {
      std::vector<Owner*> seen;
      std::vector<Owner*> circle{owner};
      if (owner->doomed_ || !find_way(blocker, owner, seen, circle)) break;
      Owner* youngest = *std::max_element(circle.begin(), circle.end(),
                                          [](const Owner* a, const Owner* b) { return a->age < b->age; });
      youngest->doomed_ = true;
      for (Waiter* other : waiters_) {
        if (&other->request.owner == youngest) other->wake();
      }
    }
  }
}

// Whether `from` waits for `to`, be it through others, which are added to `way`.
bool LockTable::find_way(Owner* from, const Owner* to, std::vector<Owner*>& seen, std::vector<Owner*>& way) {
  if (from == to) return true;
  if (from->doomed_ || has(seen, from)) return false;
  seen.push_back(from);
  for (const Waiter* waiter : waiters_) {
    if (&waiter->request.owner != from) continue;
    for (Owner* blocker : waiter->blockers) {
      if (!find_way(blocker, to, seen, way)) continue;
      way.push_back(from);
      return true;
    }
  }
  return false;
}

}  // namespace ndb::local
