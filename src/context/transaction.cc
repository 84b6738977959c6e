#include "ndb/transaction.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "context/call_rpc.h"
#include "context/context_impl.h"
#include "context/current.h"
#include "context/transaction_state.h"
#include "context/write_batch.h"
#include "ndb/tasklet.h"

namespace ndb {
namespace {

using context::Call;
using context::call_rpc;
using context::ContextCache;
using context::CurrentContext;
using context::run_in;
using context::TransactionState;
using context::Write;

absl::StatusOr<std::string> begin(Context::Impl& context, const TransactionOptions& options,
                                  const std::string& previous) {
  wire::BeginTransactionRequest request;
  if (options.read_only) {
    request.mutable_transaction_options()->mutable_read_only();
  } else {
    auto* read_write = request.mutable_transaction_options()->mutable_read_write();
    if (!previous.empty()) read_write->set_previous_transaction(previous);
  }
  NDB_ASSIGN_OR_RETURN(wire::BeginTransactionResponse response,
                       call_rpc(context, &datastore::Stub::begin_transaction, std::move(request)));
  return std::move(*response.mutable_transaction());
}

// Each runs, whatever those before it have thrown: one of them may be what keeps another cache true. `error` is the
// first one that has happened.
void run_all(const std::vector<std::function<void()>>& callbacks, std::exception_ptr& error) {
  for (const std::function<void()>& callback : callbacks) {
    try {
      callback();
    } catch (...) {
      if (error == nullptr) error = std::current_exception();
    }
  }
}

// One attempt: a context of its own, and at its end a commit or a rollback.
class Attempt {
 public:
  Attempt(std::shared_ptr<void> outside, std::string id, const TransactionOptions& options)
      : parent_(static_cast<Context*>(outside.get())->impl()),
        generation_(parent_.cache.generation()),
        deadline_(options.deadline.value_or(context::kCommitDeadline)),
        state_(std::move(id), options.read_only) {
    auto impl = std::make_shared<Context::Impl>(parent_.core);
    impl->inherit(parent_);
    impl->outer = std::move(outside);
    impl->transaction = &state_;
    context_ = std::make_shared<Context>(std::move(impl));
  }
  ~Attempt() {
    impl().transaction = nullptr;
    impl().over = true;
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  const std::string& id() const { return state_.id; }

  // True: committed and merged, and the callbacks were run. False: undone by Rollback. ABORTED: worth another attempt.
  // Throws what `body` or a callback throws, and every other error.
  absl::StatusOr<bool> run(const std::function<void()>& body);
  // Runs what waits for the end of the transaction, all of it; `error` is the first one that has happened.
  void complete(std::exception_ptr& error);

 private:
  absl::Status commit();
  void roll_back();
  Context::Impl& impl() { return context_->impl(); }
  absl::Status check_limits(const std::vector<Write>& writes) const;
  absl::Status lock(const std::vector<Write>& writes);
  void unlock(const std::vector<Write>& writes, memcache::Commit outcome, const wire::CommitResponse* response);
  void merge(const std::vector<Write>& writes, const wire::CommitResponse& response);
  absl::Status write_without_datastore();

  Context::Impl& parent_;
  const std::uint64_t generation_;  // of the parent's cache when the transaction began
  const std::chrono::milliseconds deadline_;
  TransactionState state_;
  std::shared_ptr<Context> context_;
  std::vector<memcache::LockPtr> locks_;  // one per write of the Commit; null where none is wanted
  std::vector<Write> outside_;            // of the Commit: what never reaches the Datastore
};

absl::StatusOr<bool> Attempt::run(const std::function<void()>& body) {
  try {
    run_in(context_, body);  // nothing works in the transaction when this returns
  } catch (const Rollback&) {
    roll_back();
    return false;
  } catch (const Error& error) {
    roll_back();
    if (!absl::IsAborted(error.status())) throw;
    return error.status();
  } catch (...) {
    roll_back();
    throw;
  }
  absl::Status status = commit();
  if (absl::IsAborted(status)) return status;
  throw_if_error(status);
  status = write_without_datastore();
  std::exception_ptr error;
  run_all(std::exchange(impl().on_commit, {}), error);
  throw_if_error(status);
  if (error != nullptr) std::rethrow_exception(error);
  return true;
}

void Attempt::complete(std::exception_ptr& error) { run_all(std::exchange(impl().on_complete, {}), error); }

absl::Status Attempt::check_limits(const std::vector<Write>& writes) const {
  if (state_.read_only && !writes.empty()) {
    return bad_request(cat("a read-only transaction can't write ", writes.front().key.to_string()));
  }
  std::size_t bytes = 0;
  for (const Write& write : writes) bytes += write.size();
  if (writes.size() > context::kCommitMutations || bytes > context::kCommitBytes) {
    return bad_request(cat("a transaction holds at most ", context::kCommitMutations,
                           " writes of together 10 MiB; this one has ", writes.size(), " of together ", bytes,
                           " bytes: split it"));
  }
  return absl::OkStatus();
}

absl::Status Attempt::lock(const std::vector<Write>& writes) {
  locks_.assign(writes.size(), nullptr);
  std::vector<memcache::LockRequest> requests;
  std::vector<std::size_t> of;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (!writes[i].policy.lock) continue;
    requests.push_back({writes[i].key, parent_.cache.sighting(writes[i].key)});
    of.push_back(i);
  }
  if (requests.empty()) return absl::OkStatus();
  ++impl().counts->memcache_locks;
  auto locks = impl().gateway()->lock(requests, context::lock_hold(deadline_));
  absl::Status status;
  for (std::size_t i = 0; i < locks.size(); ++i) {
    if (locks[i].ok()) {
      locks_[of[i]] = *std::move(locks[i]);
    } else if (status.ok() && !(writes[of[i]].policy.best_effort && absl::IsUnavailable(locks[i].status()))) {
      status = annotate(locks[i].status(), cat("transaction not committed: write of ", requests[i].key.to_string()));
    }
  }
  for (std::size_t i = 0; i < locks_.size() && status.ok(); ++i) {
    if (locks_[i] != nullptr && !impl().gateway()->still_held(*locks_[i], deadline_ + context::kLockMargin)) {
      status = absl::UnavailableError("transaction not committed: its locks in memcache took too long");
    }
  }
  return status;
}

void Attempt::unlock(const std::vector<Write>& writes, memcache::Commit outcome, const wire::CommitResponse* response) {
  std::vector<memcache::Unlock> unlocks;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (!writes[i].policy.lock || (locks_[i] == nullptr && outcome != memcache::Commit::kApplied)) continue;
    memcache::Unlock& one = unlocks.emplace_back();
    one.lock = locks_[i];
    one.key = writes[i].key;
    one.outcome = outcome;
    one.timeout = writes[i].policy.timeout;
    if (response == nullptr) continue;
    one.version = static_cast<std::uint64_t>(response->mutation_results(static_cast<int>(i)).version());
    if (writes[i].policy.write_through && writes[i].kind == Write::Kind::kUpsert) one.payload = writes[i].entity;
  }
  if (!unlocks.empty()) impl().gateway()->unlock(unlocks);
}

absl::Status Attempt::commit() {
  std::vector<Write> writes;
  for (Write& write : state_.writes) (write.policy.datastore ? writes : outside_).push_back(std::move(write));
  absl::Status status = check_limits(writes);
  if (!status.ok()) {
    roll_back();
    return status;
  }
  status = lock(writes);
  if (!status.ok()) {
    unlock(writes, memcache::Commit::kFailed, nullptr);
    roll_back();
    return status;
  }
  wire::CommitRequest request;
  request.set_mode(wire::CommitRequest::TRANSACTIONAL);
  request.set_transaction(state_.id);
  for (const Write& write : writes) write.fill_mutation(*request.add_mutations());
  ++impl().counts->commits;
  impl().counts->mutations += writes.size();
  auto response = call_rpc(impl(), &datastore::Stub::commit, std::move(request), {.deadline = deadline_, .retries = 0});
  if (response.ok() && static_cast<std::size_t>(response->mutation_results_size()) != writes.size()) {
    response = absl::InternalError("the Datastore's answer to a Commit does not fit its mutations");
  }
  if (response.ok()) {
    unlock(writes, memcache::Commit::kApplied, &*response);
    merge(writes, *response);
    return absl::OkStatus();
  }
  if (!datastore::outcome_unknown(response.status())) {
    unlock(writes, memcache::Commit::kFailed, nullptr);
    return response.status();
  }
  unlock(writes, memcache::Commit::kUnknown, nullptr);
  for (const Write& write : writes) parent_.cache.distrust(write.key);
  return annotate(response.status(), "it is unknown whether the transaction was applied");
}

// What the transaction read and wrote becomes the parent's, where the parent knows nothing newer.
void Attempt::merge(const std::vector<Write>& writes, const wire::CommitResponse& response) {
  impl().cache.for_each([&](const Key& key, const ContextCache::Slot& slot) {
    if (slot.version != context::kUncommitted) parent_.cache.store_read(key, slot, generation_);
  });
  for (std::size_t i = 0; i < writes.size(); ++i) {
    const auto version = static_cast<std::uint64_t>(response.mutation_results(static_cast<int>(i)).version());
    if (writes[i].payload) writes[i].payload->set_committed_version(version);
    if (parent_.cache.floor(writes[i].key) <= version) {
      context::remember_write(parent_, writes[i], writes[i].key, version);
    }
  }
}

// Entities that live in memcache or the context cache alone are no part of the commit: they are written after it.
absl::Status Attempt::write_without_datastore() {
  absl::Status status;
  for (const Write& write : outside_) {
    const absl::Status one = context::write_cached(impl(), write);
    if (one.ok()) {
      context::remember_write(parent_, write, write.key, 0);
    } else if (status.ok()) {
      status =
          annotate(one, cat("the transaction was committed, but ", write.key.to_string(), " not stored in memcache"));
    }
  }
  return status;
}

// Nobody depends on the answer: a transaction that is not rolled back expires.
void Attempt::roll_back() {
  wire::RollbackRequest request;
  request.set_transaction(state_.id);
  parent_.core->stub->rollback(std::move(request), {}, parent_.on_loop<wire::RollbackResponse>([](const auto&) {}));
}

}  // namespace

