// The inside of a WorkerPool: a queue of requests, and the threads that take them from it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/mutex.h"
#include "base/worker.h"
#include "ndb/client.h"
#include "ndb/detail/pool_request.h"
#include "ndb/worker_pool.h"
#include "tasklet/event_loop.h"
#include "worker_pool/stall_watch.h"

namespace ndb::worker_pool {

// Requests wait in one queue for all threads. A poke tells a thread that has room to take the first one; a thread pokes
// itself when one of its requests has ended. A poke belongs to no request, so nothing is lost with a thread that a
// handler blocks: other threads are poked instead. At least as many pokes are under way as requests are in the queue,
// unless no thread has room.
// thread has room.
//
// One more thread, the watch, regularly looks for blocked threads, and frees stacks. It pauses while the pool has no
// requests and no stacks.
class Pool {
 public:
  Pool(const Client& client, const WorkerPoolOptions& options);
  ~Pool() = default;  // after end(), or in a child of fork()
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void submit(std::unique_ptr<detail::PoolRequest> request);
  bool stop(std::chrono::nanoseconds within);
  void end();  // as stop(0), then waits for all requests and threads
  WorkerPoolStats stats() const;

  bool inside() const;       // whether the caller is one of its own threads
  absl::Status use() const;  // a ContextError in a child of the process that used it
  bool left_behind() const { return fork_mark_.left_behind(); }

  // One look of the watch. Returns when to look again; nullopt: it pauses. Tests call it.
  std::optional<std::chrono::milliseconds> look();

 private:
  // An accepted request.
  struct Ticket {
    Ticket(std::unique_ptr<detail::PoolRequest> accepted, Monotonic ends);

    const std::string name;
    const Monotonic latest;   // its deadline, counted from submit(); max(): none
    std::stop_source cancel;  // for its context; triggered by the request's own token, and by the end of the pool
    std::unique_ptr<detail::PoolRequest> request;  // until it has ended
    std::optional<std::stop_callback<std::function<void()>>> by_token;
  };
  using Tickets = std::vector<std::unique_ptr<Ticket>>;
  struct Thread {
    explicit Thread(std::chrono::nanoseconds limit) : stall(limit) {}
    std::size_t load() const { return running.size() + pokes; }

    std::thread thread;
    std::shared_ptr<Inbox> inbox;  // set, like `pulse`, when the thread runs
    std::shared_ptr<const LoopPulse> pulse;
    absl::flat_hash_set<const Ticket*> running;
    std::size_t pokes = 0;               // under way
    std::atomic<std::size_t> stacks{0};  // the thread writes it
    StallWatch stall;
    bool over = false;  // belongs to the thread
  };
  class Job;

  // Called on the caller's thread.
  absl::Status accept(std::unique_ptr<detail::PoolRequest>& request);
  absl::Status admit(const detail::PoolRequest& request) NDB_REQUIRES(mutex_);
  absl::Status start() NDB_REQUIRES(mutex_);
  Monotonic latest(const detail::PoolRequest& request) const;
  Thread* least_loaded() NDB_REQUIRES(mutex_);
  void poke(Thread& thread) NDB_REQUIRES(mutex_);
  bool empty() const NDB_REQUIRES(mutex_) { return running_ == 0 && queue_.empty() && failing_ == 0; }
  bool wait_until_empty(Monotonic latest) NDB_REQUIRES(mutex_);
  void cancel_all();
  void join_threads();

  // Called on the pool's threads.
  void serve(Thread& thread);
  void take(Thread& thread);
  void run(Ticket& ticket) noexcept;
  void call(Ticket& ticket);
  void finish(Ticket& ticket, std::exception_ptr error) noexcept;
  void release(Thread& thread, const Ticket& ticket) noexcept;
  void trim(Thread& thread);

  // Called on the watch's thread.
  bool look_at(Thread& thread, Monotonic now, std::vector<std::string>& lines) NDB_REQUIRES(mutex_);
  Tickets take_overdue(Monotonic now) NDB_REQUIRES(mutex_);
  void fail(const Tickets& tickets, const absl::Status& otherwise);  // they were counted in failing_

  // The error of a request that has not begun, if its deadline is over or somebody has cancelled it.
  static absl::Status check(const Ticket& ticket, Monotonic now);

  const Client client_;
  const WorkerPoolOptions options_;
  const Clock& clock_;
  mutable ForkMark fork_mark_;

  mutable Mutex mutex_;
  Condition emptied_;
  std::vector<std::unique_ptr<Thread>> threads_ NDB_GUARDED_BY(mutex_);
  std::deque<std::unique_ptr<Ticket>> queue_ NDB_GUARDED_BY(mutex_);
  std::size_t running_ NDB_GUARDED_BY(mutex_) = 0;
  std::size_t failing_ NDB_GUARDED_BY(mutex_) = 0;  // requests that were queued and are being given an error
  WorkerPoolStats counts_ NDB_GUARDED_BY(mutex_);   // without the gauges, which stats() computes
  bool stopping_ NDB_GUARDED_BY(mutex_) = false;
  bool over_ NDB_GUARDED_BY(mutex_) = false;  // the threads are to end
  bool watched_ NDB_GUARDED_BY(mutex_) = false;
  Monotonic trimmed_ NDB_GUARDED_BY(mutex_){};
  Worker watch_;
};

}  // namespace ndb::worker_pool
