#include "context/write_batch.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "base/backoff.h"
#include "base/error.h"
#include "base/strings.h"

namespace ndb::context {
namespace {

std::string_view verb(const Write& write) { return write.kind == Write::Kind::kDelete ? "delete" : "put"; }

absl::Status describe(const absl::Status& status, const Write& write) {
  return annotate(status, cat(verb(write), " of ", write.key.to_string()));
}

std::chrono::milliseconds deadline_of(const RpcOptions& rpc) { return rpc.deadline.value_or(kCommitDeadline); }

}  // namespace

void Write::fill_mutation(wire::Mutation& mutation) const {
  if (kind == Kind::kDelete) {
    mutation.set_delete_(key.bytes());
  } else {
    mutation.set_upsert(entity);
    if (base_version) mutation.set_base_version(static_cast<std::int64_t>(*base_version));
  }
}

std::chrono::seconds lock_hold(std::chrono::milliseconds deadline) {
  return std::max(std::chrono::seconds(64), std::chrono::ceil<std::chrono::seconds>(deadline + 2 * kLockMargin));
}

void remember_write(Context::Impl& context, const Write& write, const Key& key, std::uint64_t version) {
  ContextCache& cache = context.cache;
  if (write.payload) write.payload->set_version(version);
  if (write.policy.cache) {
    cache.store_written(key, {write.payload, version, context.core->clock->now()});
  } else {
    // The slot of an earlier read would now be older than what this context wrote.
    cache.erase(key);
    cache.raise_floor(key, version);
  }
}

absl::Status write_cached(Context::Impl& context, const Write& write) {
  if (!write.policy.memcache || context.gateway() == nullptr) return absl::OkStatus();
  ++context.counts->memcache_writes;
  return write.kind == Write::Kind::kDelete
             ? context.gateway()->delete_cached(write.key)
             : context.gateway()->put_cached(write.key, write.entity, write.policy.timeout);
}

std::chrono::milliseconds backoff(int attempt) {
  constexpr Backoff kBackoff{
      .initial = std::chrono::milliseconds(100), .maximum = std::chrono::seconds(30), .multiplier = 2, .least = 0};
  return std::chrono::ceil<std::chrono::milliseconds>(kBackoff.delay(attempt + 1));
}

void WriteBatch::add(Write write) {
  if (write.key.is_complete() && !keys_.insert(write.key).second) {
    held_.push_back(std::move(write));
    return;
  }
  if (open_.empty()) {
    context_.when_idle([self = shared_from_this()] { self->send(); });
  }
  open_.push_back(std::move(write));
}

void WriteBatch::send() {
  std::vector<Item> items;
  for (Write& write : std::exchange(open_, {})) {
    if (write.policy.datastore) {
      items.push_back({std::move(write), nullptr});
    } else {
      write_without_datastore(std::move(write));
    }
  }
  const std::vector<absl::Status> locked = lock(items, std::chrono::seconds(0));
  // Commits differ by their RPC options and their limits.
  std::vector<CommitPtr> commits;
  std::vector<std::size_t> bytes;
  for (std::size_t n = 0; n < items.size(); ++n) {
    Item& item = items[n];
    if (!locked[n].ok()) {
      finish(item, describe(annotate(locked[n], "not written"), item.write));
      continue;
    }
    const std::size_t size = item.write.size();
    std::size_t i = 0;
    while (i < commits.size() && !(commits[i]->rpc == item.write.rpc && commits[i]->items.size() < kCommitMutations &&
                                   bytes[i] + size <= kCommitBytes)) {
      ++i;
    }
    if (i == commits.size()) {
      commits.push_back(std::make_shared<Commit>());
      commits[i]->rpc = item.write.rpc;
      bytes.push_back(0);
    }
    commits[i]->items.push_back(std::move(item));
    bytes[i] += size;
  }
  for (const CommitPtr& one : commits) commit(one);
}

// Entities that live in memcache, the context cache, or both.
void WriteBatch::write_without_datastore(Write write) {
  const absl::Status status = write_cached(context_, write);
  Item item{std::move(write), nullptr};
  if (status.ok()) {
    remember_write(context_, item.write, item.write.key, 0);
    const Key key = item.write.key;
    finish(item, key);
  } else {
    finish(item, describe(status, item.write));
  }
}

// Locks what needs a lock, in one batch, for as long as the Commit needs and `at_least`. Not OK: the item has no lock,
// and must not be written without one.
std::vector<absl::Status> WriteBatch::lock(std::vector<Item>& items, std::chrono::seconds at_least) {
  std::vector<memcache::LockRequest> requests;
  auto hold = std::max(at_least, lock_hold(kCommitDeadline));
  for (const Item& item : items) {
    if (!item.needs_lock()) continue;
    requests.push_back({item.write.key, context_.cache.sighting(item.write.key)});
    hold = std::max(hold, lock_hold(deadline_of(item.write.rpc)));
  }
  std::vector<absl::StatusOr<memcache::LockPtr>> locks;
  if (!requests.empty()) {
    ++context_.counts->memcache_locks;
    locks = context_.gateway()->lock(requests, hold);
  }
  std::vector<absl::Status> statuses;
  std::size_t next = 0;
  for (Item& item : items) {
    absl::Status& status = statuses.emplace_back();
    if (!item.needs_lock()) continue;
    absl::StatusOr<memcache::LockPtr>& one = locks[next++];
    if (one.ok()) {
      item.lock = *std::move(one);
    } else if (!item.write.policy.best_effort || !absl::IsUnavailable(one.status())) {
      status = one.status();
    }
  }
  return statuses;
}

void WriteBatch::commit(const CommitPtr& commit) {
  if (!renew_locks(*commit, deadline_of(commit->rpc) + kLockMargin)) return;
  wire::CommitRequest request;
  request.set_mode(wire::CommitRequest::NON_TRANSACTIONAL);
  for (const Item& item : commit->items) item.write.fill_mutation(*request.add_mutations());
  ++context_.counts->commits;
  context_.counts->mutations += commit->items.size();
  ++commit->attempts;
  auto done = context_.on_loop<wire::CommitResponse>(
      [self = shared_from_this(), commit](absl::StatusOr<wire::CommitResponse> response) {
        self->answered(commit, std::move(response));
      });
  // Resending is decided here and not in the stub: whether an earlier attempt may have been applied matters for the
  // locks.
  context_.core->stub->commit(std::move(request), {.deadline = deadline_of(commit->rpc), .retries = 0},
                              std::move(done));
}

// A lock must outlive the Commit; one that does not last for `margin` is taken anew, and only then given back. False:
// nothing is left to commit.
bool WriteBatch::renew_locks(Commit& commit, std::chrono::milliseconds margin) {
  std::vector<Item> expiring;
  std::vector<memcache::Unlock> old;
  std::erase_if(commit.items, [&](Item& item) {
    if (item.lock == nullptr || context_.gateway()->still_held(*item.lock, margin)) return false;
    memcache::Unlock& unlock = old.emplace_back();
    unlock.lock = std::move(item.lock);
    unlock.key = item.write.key;
    expiring.push_back(std::move(item));
    return true;
  });
  if (expiring.empty()) return true;
  const auto locked = lock(expiring, commit.tainted ? memcache::kUnknownHold : std::chrono::seconds(0));
  for (std::size_t i = 0; i < expiring.size(); ++i) {
    // Where there is a new lock, it protects what an earlier attempt may still do.
    const bool in_doubt = commit.tainted && expiring[i].lock == nullptr;
    old[i].outcome = in_doubt ? memcache::Commit::kUnknown : memcache::Commit::kFailed;
    if (in_doubt) context_.cache.distrust(expiring[i].write.key);
  }
  context_.gateway()->unlock(old);
  for (std::size_t i = 0; i < expiring.size(); ++i) {
    Item& item = expiring[i];
    if (locked[i].ok()) {
      commit.items.push_back(std::move(item));
    } else {
      const std::string_view what = commit.tainted ? "it is unknown whether it was written" : "not written";
      finish(item, describe(annotate(locked[i], what), item.write));
    }
  }
  return !commit.items.empty();
}

void WriteBatch::answered(const CommitPtr& commit, absl::StatusOr<wire::CommitResponse> response) {
  if (response.ok() && static_cast<std::size_t>(response->mutation_results_size()) != commit->items.size()) {
    response = absl::InternalError("the Datastore's answer to a Commit does not fit its mutations");
  }
  if (response.ok()) return succeeded(*commit, *response);

  const absl::Status& status = response.status();
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    // Refused whole. With several mutations only some are at fault: they are found by halves.
    if (commit->items.size() > 1) return split(*commit);
    return failed(*commit, status, commit->tainted ? memcache::Commit::kUnknown : memcache::Commit::kFailed);
  }
  // A NON_TRANSACTIONAL Commit may have been applied in part, so that with several mutations every error is an unknown
  // outcome.
  const bool unknown = datastore::outcome_unknown(status) || commit->items.size() > 1;
  commit->tainted = commit->tainted || unknown;
  // Sent twice, an insert would make two entities, and a put_if that was applied would find a conflict with itself.
  const bool resendable = std::all_of(commit->items.begin(), commit->items.end(), [](const Item& item) {
    return item.write.key.is_complete() && !item.write.base_version;
  });
  if (datastore::outcome_unknown(status) && resendable && commit->attempts <= commit->rpc.retries.value_or(0)) {
    return retry_later(commit);
  }
  failed(*commit, status, commit->tainted ? memcache::Commit::kUnknown : memcache::Commit::kFailed);
}

