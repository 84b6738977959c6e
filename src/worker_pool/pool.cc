#include "worker_pool/pool.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <system_error>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/client_core.h"
#include "ndb/tasklet.h"
#include "tasklet/fiber.h"

namespace ndb::worker_pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

thread_local const Pool* pool_of_thread = nullptr;

constexpr std::chrono::seconds kTrimPeriod{1};
constexpr milliseconds kBlocked{100};  // if warnings are off: a thread counts as blocked after this time

milliseconds stall_limit(const WorkerPoolOptions& options) {
  return options.stall_warning.count() > 0 ? options.stall_warning : kBlocked;
}

std::string called(const std::string& name) { return name.empty() ? "a request without a name" : quoted(name); }

std::exception_ptr as_exception(const absl::Status& status) {
  try {
    throw_error(status);
  } catch (...) {
    return std::current_exception();
  }
}

// Gives a request its result or error. An exception of a callback is only logged.
void hand_over(detail::PoolRequest& request, std::exception_ptr error) noexcept {
  try {
    request.finish(std::move(error));
  } catch (...) {
    log(Severity::kError, cat("worker pool: the callback of ", called(request.name),
                              " has thrown: ", from_absl(status_of(std::current_exception()).message())));
  }
}

}  // namespace

Pool::Ticket::Ticket(std::unique_ptr<detail::PoolRequest> accepted, Monotonic ends)
    : name(accepted->name), latest(ends), request(std::move(accepted)) {
  if (!request->context.stop.stop_possible()) return;
  by_token.emplace(request->context.stop, [source = cancel]() mutable { source.request_stop(); });
}

// A request that has begun, in its fiber.
class Pool::Job final : public detail::Job {
 public:
  Job(Pool& pool, Thread& thread, std::unique_ptr<Ticket> ticket)
      : pool_(pool), thread_(thread), ticket_(std::move(ticket)) {}

  void run() noexcept override {
    thread_.stacks = EventLoop::current().fibers().stacks();
    pool_.run(*ticket_);
    pool_.release(thread_, *ticket_);
  }
  void abandon(absl::Status why) noexcept override {
    pool_.finish(*ticket_, as_exception(why));
    pool_.release(thread_, *ticket_);
  }

 private:
  Pool& pool_;
  Thread& thread_;
  const std::unique_ptr<Ticket> ticket_;
};

Pool::Pool(const Client& client, const WorkerPoolOptions& options)
    : client_(client), options_(options), clock_(*core_of(client_)->clock), watch_([this] {
        pool_of_thread = this;
        return look();
      }) {}

bool Pool::inside() const { return pool_of_thread == this; }

absl::Status Pool::use() const {
  return left_behind() ? used_before_fork("this worker pool was used") : absl::OkStatus();
}

// ---- On the caller's thread ----

void Pool::submit(std::unique_ptr<detail::PoolRequest> request) {
  if (const absl::Status refused = accept(request); !refused.ok()) hand_over(*request, as_exception(refused));
}

absl::Status Pool::accept(std::unique_ptr<detail::PoolRequest>& request) {
  NDB_RETURN_IF_ERROR(use());
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    if (absl::Status ready = admit(*request); !ready.ok()) {
      ++counts_.refused;
      return ready;
    }
    const Monotonic ends = latest(*request);
    queue_.push_back(std::make_unique<Ticket>(std::move(request), ends));
    ++counts_.accepted;
    if (Thread* const thread = least_loaded()) poke(*thread);
    wake = !std::exchange(watched_, true);
  }
  if (wake) watch_.wake();
  return absl::OkStatus();
}

absl::Status Pool::admit(const detail::PoolRequest& request) {
  if (stopping_) {
    return absl::UnavailableError(to_absl(
        cat("the worker pool has been stopped and takes no more requests: ", called(request.name), " did not run")));
  }
  if (running_ + queue_.size() >= options_.threads * options_.max_running + options_.max_queued) {
    return absl::ResourceExhaustedError(
        to_absl(cat("the worker pool is full: ", running_, " requests run and ", queue_.size(), " wait, so that ",
                    called(request.name), " did not run; submit fewer at a time, or raise max_running (",
                    options_.max_running, ") or max_queued (", options_.max_queued, ") of WorkerPoolOptions")));
  }
  return start();
}

// Returns max() for a deadline that makes no sense; the context refuses it.
Monotonic Pool::latest(const detail::PoolRequest& request) const {
  const std::optional<nanoseconds>& time =
      request.context.deadline ? request.context.deadline : core_of(client_)->options.context_deadline;
  const Monotonic now = clock_.monotonic();
  return time && time->count() > 0 && *time < Monotonic::max() - now ? now + *time : Monotonic::max();
}

absl::Status Pool::start() {
  fork_mark_.use();
  try {
    while (threads_.size() < options_.threads) {
      auto thread = std::make_unique<Thread>(stall_limit(options_));
      thread->thread = std::thread([this, &thread = *thread] { serve(thread); });
      threads_.push_back(std::move(thread));
    }
  } catch (const std::system_error& error) {
    if (threads_.empty()) {
      return absl::ResourceExhaustedError(to_absl(cat("a worker pool could not start a thread: ", error.what())));
    }
  }  // the existing threads suffice; the next request tries again
  return absl::OkStatus();
}

