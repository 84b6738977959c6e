#include "context/write_batch.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "context/backoff.h"
#include "context/commit_limits.h"
#include "context/time_left.h"
#include "tasklet/event_loop.h"

namespace ndb::context {
namespace {

std::chrono::milliseconds deadline_of(const RpcOptions& rpc) { return rpc.deadline.value_or(kCommitDeadline); }

absl::Status not_written(const absl::Status& status) { return annotate(status, "not written"); }

}  // namespace

void WriteBatch::add(Write write) {
  workspace_->in_flight->begin();  // until finish()
  if (write.key.is_complete()) {
    write.turn = workspace_->own_writes.begin(write.key, write.payload, write.opaque());
    if (write.turn > 1) return hold(std::move(write));
  }
  open(std::move(write));
}

void WriteBatch::hold(Write write) {
  write.rpc = write.rpc.begin();
  const std::shared_ptr<Bounds> bounds = write.rpc.bounds;
  std::unique_ptr<Bounds::Watch> watch;
  if (bounds != nullptr) {
    watch = std::make_unique<Bounds::Watch>(
        bounds, [weak = weak_from_this(), key = write.key, turn = write.turn, over = bounds.get()] {
          if (const auto self = weak.lock()) self->end_held(key, turn, *over);
        });
  }
  Held& held = held_[write.key][write.turn];
  held.write = std::move(write);
  held.watch = std::move(watch);
}

void WriteBatch::end_held(const Key& key, std::uint64_t turn, const Bounds& over) {
  const absl::Status status = annotate(check(&over), "it was waiting for an earlier write of the key");
  const auto found = held_.find(key);
  auto held = found->second.extract(turn);
  if (found->second.empty()) held_.erase(found);
  std::vector<EndedWrite> ended;
  ended.push_back({std::move(held.mapped().write), not_written(status)});
  finish(std::move(ended));
}

void WriteBatch::open_next(const Key& key) {
  const auto found = held_.find(key);
  if (found == held_.end()) return;
  auto next = found->second.extract(found->second.begin());
  if (found->second.empty()) held_.erase(found);
  open(std::move(next.mapped().write));
}

void WriteBatch::open(Write write) {
  if (open_.empty()) {
    workspace_->in_flight->when_idle([self = shared_from_this()] { self->send(); });
  }
  open_.push_back(std::move(write));
}

void WriteBatch::send() {
  std::vector<Part> parts;
  absl::flat_hash_map<RpcOptions, std::size_t> with_room;  // the last part of the options
  std::vector<EndedWrite> ended;
  for (Write& write : std::exchange(open_, {})) {
    if (!write.policy.datastore) {
      ended.push_back(write_without_datastore(std::move(write)));
      continue;
    }
    const std::size_t size = write.size();
    // Commits differ by their RPC options and their limits. Only the last one of equal options has room.
    const auto [last, is_first] = with_room.try_emplace(write.rpc, parts.size());
    if (is_first || parts[last->second].writes.size() == kCommitMutations ||
        parts[last->second].bytes + size > kCommitBytes) {
      last->second = parts.size();
      parts.push_back({.rpc = write.rpc.begin()});
    }
    Part& part = parts[last->second];
    part.writes.push_back(std::move(write));
    part.bytes += size;
  }
  finish(std::move(ended));
  std::ranges::move(parts, std::back_inserter(waiting_));
  start_waiting();
}

// Ends the writes that still wait for other Commits, or for memory for their locks, when their time is over.
void WriteBatch::end_overdue() {
  std::vector<EndedWrite> ended;
  std::erase_if(waiting_, [&](Part& part) {
    const absl::Status over = check(part.rpc.bounds.get());
    if (over.ok()) return false;
    const absl::Status status =
        part.refusal.ok() ? annotate(over, "it was waiting for the Commits before it") : gave_up(over, part.refusal);
    for (Write& write : part.writes) ended.push_back({std::move(write), not_written(status)});
    return true;
  });
  finish(std::move(ended));
}

// Writes an entity that is stored only in memcache, the context cache, or both.
EndedWrite WriteBatch::write_without_datastore(Write write) {
  absl::StatusOr<Key> result = write.key;
  if (absl::Status status = write_cached(*workspace_, write); status.ok()) {
    remember_write(*workspace_, write, write.key, 0);
  } else {
    result = std::move(status);
  }
  return {std::move(write), std::move(result)};
}

// May be called recursively, by a hook that waits.
void WriteBatch::start_waiting() {
  while (running_ < kCommitsAtOnce && !waiting_.empty()) {
    Part part = std::move(waiting_.front());
    waiting_.pop_front();
    start(std::move(part));
  }
  for (Part& part : waiting_) {
    if (part.watch != nullptr || part.rpc.bounds == nullptr) continue;
    part.watch = std::make_shared<Bounds::Watch>(part.rpc.bounds, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->end_overdue();
    });
  }
}

void WriteBatch::start(Part part) {
  const std::chrono::milliseconds deadline = deadline_of(part.rpc);
  if (part.refused == 0) part.lock_until = EventLoop::current().now() + deadline;
  ++running_;
  part.watch = nullptr;
  auto commit = std::make_shared<LockedCommit>(workspace_, std::exchange(part.writes, {}), deadline, part.rpc.bounds);
  this->commit({std::move(part), std::move(commit)});
}

