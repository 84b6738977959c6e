// ndb::transaction: reads and writes that are applied all at once or not at all.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "ndb/error.h"
#include "ndb/tasklet.h"

namespace ndb {

// What to do if a transaction is already running.
enum class Propagation {
  kNested,       // refuse: BadRequestError (NDB's default)
  kMandatory,    // join it; BadRequestError if there is none
  kAllowed,      // join it, or start one
  kIndependent,  // start one of its own, from the nearest context that is in no transaction
};

// How a transaction is run.
struct TransactionOptions {
  // Attempts after the first. Another attempt follows one that was not applied for a transient reason: the Datastore
  // answered ABORTED, or a tier did not answer (UNAVAILABLE) before the Commit was sent.
  int retries = 3;
  bool read_only = false;                          // a write in it is a BadRequestError
  Propagation propagation = Propagation::kNested;  // if one is already running
  // Bounds the whole transaction: the wait for writes in flight, BeginTransaction, the function with all its calls and
  // waits, locks, Commit, all attempts and the pauses between them, and callbacks. Then it fails with
  // DEADLINE_EXCEEDED; the message says so if it may have been applied. More than 0, at most 300 s. It never extends
  // beyond the deadline of the context. Default: the deadline of the context, and 30 s for each RPC.
  std::optional<std::chrono::milliseconds> deadline{};
};

namespace detail {
// False: the function threw Rollback, and nothing was written.
bool run_transaction(const std::function<void()>& body, const TransactionOptions& options);
void run_outside_transactions(const std::function<void()>& body);
}  // namespace detail

// Runs `fn` in a transaction with a context of its own, commits what it wrote, and returns what it returned. It begins
// when the writes under way in the surrounding context have ended. Reads see the Datastore as of the transaction's
// start and bypass memcache; writes are buffered: the transaction itself sees them at once, all others only after the
// commit. If nothing was applied for a transient reason (ABORTED, or UNAVAILABLE before the commit), `fn` runs again
// from the start, after a random pause, with a fresh context: it must have no effects of its own. After the last
// attempt TransactionFailedError, or the error that there was. Any other exception from `fn` rolls back and reaches the
// caller; ndb::Rollback rolls back and returns a default value. After an error of the commit itself (UNAVAILABLE,
// DEADLINE_EXCEEDED, ...) it is unknown whether the transaction was applied.
template <class F, class R = std::invoke_result_t<F&>>
R transaction(F&& fn, const TransactionOptions& options = {}) {
  if constexpr (std::is_void_v<R>) {
    detail::run_transaction([&] { fn(); }, options);
  } else {
    std::optional<R> result;
    const bool committed = detail::run_transaction([&] { result.emplace(fn()); }, options);
    return committed ? *std::move(result) : R();  // not R{}: to that a model class is an aggregate with a private base
  }
}

// The same in a tasklet, so that several transactions of one thread run concurrently. The tasklet must not outlive what
// `fn` refers to.
template <class F>
auto transaction_async(F fn, const TransactionOptions& options = {}) {
  return tasklet([fn = std::move(fn), options]() mutable { return transaction(fn, options); });
}

// A function that runs `fn` in a transaction whenever it is called, with its arguments (NDB's @transactional). By
// default it joins a transaction that is running.
template <class F>
auto transactional(F fn, const TransactionOptions& options = {.propagation = Propagation::kAllowed}) {
  return [fn = std::move(fn), options](auto&&... arguments) mutable {
    return transaction([&] { return fn(arguments...); }, options);
  };
}

// Whether the current context is that of a transaction.
bool in_transaction();

// How often the function of the running transaction has been called, this call included: 1 in its first attempt. 0 if
// no transaction is running.
int transaction_attempt();

// Runs `fn` in the nearest context that is in no transaction. BadRequestError if `allow_existing` is false and a
// transaction is running.
template <class F, class R = std::invoke_result_t<F&>>
R non_transactional(F&& fn, bool allow_existing = true) {
  if (!allow_existing && in_transaction()) {
    throw BadRequestError("non_transactional: a transaction is running, which allow_existing = false forbids");
  }
  if constexpr (std::is_void_v<R>) {
    detail::run_outside_transactions([&] { fn(); });
  } else {
    std::optional<R> result;
    detail::run_outside_transactions([&] { result.emplace(fn()); });
    return *std::move(result);
  }
}

}  // namespace ndb