void WriteBatch::succeeded(Commit& commit, const wire::CommitResponse& response) {
  std::vector<memcache::Unlock> unlocks;
  std::vector<absl::StatusOr<Key>> results;
  for (std::size_t i = 0; i < commit.items.size(); ++i) {
    const wire::MutationResult& result = response.mutation_results(static_cast<int>(i));
    results.push_back(settle(commit.items[i], result, commit.tainted, unlocks));
  }
  // Released before the caller is told: nobody may read the old value from memcache after the acknowledgement.
  if (!unlocks.empty()) context_.gateway()->unlock(unlocks);
  for (std::size_t i = 0; i < commit.items.size(); ++i) finish(commit.items[i], std::move(results[i]));
}

// What one mutation of a Commit that succeeded means for its lock, the context cache and its caller.
absl::StatusOr<Key> WriteBatch::settle(const Item& item, const wire::MutationResult& result, bool tainted,
                                       std::vector<memcache::Unlock>& unlocks) {
  const Write& write = item.write;
  const auto version = static_cast<std::uint64_t>(std::max<std::int64_t>(result.version(), 0));
  if (result.conflict_detected()) {
    // The version is that of what the Datastore has: memcache and this context may not show anything older.
    if (item.lock != nullptr) {
      const memcache::Commit outcome = version > 0 ? memcache::Commit::kApplied : memcache::Commit::kFailed;
      unlocks.push_back({.lock = item.lock, .key = write.key, .outcome = outcome, .version = version});
    }
    context_.cache.erase(write.key);
    context_.cache.raise_floor(write.key, version);
    return conflict(cat("put_if of ", write.key.to_string(), ": the Datastore has version ", version, ", not ",
                        *write.base_version, "; not written: read the entity again"));
  }
  Key key = write.key;
  if (!result.key().empty()) {
    if (absl::StatusOr<Key> assigned = Key::from_bytes(result.key()); assigned.ok()) key = *std::move(assigned);
  }
  if (!key.is_complete()) return describe(absl::InternalError("the Datastore assigned no id"), write);
  if (write.policy.lock) {
    const bool through =
        write.policy.write_through && write.kind == Write::Kind::kUpsert && write.key.is_complete() && !tainted;
    unlocks.push_back({.lock = item.lock,
                       .key = key,
                       .outcome = tainted ? memcache::Commit::kUnknown : memcache::Commit::kApplied,
                       .version = version,
                       .payload = through ? std::optional<std::string_view>(write.entity) : std::nullopt,
                       .timeout = write.policy.timeout});
  }
  if (tainted) {
    context_.cache.distrust(key);
  } else {
    remember_write(context_, write, key, version);
  }
  return key;
}

