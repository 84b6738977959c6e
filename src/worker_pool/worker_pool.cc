#include "ndb/worker_pool.h"

#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/strings.h"
#include "worker_pool/pool.h"

namespace ndb {
namespace {

constexpr std::size_t kMostThreads = 256;
constexpr std::size_t kMostRunning = 30'000;

worker_pool::Pool& usable(const std::unique_ptr<worker_pool::Pool>& pool) {
  if (const absl::Status status = pool->use(); !status.ok()) throw_error(status);
  return *pool;
}

WorkerPoolOptions checked(const WorkerPoolOptions& options) {
  if (options.threads == 0 || options.threads > kMostThreads) {
    throw BadArgumentError(cat("WorkerPoolOptions::threads must be 1 to ", kMostThreads, ", but is ", options.threads));
  }
  if (options.max_running == 0 || options.max_running > kMostRunning / options.threads) {
    throw BadArgumentError(cat("WorkerPoolOptions::max_running must be 1 to ", kMostRunning / options.threads, " with ",
                               options.threads, " threads, because each request needs a stack, but is ",
                               options.max_running));
  }
  if (options.stall_warning.count() < 0) {
    throw BadArgumentError(cat("WorkerPoolOptions::stall_warning must not be negative, but is ",
                               options.stall_warning.count(), " ms; 0 turns it off"));
  }
  return options;
}

}  // namespace

WorkerPool::WorkerPool(Client client, WorkerPoolOptions options)  // NOLINT(performance-unnecessary-value-param)
    : pool_(std::make_unique<worker_pool::Pool>(client, checked(options))) {}

WorkerPool::~WorkerPool() {
  if (pool_->left_behind()) {
    leave_to_parent(std::move(pool_));
    return;
  }
  if (!pool_->inside()) {
    pool_->end();
    return;
  }
  // A thread cannot wait for its own end.
  try {
    std::thread([pool = pool_.get()] {
      const std::unique_ptr<worker_pool::Pool> owner(pool);
      owner->end();
    }).detach();
    [[maybe_unused]] const worker_pool::Pool* const owned = pool_.release();
  } catch (const std::system_error& error) {
    log(Severity::kError, cat("a worker pool that was destroyed by one of its own requests will never end, because no "
                              "thread could be started that ends it: ",
                              error.what()));
    leave_to_parent(std::move(pool_));
  }
}

void WorkerPool::submit(std::unique_ptr<detail::PoolRequest> request) { pool_->submit(std::move(request)); }

bool WorkerPool::stop(std::chrono::nanoseconds within) {
  worker_pool::Pool& pool = usable(pool_);
  if (pool.inside()) {
    throw BadRequestError(
        "WorkerPool::stop() in a handler or callback of the pool would wait for itself: call it on another thread");
  }
  return pool.stop(within);
}

WorkerPoolStats WorkerPool::stats() const { return usable(pool_).stats(); }

}  // namespace ndb