// Threads that a handler blocks are the last choice.
Pool::Thread* Pool::least_loaded() {
  Thread* best = nullptr;
  const auto rank = [](const Thread& thread) { return std::pair(thread.stall.stalled(), thread.load()); };
  for (const auto& thread : threads_) {
    if (thread->load() >= options_.max_running) continue;
    if (best == nullptr || rank(*thread) < rank(*best)) best = thread.get();
  }
  return best;
}

void Pool::poke(Thread& thread) {
  ++thread.pokes;
  if (thread.inbox != nullptr) thread.inbox->post([this, &thread] { take(thread); });
}

bool Pool::wait_until_empty(Monotonic latest) {
  while (!empty()) {
    const nanoseconds left = latest - Clock::system().monotonic();
    if (left.count() <= 0) return false;
    emptied_.wait_for(mutex_, std::min<nanoseconds>(left, std::chrono::hours(1)));
  }
  return true;
}

bool Pool::stop(nanoseconds within) {
  const Monotonic now = Clock::system().monotonic();
  const Monotonic latest = within < Monotonic::max() - now ? now + within : Monotonic::max();
  bool ended = false;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    ended = wait_until_empty(latest);
  }
  if (!ended) {
    cancel_all();
    return false;
  }
  join_threads();
  return true;
}

void Pool::cancel_all() {
  Tickets queued;
  std::vector<std::stop_source> running;
  {
    const MutexLock lock(mutex_);
    std::ranges::move(queue_, std::back_inserter(queued));
    queue_.clear();
    failing_ += queued.size();
    for (const auto& thread : threads_) {
      for (const Ticket* const ticket : thread->running) running.push_back(ticket->cancel);
    }
  }
  for (std::stop_source& source : running) source.request_stop();
  fail(queued, cancelled("the worker pool was stopped before this request began"));
}

void Pool::end() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  cancel_all();
  for (std::chrono::seconds pause{1};; pause *= 10) {
    std::string line;
    {
      const MutexLock lock(mutex_);
      if (wait_until_empty(Clock::system().monotonic() + pause)) break;
      line = cat("a worker pool can't end yet: ", running_, " of its requests have not ended");
      for (const auto& thread : threads_) {
        if (!thread->running.empty()) line += cat(", ", called((*thread->running.begin())->name), " among them");
      }
    }
    log(Severity::kWarning, line);
  }
  join_threads();
  watch_.stop();
}

void Pool::join_threads() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    over_ = true;
    for (const auto& thread : threads_) {
      if (thread->inbox != nullptr) thread->inbox->post([&over = thread->over] { over = true; });
      if (thread->thread.joinable()) threads.push_back(std::move(thread->thread));
    }
  }
  for (std::thread& thread : threads) thread.join();
}

WorkerPoolStats Pool::stats() const {
  const MutexLock lock(mutex_);
  WorkerPoolStats stats = counts_;
  stats.running = running_;
  stats.queued = queue_.size();
  for (const auto& thread : threads_) stats.stacks += thread->stacks;
  return stats;
}

// ---- On the pool's threads ----

void Pool::serve(Thread& thread) {
  pool_of_thread = this;
  pthread_setname_np(pthread_self(), "ndb-pool");
  EventLoop& loop = EventLoop::current();
  loop.started();  // keeps the loop waiting, because requests may come at any time
  {
    const MutexLock lock(mutex_);
    thread.inbox = loop.inbox();
    thread.pulse = loop.pulse();
    for (std::size_t i = 0; i < thread.pokes; ++i) loop.call_soon([this, &thread] { take(thread); });
    thread.over = over_;
  }
  while (!thread.over) {
    try {
      loop.run_once();
    } catch (...) {
      log(Severity::kError,
          cat("on a worker pool's thread: ", from_absl(status_of(std::current_exception()).message())));
    }
  }
  loop.finished();
}

void Pool::take(Thread& thread) {
  std::unique_ptr<Ticket> ticket;
  {
    const MutexLock lock(mutex_);
    --thread.pokes;
    if (queue_.empty() || thread.running.size() >= options_.max_running) return;
    ticket = std::move(queue_.front());
    queue_.pop_front();
    thread.running.insert(ticket.get());
    ++running_;
  }
  // This may run while a hook waits on the main stack, whose context must not be that of the request.
  TaskletLocals around = std::exchange(tasklet_locals(), {});
  tasklet_locals().request = ticket.get();
  detail::spawn(std::make_shared<Job>(*this, thread, std::move(ticket)));
  tasklet_locals() = std::move(around);
}

void Pool::run(Ticket& ticket) noexcept {
  std::exception_ptr error;
  try {
    call(ticket);
  } catch (...) {
    error = std::current_exception();
  }
  finish(ticket, std::move(error));
}

