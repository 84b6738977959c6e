#include "memcache/transport/breaker.h"

#include <algorithm>

namespace ndb::memcache {

bool Breaker::allow() {
  if (is_closed()) return true;
  MutexLock hold(mutex_);
  if (probing_ || clock_->monotonic() < next_probe_) return false;
  probing_ = true;
  return true;
}

void Breaker::succeeded() {
  if (failures_.load(std::memory_order_relaxed) == 0) return;
  MutexLock hold(mutex_);
  failures_.store(0, std::memory_order_relaxed);
  probing_ = false;
}

void Breaker::add(std::int64_t failure) {
  if (is_closed()) failures_.fetch_add(failure, std::memory_order_relaxed);
  next_probe_ = clock_->monotonic() + kInterval;
  probing_ = false;
}

void Breaker::failed() {
  MutexLock hold(mutex_);
  add(kOne);
}

void Breaker::cut_short(Monotonic from, Monotonic to, std::chrono::milliseconds timeout) {
  MutexLock hold(mutex_);
  const std::chrono::nanoseconds silence = to - std::max(from, silent_until_);
  probing_ = false;
  if (silence.count() <= 0) return;
  silent_until_ = to;
  const double timeouts = std::chrono::duration<double>(silence) / timeout;
  add(static_cast<std::int64_t>(std::min(timeouts, 1.0) * kOne));
}

void Breaker::undecided() {
  if (is_closed()) return;
  MutexLock hold(mutex_);
  probing_ = false;
}

}  // namespace ndb::memcache
