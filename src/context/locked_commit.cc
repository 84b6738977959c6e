#include "context/locked_commit.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/cord.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/assigned_key.h"
#include "context/commit_limits.h"
#include "context/time_left.h"
#include "context/wire_time.h"
#include "memcache/time_limit.h"

namespace ndb::context {
namespace {

// How often locks are renewed that came too close to their end while the other locks were taken.
constexpr int kLockRounds = 2;

constexpr std::chrono::seconds kShortestHold{64};

constexpr char kInDoubtUrl[] = "ndb/in_doubt";

// An entity that was updated when it was created was created by this write, unless the write was sent before.
Committed committed_as(const wire::MutationResult& result, bool in_doubt) {
  Committed committed;
  committed.version = in_doubt ? 0 : static_cast<std::uint64_t>(std::max<std::int64_t>(result.version(), 0));
  if (!in_doubt && result.has_create_time() && result.has_update_time()) {
    committed.created = to_wall_time(result.create_time()) == to_wall_time(result.update_time());
  }
  return committed;
}

}  // namespace

absl::Status mark_in_doubt(absl::Status status) {
  status.SetPayload(kInDoubtUrl, absl::Cord());
  return status;
}

bool is_in_doubt(const absl::Status& status) { return status.GetPayload(kInDoubtUrl).has_value(); }

LockedCommit::LockedCommit(std::shared_ptr<Workspace> workspace, std::vector<Write> writes,
                           std::chrono::milliseconds deadline, std::shared_ptr<Bounds> bounds, std::string transaction)
    : workspace_(std::move(workspace)),
      deadline_(deadline),
      bounds_(std::move(bounds)),
      transaction_(std::move(transaction)) {
  items_.reserve(writes.size());
  for (Write& write : writes) {
    // A key without an id has no record yet.
    const bool wants_lock = write.policy.lock && write.key.is_complete();
    items_.push_back({.write = std::move(write), .wants_lock = wants_lock});
  }
}

std::vector<EndedWrite> LockedCommit::prepare() { return secure(deadline_ + kLockMargin); }

std::vector<EndedWrite> LockedCommit::prepare_for_pause() { return secure(memcache::kUnknownHold); }

std::vector<EndedWrite> LockedCommit::secure(std::chrono::milliseconds margin) {
  std::vector<EndedWrite> failed;
  for (int round = 0;; ++round) {
    const std::vector<std::size_t> todo = insecure(margin);
    if (todo.empty()) return failed;
    if (round < kLockRounds) {
      lock(todo, margin);
    } else {
      for (const std::size_t i : todo) items_[i].failure = absl::UnavailableError("its lock in memcache took too long");
    }
    std::ranges::move(take_failed(), std::back_inserter(failed));
  }
}

std::vector<std::size_t> LockedCommit::insecure(std::chrono::milliseconds margin) const {
  std::vector<std::size_t> todo;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    const bool runs_short = item.lock != nullptr && !workspace_->gateway()->still_held(*item.lock, margin);
    if (item.wants_lock || runs_short) todo.push_back(i);
  }
  return todo;
}

// Takes all locks in one batch. A lock that is about to expire is released only after its successor has been taken.
void LockedCommit::lock(const std::vector<std::size_t>& insecure, std::chrono::milliseconds margin) {
  std::vector<memcache::LockRequest> requests;
  for (const std::size_t i : insecure) {
    const Key& key = items_[i].write.key;
    requests.push_back({key, workspace_->cache.cas_hint(key)});
  }
  auto hold = std::max(kShortestHold, std::chrono::ceil<std::chrono::seconds>(margin + kLockMargin));
  if (in_doubt_) hold = std::max(hold, memcache::kUnknownHold);
  ++workspace_->counts->memcache_locks;
  const memcache::TimeLimit limit(time_left(bounds_.get()));
  auto locks = workspace_->gateway()->lock(requests, hold);

  std::vector<memcache::Unlock> old;
  for (std::size_t n = 0; n < insecure.size(); ++n) {
    Item& item = items_[insecure[n]];
    memcache::LockPtr before = std::exchange(item.lock, nullptr);
    const absl::Status& status = locks[n].status();
    if (status.ok()) {
      item.lock = *std::move(locks[n]);
    } else if (!item.write.policy.best_effort || !(absl::IsUnavailable(status) || absl::IsResourceExhausted(status))) {
      item.failure = status;
    }
    item.wants_lock = false;
    // A new lock also protects against what an earlier attempt may still do.
    const bool unprotected = in_doubt_ && item.lock == nullptr;
    if (unprotected) workspace_->cache.mark_uncertain(item.write.key);
    if (before == nullptr) continue;
    memcache::Unlock& unlock = old.emplace_back();
    unlock.lock = std::move(before);
    unlock.key = item.write.key;
    unlock.outcome = unprotected ? memcache::CommitOutcome::kUnknown : memcache::CommitOutcome::kFailed;
  }
  release(old);
}