bool detail::run_transaction(const std::function<void()>& body, const TransactionOptions& options) {
  const Call here;
  if (options.retries < 0) {
    throw BadArgumentError(cat("transaction: retries must not be negative, but is ", options.retries));
  }
  if (options.deadline && (options.deadline->count() <= 0 || *options.deadline > context::kLongestCommitDeadline)) {
    throw BadArgumentError("transaction: deadline must be more than 0 and at most 300 s");
  }
  if (here.impl.in_transaction() && options.propagation != Propagation::kIndependent) {
    if (options.propagation == Propagation::kNested) {
      throw BadRequestError(
          "a transaction is running already; pass .propagation = ndb::Propagation::kAllowed to join it");
    }
    body();
    return true;
  }
  if (options.propagation == Propagation::kMandatory) {
    throw BadRequestError("Propagation::kMandatory: no transaction is running that this one could join");
  }
  const std::shared_ptr<void> outside = here.impl.outside();
  Context::Impl& parent = static_cast<Context*>(outside.get())->impl();

  std::string previous;
  for (int number = 0;; ++number) {
    absl::StatusOr<std::string> id = begin(parent, options, previous);
    if (!id.ok()) throw_error(annotate(id.status(), "begin of a transaction"));
    Attempt attempt(outside, *std::move(id), options);
    absl::StatusOr<bool> committed;
    std::exception_ptr error;
    try {
      committed = attempt.run(body);
    } catch (...) {
      error = std::current_exception();
    }
    attempt.complete(error);
    if (error != nullptr) std::rethrow_exception(error);
    if (committed.ok()) return *committed;
    if (number >= options.retries) {
      throw_error(transaction_failed(cat("a transaction was aborted ", number + 1,
                                         " times; the last answer was: ", from_absl(committed.status().message()))));
    }
    previous = attempt.id();
    sleep(context::backoff(number));
  }
}

bool in_transaction() { return get_context().in_transaction(); }

void detail::run_outside_transactions(const std::function<void()>& body) {
  const Call here;
  CurrentContext current(here.impl.outside());
  body();
}

}  // namespace ndb
