#include "local_datastore/concurrency/lock_table.h"

#include <algorithm>
#include <iterator>

#include "base/status_macros.h"

namespace ndb::local {
namespace {

template <class Container, class Item>
bool has(const Container& container, const Item& item) {
  return std::find(container.begin(), container.end(), item) != container.end();
}

std::int64_t milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

absl::Status contention_error(std::string_view detail) {
  return absl::AbortedError(cat(
      "Aborted due to cross-transaction contention. This occurs when multiple transactions attempt to access the same "
      "data, requiring Firestore to abort at least one in order to enforce serializability. ",
      detail));
}

bool LockTable::Request::excludes(const Request& other) const {
  if (&owner == &other.owner || !(exclusive || other.exclusive)) return false;
  return exclusive ? other.contains(begin) : contains(other.begin);
}

std::string LockTable::describe(const Owner& owner) const {
  return cat(owner.name, ", begun ", milliseconds(clock_.monotonic() - owner.began), " ms ago,");
}

std::string LockTable::describe(const Request& request) const {
  return cat(request.exclusive ? "the exclusive lock of " : "the shared lock of ", describe_(request.begin));
}

absl::Status LockTable::share(const CallContext& call, Owner& owner, const ReadSet& reads, Monotonic until) {
  MutexLock lock(mutex_);
  for (const std::string& key : reads.keys) {
    NDB_RETURN_IF_ERROR(acquire(call, {.owner = owner, .exclusive = false, .begin = key}, until));
  }
  for (const auto& [begin, end] : reads.ranges) {
    NDB_RETURN_IF_ERROR(acquire(call, {.owner = owner, .exclusive = false, .begin = begin, .end = end}, until));
  }
  return absl::OkStatus();
}

absl::Status LockTable::exclude(const CallContext& call, Owner& owner, const std::vector<std::string>& keys,
                                Monotonic until) {
  MutexLock lock(mutex_);
  for (const std::string& key : keys) {
    NDB_RETURN_IF_ERROR(acquire(call, {.owner = owner, .exclusive = true, .begin = key}, until));
  }
  return absl::OkStatus();
}

void LockTable::release(Owner& owner) {
  MutexLock lock(mutex_);
  give_back(owner);
  owner.doomed_.clear();
}

void LockTable::close(Owner& owner) {
  MutexLock lock(mutex_);
  owner.closed_ = true;
  give_back(owner);
  for (Waiter* waiter : owner.waits_) waiter->wake();
}

std::size_t LockTable::waiting() const {
  MutexLock lock(mutex_);
  return waiters_.size();
}

void LockTable::give_back(Owner& owner) {
  for (const std::string& key : owner.shared_) {
    const auto found = shared_.find(key);
    std::erase(found->second, &owner);
    if (found->second.empty()) shared_.erase(found);
  }
  for (const std::string& key : owner.excluded_) excluded_.erase(key);
  std::erase(range_readers_, &owner);
  owner.shared_.clear();
  owner.excluded_.clear();
  owner.ranges_.clear();
  for (Waiter* waiter : waiters_) {
    if (std::erase(waiter->blockers, &owner) > 0 && waiter->blockers.empty()) waiter->wake();
  }
}

void LockTable::wake_waiters_of(const Owner& owner) {
  for (Waiter* waiter : waiters_) {
    if (has(waiter->blockers, &owner)) waiter->wake();
  }
}

absl::Status LockTable::acquire(const CallContext& call, const Request& request, Monotonic until) {
  Waiter waiter{.request = request};
  waiter.blockers = blockers_of(waiter);
  if (!waiter.blockers.empty() || request.owner.closed_) {
    waiters_.push_back(&waiter);
    request.owner.waits_.push_back(&waiter);
    const absl::Status status = wait(call, waiter, until);
    waiters_.remove(&waiter);
    std::erase(request.owner.waits_, &waiter);
    if (!status.ok()) wake_waiters_of(request.owner);  // those queued behind it
    NDB_RETURN_IF_ERROR(status);
  }
  grant(request);
  return absl::OkStatus();
}

absl::Status LockTable::wait(const CallContext& call, Waiter& waiter, Monotonic until) {
  const Owner& owner = waiter.request.owner;
  const Monotonic began = clock_.monotonic();
  for (;; waiter.blockers = blockers_of(waiter)) {
    if (owner.closed_) return absl::FailedPreconditionError("the owner of the lock has ended");
    if (owner.doomed_.empty() && waiter.blockers.empty()) return absl::OkStatus();
    break_cycles(waiter);
    if (!owner.doomed_.empty()) return contention_error(owner.doomed_);
    NDB_RETURN_IF_ERROR(call.check());
    const Monotonic now = clock_.monotonic();
    if (now >= until) {
      return contention_error(cat(describe(owner), " waited ", milliseconds(now - began), " ms for ",
                                  describe(waiter.request), ", which ", describe(*waiter.blockers.front()),
                                  " has or asked for before."));
    }
    waiter.woken = false;
    call.wait(waiter.changed, mutex_, until - now, [&waiter] { return waiter.woken; });
  }
}

// The owners that hold what the waiter's request excludes, and those that requested it earlier, unless they are waiting
// for the waiter's owner.
std::vector<LockTable::Owner*> LockTable::blockers_of(const Waiter& waiter) {
  const Request& request = waiter.request;
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
    for (Owner* reader : range_readers_) {
      if (reader->ranges_.contains(request.begin)) add(reader);
    }
  }
  auto earlier = std::find(waiters_.rbegin(), waiters_.rend(), &waiter);
  earlier = earlier == waiters_.rend() ? waiters_.rbegin() : std::next(earlier);
  for (; earlier != waiters_.rend(); ++earlier) {
    const Request& other = (*earlier)->request;
    if (!request.excludes(other) || waits_for(&other.owner, &request.owner)) continue;
    add(&other.owner);
    if (other.exclusive && request.end.empty()) break;  // that one already waits for all earlier ones
  }
  return out;
}

void LockTable::grant(const Request& request) {
  Owner& owner = request.owner;
  std::string key(request.begin);
  if (request.exclusive) {
    if (excluded_.emplace(key, &owner).second) owner.excluded_.push_back(std::move(key));
  } else if (!request.end.empty()) {
    if (owner.ranges_.empty()) range_readers_.push_back(&owner);
    owner.ranges_.add({std::move(key), std::string(request.end)});
  } else if (std::vector<Owner*>& holders = shared_[key]; !has(holders, &owner)) {
    holders.push_back(&owner);
    owner.shared_.push_back(std::move(key));
  }
  // Requests that already wait now also wait for this owner.
  for (Waiter* waiter : waiters_) {
    if (waiter->request.excludes(request) && !has(waiter->blockers, &owner)) waiter->blockers.push_back(&owner);
  }
}

void LockTable::break_cycles(const Waiter& waiter) {
  Owner* owner = &waiter.request.owner;
  for (Owner* blocker : waiter.blockers) {
    for (;;) {
      std::unordered_set<Owner*> seen;
      Path cycle{&waiter};
      if (!owner->doomed_.empty() || !find_path(blocker, owner, seen, cycle)) break;
      const Waiter* youngest = *std::max_element(cycle.begin(), cycle.end(), [](const Waiter* a, const Waiter* b) {
        return a->request.owner.age < b->request.owner.age;
      });
      std::string why = "It is the youngest of a deadlock:";
      for (auto it = cycle.rbegin(); it != cycle.rend(); ++it) {
        why += cat(it == cycle.rbegin() ? " " : "; ", describe((*it)->request.owner), " waits for ",
                   describe((*it)->request));
      }
      youngest->request.owner.doomed_ = why + '.';
      for (Waiter* other : youngest->request.owner.waits_) other->wake();
    }
  }
}

bool LockTable::waits_for(Owner* from, const Owner* to) {
  std::unordered_set<Owner*> seen;
  Path path;
  return find_path(from, to, seen, path);
}

// Whether `from` waits for `to`, directly or through others. The waits on the way are added to `path`, last one first.
bool LockTable::find_path(Owner* from, const Owner* to, std::unordered_set<Owner*>& seen, Path& path) {
  if (from == to) return true;
  if (!from->doomed_.empty() || !seen.insert(from).second) return false;
  for (const Waiter* waiter : from->waits_) {
    for (Owner* blocker : waiter->blockers) {
      if (!find_path(blocker, to, seen, path)) continue;
      path.push_back(waiter);
      return true;
    }
  }
  return false;
}

}  // namespace ndb::local