void WriteBatch::commit(Run run) {
  LockedCommit& commit = *run.commit;
  std::vector<EndedWrite> refused = lock(run);
  for (EndedWrite& write : refused) {
    write.result =
        annotate(write.result.status(), commit.in_doubt() ? "it is unknown whether it was written" : "not written");
  }
  if (commit.size() == 0) {
    --running_;
  } else {
    commit.send(
        [self = shared_from_this(), run = std::move(run)](const absl::Status& status, std::vector<EndedWrite> ended) {
          self->answered(run, status, std::move(ended));
          self->start_waiting();
        });
  }
  finish(std::move(refused));  // after the Commit is sent: a hook may wait, and locks must not expire meanwhile
}

// Returns the writes that must not be sent: those without a lock, and all of them when the time is over.
std::vector<EndedWrite> WriteBatch::lock(const Run& run) {
  LockedCommit& commit = *run.commit;
  const Bounds* const bounds = run.part.rpc.bounds.get();
  std::vector<EndedWrite> refused;
  absl::Status over = check(bounds);
  if (over.ok()) {
    refused = commit.prepare();
    over = check(bounds);
  }
  if (over.ok()) return commit.in_doubt() ? std::move(refused) : lock_later(run, std::move(refused));
  for (EndedWrite& write : refused) {
    absl::Status status = gave_up(over, write.result.status());
    write.result = is_in_doubt(write.result.status()) ? mark_in_doubt(std::move(status)) : std::move(status);
  }
  std::ranges::move(commit.give_up(over), std::back_inserter(refused));
  return refused;
}

// Takes those out of `refused` for which another attempt to lock is worth while: if memcached has no memory for the
// lock, for as long as the Commit itself may take; if it does not answer, as often as the caller allows.
std::vector<EndedWrite> WriteBatch::lock_later(const Run& run, std::vector<EndedWrite> refused) {
  if (refused.empty()) return refused;
  EventLoop& loop = EventLoop::current();
  Part again = run.part;
  const auto left = std::chrono::floor<std::chrono::milliseconds>(again.lock_until - loop.now());
  std::erase_if(refused, [&](EndedWrite& write) {
    const bool may = absl::IsResourceExhausted(write.result.status()) ||
                     (absl::IsUnavailable(write.result.status()) && again.refused < again.rpc.retries.value_or(0));
    if (!may || left.count() <= 0) return false;
    again.refusal = write.result.status();
    again.writes.push_back(std::move(write.write));
    return true;
  });
  if (again.writes.empty()) return refused;
  const auto pause = std::min({backoff(again.refused++), kLongestLockPause, left});
  const std::shared_ptr<Bounds> bounds = run.part.rpc.bounds;
  workspace_->in_flight->after(pause, bounds,
                               [self = shared_from_this(), again = std::make_shared<Part>(std::move(again))] {
                                 self->waiting_.push_front(std::move(*again));
                                 self->end_overdue();
                                 self->start_waiting();
                               });
  return refused;
}

void WriteBatch::answered(Run run, const absl::Status& status, std::vector<EndedWrite> ended) {
  LockedCommit& commit = *run.commit;
  if (!status.ok() && absl::IsInvalidArgument(status) && commit.size() > 1) {
    // The Commit was refused as a whole, though only some writes are at fault. Halving it finds them.
    ++running_;
    Run half{run.part, commit.split()};
    this->commit(std::move(run));
    return this->commit(std::move(half));
  }
  if (!status.ok() && datastore::outcome_unknown(status) && commit.repeatable() &&
      commit.attempts() <= run.part.rpc.retries.value_or(0)) {
    return send_again_later(std::move(run));
  }
  if (!status.ok()) ended = commit.give_up(status);
  --running_;
  finish(std::move(ended));
}

// The attempt that was not answered may still be applied, even during the pause.
void WriteBatch::send_again_later(Run run) {
  std::vector<EndedWrite> lost = run.commit->prepare_for_pause();
  for (EndedWrite& write : lost) {
    write.result = annotate(write.result.status(), "it is unknown whether it was written");
  }
  if (run.commit->size() == 0) --running_;
  finish(std::move(lost));
  if (run.commit->size() == 0) return;
  const auto pause = backoff(run.commit->attempts());
  const std::shared_ptr<Bounds> bounds = run.part.rpc.bounds;
  workspace_->in_flight->after(pause, bounds, [self = shared_from_this(), run = std::move(run)] {
    self->commit(run);
    self->start_waiting();
  });
}

// Marks all writes as ended first, so that waiting calls can continue; then tells the callers, whose hooks may wait for
// anything.
void WriteBatch::finish(std::vector<EndedWrite> ended) {
  for (const EndedWrite& one : ended) {
    const Key& key = one.write.key;
    if (key.is_complete() && workspace_->own_writes.end(key, one.write.turn)) open_next(key);
  }
  for (EndedWrite& one : ended) {
    if (!one.result.ok()) one.result = one.write.describe(one.result.status());
    one.write.done(one.result);
    one.run_commit_hook();
    workspace_->in_flight->end();
  }
}

}  // namespace ndb::context
