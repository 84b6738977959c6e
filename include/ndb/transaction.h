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

// What to do where a transaction is running already.
enum class Propagation {
  kNested,       // refuse: BadRequestError (NDB's default)
  kMandatory,    // join it; BadRequestError if there is none
  kAllowed,      // join it, or start one
  kIndependent,  // start one of its own, from the nearest context that is in no transaction
};

// How a transaction is run.
struct TransactionOptions {
  // Attempts after the first, when one was not applied for a reason that may pass: the Datastore answered ABORTED, or a
  // tier did not answer (UNAVAILABLE) before the Commit was sent.
  int retries = 3;
  bool read_only = false;                          // a write in it is a BadRequestError
  Propagation propagation = Propagation::kNested;  // where one is running already
  // Of the whole transaction: the wait for writes in flight, BeginTransaction, the function with all its calls and
  // waits, locks, Commit, all attempts and the pauses between them, and callbacks. Then it is DEADLINE_EXCEEDED: it was
  // not applied, or, if the message says so, that is not known. More than 0, at most 300 s. It never goes beyond the
  // deadline of the context. Default: that of the context, and 30 s for each RPC.
  std::optional<std::chrono::milliseconds> deadline{};
};

namespace detail {
// False: the function threw Rollback, and nothing was written.
bool run_transaction(const std::function<void()>& body, const TransactionOptions& options);
void run_outside_transactions(const std::function<void()>& body);
}  // namespace detail

// Runs `fn` in a transaction with a context of its own, and commits what it wrote; gives what it returned. It begins
// when the writes under way in the context around it have ended. Reads see the Datastore as of the transaction's start
// and bypass memcache; writes are buffered, are seen by the transaction itself at once, and by all others only when the
// commit has succeeded. When nothing was applied for a reason that may pass (ABORTED, or UNAVAILABLE before the
// commit), `fn` runs again from the start, after a random pause, with a fresh context: it must have no effects of its
// own. After the last attempt TransactionFailedError, or the error that there was. Any other exception from `fn` rolls
// back and goes on to the caller; ndb::Rollback rolls back and gives a default value. An error of the commit itself
// leaves it unknown whether it was applied (its code is UNAVAILABLE, DEADLINE_EXCEEDED, ...).
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

// The same in a tasklet, so that several transactions of one thread go on side by side. The tasklet must not outlive
// what `fn` refers to.
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

// How often the function of the running transaction has been called, this time included: 1 in its first attempt. 0
// where no transaction is running.
int transaction_attempt();

// Runs `fn` in the nearest context that is in no transaction. If a transaction may not be running at all, `false` says
// so: BadRequestError.
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
