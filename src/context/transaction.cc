#include "ndb/transaction.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "context/backoff.h"
#include "context/call_rpc.h"
#include "context/commit_limits.h"
#include "context/context_impl.h"
#include "context/current.h"
#include "context/locked_commit.h"
#include "context/own_writes.h"
#include "context/time_left.h"
#include "context/transaction_state.h"
#include "context/write.h"
#include "ndb/tasklet.h"
#include "tasklet/event_loop.h"

namespace ndb {
namespace {

using context::Call;
using context::call_rpc;
using context::ContextCache;
using context::CurrentBounds;
using context::CurrentContext;
using context::EndedWrite;
using context::LockedCommit;
using context::OwnWrites;
using context::run_in;
using context::TransactionState;
using context::Write;

// Retried until the deadline, as a read is, unless retries are switched off.
absl::StatusOr<std::string> begin(Context::Impl& context, const std::shared_ptr<Bounds>& bounds,
                                  const TransactionOptions& options, const std::string& previous) {
  wire::BeginTransactionRequest request;
  request.set_database_id(context.workspace->database());
  if (options.read_only) {
    request.mutable_transaction_options()->mutable_read_only();
  } else {
    auto* read_write = request.mutable_transaction_options()->mutable_read_write();
    if (!previous.empty()) read_write->set_previous_transaction(previous);
  }
  NDB_ASSIGN_OR_RETURN(wire::BeginTransactionResponse response,
                       call_rpc(*context.workspace, bounds, &datastore::Stub::begin_transaction, std::move(request),
                                {.deadline = options.deadline.value_or(context::kCommitDeadline),
                                 .retries = options.retries == 0 ? std::optional(0) : std::nullopt}));
  if (response.transaction().empty()) return absl::InternalError("the Datastore's answer names no transaction");
  return std::move(*response.mutable_transaction());
}

// Waits until the writes of the context in flight have ended, whatever their outcome.
void wait_for_writes(Context::Impl& context, const std::shared_ptr<Bounds>& bounds) {
  OwnWrites& writes = context.workspace->own_writes;
  if (writes.empty()) return;
  const auto ended = std::make_shared<detail::FutureState<void>>();
  writes.when_all_ended([ended] {
    if (!ended->done()) ended->set(detail::Unit{});
  });
  const Bounds::Watch watch(bounds, [&] {
    if (ended->done()) return;
    ended->fail(annotate(context::check(bounds.get()),
                         "begin of a transaction: writes of the context around it have not ended"));
  });
  ended->wait();
  ended->value();
}

// Lets `duration` pass, if the request has so much time: otherwise it is over, for another attempt.
absl::Status pause(const Bounds& bounds, std::chrono::milliseconds duration) {
  absl::Status over = context::check(&bounds);
  if (over.ok() && duration >= context::time_left(&bounds)) {
    over = absl::DeadlineExceededError("the time that is left is not enough for another attempt");
  }
  if (!over.ok()) return over;
  try {
    sleep(duration);
  } catch (const Error& error) {  // cancelled
    return error.status();
  }
  return absl::OkStatus();
}

// Runs all of them even if one throws: each may be what keeps another cache correct. `error` keeps the first exception.
void run_all(const std::vector<std::function<void()>>& callbacks, std::exception_ptr& error) {
  for (const std::function<void()>& callback : callbacks) {
    try {
      callback();
    } catch (...) {
      if (error == nullptr) error = std::current_exception();
    }
  }
}

// Whether the failed attempt was not applied, and another one may succeed.
bool may_pass(const absl::Status& status) {
  return absl::IsAborted(status) || (absl::IsUnavailable(status) && !context::is_in_doubt(status));
}

using LockedCommitPtr = std::shared_ptr<LockedCommit>;

// One attempt: it has a context of its own, and ends with a Commit or a Rollback.
class Attempt {
 public:
  Attempt(std::shared_ptr<Context> outside, std::string id, int number, const TransactionOptions& options,
          std::shared_ptr<Bounds> bounds)
      : parent_(impl_of(*outside)),
        generation_(parent_.cache.generation()),
        deadline_(options.deadline.value_or(context::kCommitDeadline)),
        bounds_(std::move(bounds)),
        state_(std::move(id), options.read_only, number) {
    auto impl = std::make_shared<Context::Impl>(parent_.core);
    impl->inherit(parent_);
    impl->outer = std::move(outside);
    impl->transaction = &state_;
    context_ = detail::ContextAccess::make(std::move(impl));
  }
  ~Attempt() {
    impl().transaction = nullptr;
    impl().over = true;
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  const std::string& id() const { return state_.id; }

  // True: committed and merged, and the callbacks were run. False: rolled back by `Rollback`. An error: nothing was
  // applied, and another attempt may succeed; in the last attempt an error of `body` is returned only if it is ABORTED.
  // Throws what `body` or a callback throws, and every other error.
  absl::StatusOr<bool> run(const std::function<void()>& body, bool last);
  // Runs all callbacks that wait for the end of the transaction; `error` keeps the first exception.
  void complete(std::exception_ptr& error);

 private:
  // OK if the Commit was applied; an error if it was not, for a reason that may pass. Throws every other error.
  absl::Status commit();
  absl::Status lock(LockedCommitPtr& commit);
  void roll_back();
  Context::Impl& impl() { return impl_of(*context_); }
  absl::Status check_limits(const std::vector<Write>& writes) const;
  void merge_reads();
  absl::Status write_without_datastore();

  Context::Impl& parent_;
  const std::uint64_t generation_;  // of the parent's cache when the transaction began
  const std::chrono::milliseconds deadline_;
  const std::shared_ptr<Bounds> bounds_;  // of the whole transaction
  TransactionState state_;
  std::shared_ptr<Context> context_;
  std::vector<Write> outside_;  // outside of the Commit: entities that are not stored in the Datastore
  std::vector<EndedWrite> committed_;
};

absl::StatusOr<bool> Attempt::run(const std::function<void()>& body, bool last) {
  try {
    run_in(context_, body);  // nothing works in the transaction when this returns
  } catch (const Rollback&) {
    roll_back();
    return false;
  } catch (const Error& error) {
    roll_back();
    if (!absl::IsAborted(error.status()) && (last || !may_pass(error.status()))) throw;
    return error.status();
  } catch (...) {
    roll_back();
    throw;
  }
  absl::Status status = commit();
  if (!status.ok()) return status;
  status = write_without_datastore();
  for (const EndedWrite& write : committed_) write.run_commit_hook();
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

// Locks all writes or none. If memcached has no memory for the locks, it retries for as long as the Commit itself may
// take, since other writers are about to free some.
absl::Status Attempt::lock(LockedCommitPtr& commit) {
  EventLoop& loop = EventLoop::current();
  const Monotonic until = loop.now() + deadline_;
  for (int number = 0;; ++number) {
    std::vector<EndedWrite> refused = commit->prepare();
    if (refused.empty()) return absl::OkStatus();
    const EndedWrite& first = refused.front();
    absl::Status status =
        annotate(first.result.status(), cat("transaction not committed: write of ", first.write.key.to_string()));
    const bool no_memory = std::ranges::all_of(
        refused, [](const EndedWrite& one) { return absl::IsResourceExhausted(one.result.status()); });
    std::ranges::move(commit->give_up(status), std::back_inserter(refused));
    const auto left = std::chrono::floor<std::chrono::milliseconds>(until - loop.now());
    if (const absl::Status over = context::check(bounds_.get()); !over.ok()) {
      return context::gave_up(over, status);
    }
    if (!no_memory || left.count() <= 0) return status;
    const auto pause_for = std::min({context::backoff(number), context::kLongestLockPause, left});
    if (const absl::Status over = pause(*bounds_, pause_for); !over.ok()) {
      return context::gave_up(over, status);
    }
    std::vector<Write> writes;
    writes.reserve(refused.size());
    for (EndedWrite& one : refused) writes.push_back(std::move(one.write));
    commit = std::make_shared<LockedCommit>(parent_.workspace, std::move(writes), deadline_, bounds_, state_.id);
  }
}

absl::Status Attempt::commit() {
  std::vector<Write> writes;
  for (Write& write : state_.writes) (write.policy.datastore ? writes : outside_).push_back(std::move(write));
  if (absl::Status status = check_limits(writes); !status.ok()) {
    roll_back();
    throw_error(status);
  }
  // The parent's cache gets what was written, because nobody may see it before the Commit.
  auto commit = std::make_shared<LockedCommit>(parent_.workspace, std::move(writes), deadline_, bounds_, state_.id);
  absl::Status locked = lock(commit);
  if (locked.ok()) {
    locked = context::check(bounds_.get());
    if (!locked.ok()) commit->give_up(locked = annotate(locked, "transaction not committed"));
  }
  if (const absl::Status& status = locked; !status.ok()) {
    roll_back();
    if (!may_pass(status)) throw_error(status);
    return status;
  }
  const auto answer = std::make_shared<detail::FutureState<std::vector<EndedWrite>>>();
  commit->send([answer](const absl::Status& status, std::vector<EndedWrite> ended) {
    status.ok() ? answer->set(std::move(ended)) : answer->fail(status);
  });
  answer->wait();
  const absl::Status status = answer->status();
  if (status.ok()) {
    committed_ = std::move(answer->value());
    merge_reads();
    return status;
  }
  const bool in_doubt = commit->in_doubt();
  commit->give_up(status);
  if (in_doubt) {
    throw_error(context::mark_in_doubt(annotate(status, "it is unknown whether the transaction was applied")));
  }
  if (!may_pass(status)) throw_error(status);
  return status;
}

// Moves what the transaction read into the parent's cache, unless the parent has something newer.
void Attempt::merge_reads() {
  impl().cache.for_each(
      [&](const Key& key, const ContextCache::Slot& slot) { parent_.cache.store_read(key, slot, generation_); });
}

// Entities that are stored only in memcache or the context cache are not part of the Commit and are written after it.
absl::Status Attempt::write_without_datastore() {
  absl::Status status;
  for (const Write& write : outside_) {
    const absl::Status one = context::write_cached(*impl().workspace, write);
    if (one.ok()) {
      context::remember_write(*parent_.workspace, write, write.key, 0);
      committed_.push_back({write, write.key});
    } else if (status.ok()) {
      status =
          annotate(one, cat("the transaction was committed, but ", write.key.to_string(), " not stored in memcache"));
    }
  }
  return status;
}

// Nobody waits for the answer: a transaction that is not rolled back expires.
void Attempt::roll_back() {
  wire::RollbackRequest request;
  request.set_database_id(parent_.workspace->database());
  request.set_transaction(state_.id);
  datastore::CallOptions options;
  if (bounds_->deadline() != Monotonic::max() || bounds_->cancelled()) {
    options.deadline = std::chrono::ceil<std::chrono::milliseconds>(context::time_to_release(bounds_.get()));
  }
  parent_.core->stub->rollback(
      std::move(request), options,
      parent_.workspace->in_flight->on_loop<wire::RollbackResponse>(nullptr, [](const auto&) {}));
}

// Those of the request, and of the transaction itself within them.
std::shared_ptr<Bounds> bounds_of(const Context::Impl& here, const TransactionOptions& options) {
  std::shared_ptr<Bounds> outer = here.rpc({}).bounds;
  if (!options.deadline) return outer;
  return Bounds::of_part(outer, "the transaction", *options.deadline, EventLoop::current().now());
}

// The error of a transaction after its last attempt failed.
absl::Status given_up(const absl::Status& status, int attempts) {
  const std::string_view last = from_absl(status.message());
  if (absl::IsAborted(status)) {
    return transaction_failed(cat("a transaction was aborted ", attempts, " times; the last answer was: ", last));
  }
  return attempts == 1 ? status : annotate(status, cat("a transaction failed ", attempts, " times, the last time"));
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
  const std::shared_ptr<Context> outside = here.impl.outside();
  Context::Impl& parent = impl_of(*outside);
  const std::shared_ptr<Bounds> bounds = bounds_of(here.impl, options);
  const CurrentBounds current(bounds);

  // Reads of the transaction must see earlier writes of the context, which may not have reached the Datastore yet. A
  // nested transaction does not wait, since the writes around it may be waiting for its end.
  if (!here.impl.in_transaction()) wait_for_writes(parent, bounds);

  std::string previous;
  for (int number = 0;; ++number) {
    absl::StatusOr<std::string> id = begin(parent, bounds, options, previous);
    if (!id.ok()) throw_error(annotate(id.status(), "begin of a transaction"));
    Attempt attempt(outside, *std::move(id), number + 1, options, bounds);
    const bool last = number >= options.retries;
    absl::StatusOr<bool> committed;
    std::exception_ptr error;
    try {
      committed = attempt.run(body, last);
    } catch (...) {
      error = std::current_exception();
    }
    attempt.complete(error);
    if (error != nullptr) std::rethrow_exception(error);
    if (committed.ok()) return *committed;
    if (last) throw_error(given_up(committed.status(), number + 1));
    previous = attempt.id();
    if (const absl::Status over = pause(*bounds, context::backoff(number)); !over.ok()) {
      throw_error(annotate(over, from_absl(given_up(committed.status(), number + 1).message())));
    }
  }
}

bool in_transaction() { return get_context().in_transaction(); }

int transaction_attempt() {
  const Call here;
  return here.impl.in_transaction() ? here.impl.transaction->attempt : 0;
}

void detail::run_outside_transactions(const std::function<void()>& body) {
  const Call here;
  CurrentContext current(here.impl.outside());
  body();
}

}  // namespace ndb