std::vector<EndedWrite> LockedCommit::take_failed() {
  std::vector<EndedWrite> failed;
  std::vector<memcache::Unlock> unlocks;
  std::erase_if(items_, [&](Item& item) {
    if (item.failure.ok()) return false;
    if (item.lock != nullptr) {
      memcache::Unlock& unlock = unlocks.emplace_back();
      unlock.lock = std::move(item.lock);
      unlock.key = item.write.key;
      unlock.outcome = in_doubt_ ? memcache::CommitOutcome::kUnknown : memcache::CommitOutcome::kFailed;
      if (in_doubt_) workspace_->cache.mark_uncertain(item.write.key);
    }
    failed.push_back({std::move(item.write), in_doubt_ ? mark_in_doubt(item.failure) : item.failure});
    return true;
  });
  release(unlocks);
  return failed;
}

void LockedCommit::send(Answered answered) {
  wire::CommitRequest request;
  request.set_database_id(workspace_->database());
  if (transaction_.empty()) {
    request.set_mode(wire::CommitRequest::NON_TRANSACTIONAL);
  } else {
    request.set_mode(wire::CommitRequest::TRANSACTIONAL);
    request.set_transaction(transaction_);
  }
  for (const Item& item : items_) item.write.fill_mutation(*request.add_mutations());
  ++workspace_->counts->commits;
  workspace_->counts->mutations += items_.size();
  ++attempts_;
  auto done = workspace_->in_flight->on_loop<wire::CommitResponse>(
      bounds_,
      [self = shared_from_this(), answered = std::move(answered)](absl::StatusOr<wire::CommitResponse> response) {
        if (response.ok() && static_cast<std::size_t>(response->mutation_results_size()) != self->items_.size()) {
          response = absl::InternalError("the Datastore's answer to a Commit does not fit its mutations");
        }
        if (response.ok()) return answered(absl::OkStatus(), self->applied(*response));
        self->in_doubt_ = self->in_doubt_ || self->leaves_doubt(response.status());
        answered(response.status(), {});
      });
  // The stub must not send it again: whether an earlier attempt may have been applied decides what happens to the
  // locks.
  const auto options = within(bounds_.get(), {.deadline = deadline_, .retries = 0});
  workspace_->stub().commit(std::move(request), options, std::move(done));
}

// Outside of transactions, some of several mutations may have been applied whatever the error, unless the request was
// refused as a whole.
bool LockedCommit::leaves_doubt(const absl::Status& status) const {
  return datastore::outcome_unknown(status) ||
         (transaction_.empty() && items_.size() > 1 && !absl::IsInvalidArgument(status));
}

std::vector<EndedWrite> LockedCommit::applied(const wire::CommitResponse& response) {
  std::vector<memcache::Unlock> unlocks;
  std::vector<absl::StatusOr<Key>> results;
  results.reserve(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    results.push_back(applied(items_[i], response.mutation_results(static_cast<int>(i)), unlocks));
  }
  release(unlocks);
  std::vector<EndedWrite> ended;
  ended.reserve(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    ended.push_back({std::move(items_[i].write), std::move(results[i]),
                     committed_as(response.mutation_results(static_cast<int>(i)), in_doubt_)});
  }
  items_.clear();
  return ended;
}