void WriteBatch::failed(Commit& commit, const absl::Status& status, memcache::Commit outcome) {
  std::vector<memcache::Unlock> unlocks;
  for (Item& item : commit.items) {
    if (item.lock != nullptr) {
      memcache::Unlock& unlock = unlocks.emplace_back();
      unlock.lock = item.lock;
      unlock.key = item.write.key;
      unlock.outcome = outcome;
    }
    if (outcome == memcache::Commit::kUnknown && item.write.key.is_complete()) context_.cache.distrust(item.write.key);
  }
  if (!unlocks.empty()) context_.gateway()->unlock(unlocks);
  for (Item& item : commit.items) finish(item, describe(status, item.write));
}

void WriteBatch::split(Commit& commit) {
  const auto middle = static_cast<std::ptrdiff_t>(commit.items.size() / 2);
  for (const bool first : {true, false}) {
    auto half = std::make_shared<Commit>();
    half->rpc = commit.rpc;
    half->tainted = commit.tainted;
    half->items.assign(std::make_move_iterator(first ? commit.items.begin() : commit.items.begin() + middle),
                       std::make_move_iterator(first ? commit.items.begin() + middle : commit.items.end()));
    this->commit(half);
  }
}

// The attempt that was not answered may land for as long from now, in the pause too.
void WriteBatch::retry_later(const CommitPtr& commit) {
  if (!renew_locks(*commit, memcache::kUnknownHold)) return;
  ++context_.under_way;
  EventLoop::current().call_at(EventLoop::current().now() + backoff(commit->attempts),
                               [self = shared_from_this(), context = context_.shared_from_this(), commit] {
                                 self->commit(commit);
                                 context->done_one();
                               });
}

// Tells the caller, and lets the writes of the same key that waited for this one go on.
void WriteBatch::finish(Item& item, absl::StatusOr<Key> result) {
  const Key& key = item.write.key;
  if (key.is_complete()) {
    keys_.erase(key);
    const auto waiting = std::find_if(held_.begin(), held_.end(), [&](const Write& write) { return write.key == key; });
    if (waiting != held_.end()) {
      Write next = std::move(*waiting);
      held_.erase(waiting);
      add(std::move(next));
    }
  }
  item.write.done(std::move(result));
}

}  // namespace ndb::context
