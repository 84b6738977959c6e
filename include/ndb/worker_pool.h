// ndb::WorkerPool: many requests at a time on few threads. For servers that are driven by callbacks (gRPC's callback
// API, Asio, epoll): their own threads hand each request to the pool, whose threads run it as a tasklet.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "ndb/client.h"
#include "ndb/context_options.h"
#include "ndb/detail/pool_request.h"
#include "ndb/stats.h"

namespace ndb {

namespace detail {
struct WorkerPoolAccess;
}
namespace worker_pool {
class Pool;
}

// How many threads, and how much at a time.
struct WorkerPoolOptions {
  std::size_t threads = 4;  // 1 to 256
  // Requests that run concurrently on one thread, most of them waiting. Each has a stack: 256 KiB of address space
  // (NDB_TASKLET_STACK_KIB), and as much memory as it has ever used. A handler that gets an entity takes about 12 KiB
  // in all. Tasklets that a handler spawns have stacks of their own. threads * max_running is at most 30,000, because
  // the kernel allows a process about 32,000 stacks. Stacks are reused, and freed after fewer were in use for a second
  // or two.
  std::size_t max_running = 1000;
  // Requests that may wait while all threads have max_running; 0: none.
  std::size_t max_queued = 1000;
  // A handler that holds its thread for this long without waiting for anything of ndb is named in a warning of the log,
  // and again each time after ten times as long. 0: never.
  std::chrono::milliseconds stall_warning{100};
};

// Runs handlers on threads of its own, each handler in a tasklet with a context of its own. While one waits (for a get,
// a query, a transaction, ndb::sleep()) the others of its thread go on. So thousands can wait at once, and handlers are
// written as if each had a thread. A request stays on the thread that began it. Thread-safe.
//
// Fairness: requests begin in the order in which they were submitted, each on the thread that has fewest; a thread runs
// those that are ready in turn. A handler has its thread to itself between two waits: one that computes for long, or
// blocks (a mutex, a socket, the std::future of another request), delays the others of that thread, and causes a
// warning. Requests that have not begun then go to other threads.
//
// fork(): a pool that was not used before fork() works in both processes. In a child of one that was used every request
// fails with ContextError, and the destructor does nothing.
class WorkerPool {
 public:
  // Starts its threads with the first request. BadArgumentError for an option out of its range.
  explicit WorkerPool(Client client, WorkerPoolOptions options = {});
  // Calls stop(0s), and then waits until every request has ended: one that blocks its thread forever keeps it from
  // returning, and is named in the log. In a handler or callback of the pool itself it returns at once, and another
  // thread waits.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Calls `handler()` in a tasklet of the pool, in a context that was opened with `context`; gives what it returns, or
  // the exception that it throws, when that context has ended: its writes have been made, and the tasklets that it
  // spawned have ended. An error of a write that nobody asked for becomes the request's error, as with
  // ContextScope::close(). The deadline of `context` counts from here, the time in the queue included. `name` is for
  // the log.
  //
  // It never blocks, and never throws for lack of room. A request that does not run gets an error: RESOURCE_EXHAUSTED
  // if max_queued requests wait, or no memory is left for a stack; UNAVAILABLE if the pool has been stopped;
  // DEADLINE_EXCEEDED or CANCELLED if, before it began, its deadline passed, its stop token was triggered or the pool
  // stopped.
  template <std::invocable Handler>
  std::future<detail::HandlerResult<Handler>> submit(ContextOptions context, Handler handler, std::string name = {}) {
    auto request =
        std::make_unique<detail::FuturePoolRequest<Handler>>(std::move(context), std::move(handler), std::move(name));
    auto future = request->future();
    submit(std::move(request));
    return future;
  }

  // The same with a callback: `done(absl::StatusOr<Result>)`, or `done(absl::Status)` if the handler returns nothing.
  // An exception that is not ndb::Error is UNKNOWN. Called exactly once, on the request's thread, where it must not
  // block; if the request never ran, perhaps on the thread of submit() or stop(). What it throws is logged.
  template <std::invocable Handler, std::invocable<detail::PoolResult<Handler>> Done>
  void submit(ContextOptions context, Handler handler, Done done, std::string name = {}) {
    submit(std::make_unique<detail::CallbackPoolRequest<Handler, Done>>(std::move(context), std::move(handler),
                                                                        std::move(done), std::move(name)));
  }

  // Ends the pool in this order: later requests are refused (UNAVAILABLE); the requests it has, queued ones included,
  // may end within the time; then the queued ones fail and the contexts of the running ones are cancelled (CANCELLED).
  // True: all have ended, every result was handed over, and the threads have ended. False: some still unwind or block;
  // the destructor waits for them. May be called again. BadRequestError in a handler or callback of the pool, which
  // would wait for itself; ContextError in a child of the process that used the pool.
  bool stop(std::chrono::nanoseconds within);

  // What it has done so far, and its present state. Cheap enough to call for every scrape. ContextError in a child of
  // the process that used the pool.
  WorkerPoolStats stats() const;

 private:
  friend struct detail::WorkerPoolAccess;
  void submit(std::unique_ptr<detail::PoolRequest> request);

  std::unique_ptr<worker_pool::Pool> pool_;
};

}  // namespace ndb