void Pool::call(Ticket& ticket) {
  const Monotonic now = clock_.monotonic();
  if (const absl::Status over = check(ticket, now); !over.ok()) throw_error(over);
  ContextOptions options = ticket.request->context;
  options.stop = ticket.cancel.get_token();
  if (ticket.latest != Monotonic::max()) options.deadline = ticket.latest - now;
  ContextScope scope = client_.context(options);
  ticket.request->run();
  scope.close();
}

// The request is counted before its callback runs, so that the callback sees the new counts.
void Pool::finish(Ticket& ticket, std::exception_ptr error) noexcept {
  {
    const MutexLock lock(mutex_);
    ++counts_.finished;
    if (error != nullptr) ++counts_.failed;
  }
  hand_over(*ticket.request, std::move(error));
  ticket.request = nullptr;
}

void Pool::release(Thread& thread, const Ticket& ticket) noexcept {
  EventLoop& loop = EventLoop::current();
  thread.stacks = loop.fibers().stacks();
  const MutexLock lock(mutex_);
  thread.running.erase(&ticket);
  --running_;
  if (!queue_.empty()) {
    ++thread.pokes;
    loop.call_soon([this, &thread] { take(thread); });
  } else if (empty()) {
    emptied_.notify_all();
  }
}

void Pool::trim(Thread& thread) {
  detail::Fibers& fibers = EventLoop::current().fibers();
  fibers.trim();
  thread.stacks = fibers.stacks();
}

// ---- The watch ----

std::optional<milliseconds> Pool::look() {
  std::vector<std::string> lines;
  Tickets overdue;
  bool rest = false;
  {
    const MutexLock lock(mutex_);
    const Monotonic now = clock_.monotonic();
    overdue = take_overdue(now);
    bool blocked = false;
    for (const auto& thread : threads_) blocked |= look_at(*thread, now, lines);
    // The pokes of a blocked thread are replaced by pokes of others.
    for (std::size_t i = 0; blocked && i < queue_.size(); ++i) {
      Thread* const other = least_loaded();
      if (other == nullptr || other->stall.stalled()) break;
      poke(*other);
    }
    rest = empty();
    const bool trims = now - trimmed_ >= kTrimPeriod;
    if (trims) trimmed_ = now;
    for (const auto& thread : threads_) {
      if (thread->stacks == 0) continue;
      rest = false;
      if (trims) thread->inbox->post([this, &thread = *thread] { trim(thread); });
    }
    watched_ = !rest;
  }
  for (const std::string& line : lines) log(Severity::kWarning, line);
  if (!overdue.empty()) fail(overdue, absl::OkStatus());
  if (rest) return std::nullopt;
  return std::clamp<milliseconds>(stall_limit(options_) / 2, milliseconds(1), milliseconds(1000));
}

// Whether a step blocks the thread.
bool Pool::look_at(Thread& thread, Monotonic now, std::vector<std::string>& lines) {
  if (thread.pulse == nullptr) return false;
  const bool before = thread.stall.stalled();
  const std::optional<nanoseconds> lasts = thread.stall.look(*thread.pulse, now);
  if (!lasts) return thread.stall.stalled();
  const auto running = thread.running.find(static_cast<const Ticket*>(thread.pulse->request()));
  if (!before) ++counts_.stalls;
  if (options_.stall_warning.count() == 0) return true;
  const std::string who =
      running != thread.running.end()
          ? cat("the handler of ", called((*running)->name))
          : std::string("something that is no handler (a hook, a policy, or a memcached's silence)");
  const std::size_t others = thread.running.size() - (running != thread.running.end() ? 1 : 0);
  lines.push_back(cat("worker pool: ", who, " has held its thread for ",
                      std::chrono::duration_cast<milliseconds>(*lasts).count(),
                      " ms without waiting for anything of ndb, while ", others,
                      " other requests of that thread had to wait; wait with ndb's futures and ndb::sleep(), and "
                      "compute or block for long on other threads"));
  return true;
}

Pool::Tickets Pool::take_overdue(Monotonic now) {
  Tickets overdue;
  for (std::unique_ptr<Ticket>& ticket : queue_) {
    if (!check(*ticket, now).ok()) overdue.push_back(std::move(ticket));
  }
  if (!overdue.empty()) std::erase(queue_, nullptr);
  failing_ += overdue.size();
  return overdue;
}

void Pool::fail(const Tickets& tickets, const absl::Status& otherwise) {
  for (const auto& ticket : tickets) {
    const absl::Status over = check(*ticket, clock_.monotonic());
    finish(*ticket, as_exception(over.ok() ? otherwise : over));
  }
  const MutexLock lock(mutex_);
  failing_ -= tickets.size();
  if (empty()) emptied_.notify_all();
}

absl::Status Pool::check(const Ticket& ticket, Monotonic now) {
  if (ticket.cancel.stop_requested()) {
    return cancelled(
        cat(called(ticket.name), " was cancelled before it began: its stop token was triggered, or the pool stopped"));
  }
  if (now < ticket.latest) return absl::OkStatus();
  return absl::DeadlineExceededError(to_absl(
      cat("the deadline of ", called(ticket.name), " was over before it began, in the queue of a worker pool")));
}

}  // namespace ndb::worker_pool
