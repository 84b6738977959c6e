#include "memcache/transport/breaker.h"

namespace ndb::memcache {

bool Breaker::allow() {
  if (failures_.load(std::memory_order_relaxed) < kFailures) return true;
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

void Breaker::failed() {
  MutexLock hold(mutex_);
  if (failures_.load(std::memory_order_relaxed) < kFailures) failures_.fetch_add(1, std::memory_order_relaxed);
  next_probe_ = clock_->monotonic() + kInterval;
  probing_ = false;
}

void Breaker::undecided() {
  if (failures_.load(std::memory_order_relaxed) < kFailures) return;
  MutexLock hold(mutex_);
  probing_ = false;
}

}  // namespace ndb::memcache
