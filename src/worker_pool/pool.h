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
// itself when one of its own has ended. No request belongs to a poke, so that nothing is lost with a thread that is
// held up: others are poked in its place. There are no fewer pokes under way than requests in the queue, or else no
// thread has room.
//
// One more thread, the watch, looks now and then for threads that are held up, and frees stacks. It rests while the
// pool has no requests and no stacks.
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

  bool inside() const;       // whether one of its own threads calls
  absl::Status use() const;  // a ContextError in a child of the process that has used it
  bool left_behind() const { return fork_mark_.left_behind(); }

  // What the watch does. Gives when it looks again; nullopt: it rests. Tests call it.
  std::optional<std::chrono::milliseconds> look();

 private:
  // A request that was accepted.
  struct Ticket {
    Ticket(std::unique_ptr<detail::PoolRequest> accepted, Monotonic ends);

    const std::string name;
    const Monotonic latest;   // its deadline, counted from submit(); max(): none
    std::stop_source cancel;  // what its context gets: the request's own token triggers it, and the end of the pool
    std::unique_ptr<detail::PoolRequest> request;  // until it was finished
    std::optional<std::stop_callback<std::function<void()>>> by_token;
  };
  using Tickets = std::vector<std::unique_ptr<Ticket>>;
  struct Thread {
    explicit Thread(std::chrono::nanoseconds limit) : stall(limit) {}
    std::size_t load() const { return running.size() + pokes; }

    std::thread thread;
    std::shared_ptr<Inbox> inbox;  // it and `pulse`: once the thread runs
    std::shared_ptr<const LoopPulse> pulse;
    absl::flat_hash_set<const Ticket*> running;
    std::size_t pokes = 0;               // under way
    std::atomic<std::size_t> stacks{0};  // the thread writes it
    StallWatch stall;
    bool over = false;  // the thread's own
  };
  class Job;

  // On the caller's thread.
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

  // On the pool's threads.
  void serve(Thread& thread);
  void take(Thread& thread);
  void run(Ticket& ticket) noexcept;
  void call(Ticket& ticket);
  void finish(Ticket& ticket, std::exception_ptr error) noexcept;
  void release(Thread& thread, const Ticket& ticket) noexcept;
  void trim(Thread& thread);

  // On the watch's.
  bool look_at(Thread& thread, Monotonic now, std::vector<std::string>& lines) NDB_REQUIRES(mutex_);
  Tickets take_overdue(Monotonic now) NDB_REQUIRES(mutex_);
  void fail(const Tickets& tickets, const absl::Status& otherwise);  // they were counted in failing_

  // Of a request that has not begun: an error if its deadline is over, or somebody has cancelled it.
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
  std::size_t failing_ NDB_GUARDED_BY(mutex_) = 0;  // were queued, and are being told of an error
  WorkerPoolStats counts_ NDB_GUARDED_BY(mutex_);   // stats() makes its gauges
  bool stopping_ NDB_GUARDED_BY(mutex_) = false;
  bool over_ NDB_GUARDED_BY(mutex_) = false;  // the threads are to end
  bool watched_ NDB_GUARDED_BY(mutex_) = false;
  Monotonic trimmed_ NDB_GUARDED_BY(mutex_){};
  Worker watch_;
};

}  // namespace ndb::worker_pool