// Handles one mutation of a Commit that succeeded: its lock, the context cache and the result for its caller.
absl::StatusOr<Key> LockedCommit::applied(const Item& item, const wire::MutationResult& result,
                                          std::vector<memcache::Unlock>& unlocks) {
  const Write& write = item.write;
  const auto version = static_cast<std::uint64_t>(std::max<std::int64_t>(result.version(), 0));
  if (result.conflict_detected()) return conflicted(item, version, unlocks);
  Key key = write.key;
  if (!key.is_complete()) {
    NDB_ASSIGN_OR_RETURN(key, assigned_key(key, result.key()));
  }
  if (write.patch != nullptr) write.patch->applied(result);
  if (write.policy.lock) {
    const bool through =
        write.policy.write_through && write.kind == Write::Kind::kUpsert && write.key.is_complete() && !in_doubt_;
    unlocks.push_back({.lock = item.lock,
                       .key = key,
                       .outcome = in_doubt_ ? memcache::CommitOutcome::kUnknown : memcache::CommitOutcome::kApplied,
                       .version = version,
                       .payload = through ? std::optional<std::string_view>(write.entity) : std::nullopt,
                       .timeout = write.policy.timeout});
  }
  if (in_doubt_) {
    workspace_->cache.mark_uncertain(key);
  } else {
    if (!transaction_.empty() && write.payload) write.payload->set_committed_version(version);
    remember_write(*workspace_, write, key, version);
  }
  return key;
}

// `version` is what the Datastore has: memcache and this context must not serve anything older.
absl::Status LockedCommit::conflicted(const Item& item, std::uint64_t version, std::vector<memcache::Unlock>& unlocks) {
  const Write& write = item.write;
  if (item.lock != nullptr) {
    const memcache::CommitOutcome outcome =
        version > 0 ? memcache::CommitOutcome::kApplied : memcache::CommitOutcome::kFailed;
    unlocks.push_back({.lock = item.lock, .key = write.key, .outcome = outcome, .version = version});
  }
  workspace_->cache.erase(write.key);
  workspace_->cache.raise_floor(write.key, version);
  return conflict(cat("the Datastore has version ", version, ", not ", write.base_version.value_or(0),
                      write.kind == Write::Kind::kDelete ? "; not deleted" : "; not written",
                      ": read the entity again"));
}

std::vector<EndedWrite> LockedCommit::give_up(const absl::Status& status) {
  const memcache::CommitOutcome outcome =
      in_doubt_ ? memcache::CommitOutcome::kUnknown : memcache::CommitOutcome::kFailed;
  std::vector<memcache::Unlock> unlocks;
  std::vector<EndedWrite> ended;
  ended.reserve(items_.size());
  for (Item& item : items_) {
    if (item.lock != nullptr) {
      memcache::Unlock& unlock = unlocks.emplace_back();
      unlock.lock = std::move(item.lock);
      unlock.key = item.write.key;
      unlock.outcome = outcome;
    }
    if (in_doubt_ && item.write.key.is_complete()) workspace_->cache.mark_uncertain(item.write.key);
    ended.push_back({std::move(item.write), in_doubt_ ? mark_in_doubt(status) : status});
  }
  items_.clear();
  release(unlocks);
  return ended;
}

std::shared_ptr<LockedCommit> LockedCommit::split() {
  auto half = std::make_shared<LockedCommit>(workspace_, std::vector<Write>(), deadline_, bounds_, transaction_);
  half->attempts_ = attempts_;
  half->in_doubt_ = in_doubt_;
  const auto middle = items_.begin() + static_cast<std::ptrdiff_t>(items_.size() / 2);
  half->items_.assign(std::make_move_iterator(middle), std::make_move_iterator(items_.end()));
  items_.erase(middle, items_.end());
  return half;
}

bool LockedCommit::repeatable() const {
  return std::ranges::all_of(items_, [](const Item& item) { return item.write.repeatable(); });
}

// What memcached has not taken when the time is over is sent in the background.
void LockedCommit::release(const std::vector<memcache::Unlock>& unlocks) {
  if (unlocks.empty()) return;
  const memcache::TimeLimit limit(time_to_release(bounds_.get()));
  workspace_->gateway()->unlock(unlocks);
}

}  // namespace ndb::context
