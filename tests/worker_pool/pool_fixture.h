// What the tests of the worker pool share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "ndb/worker_pool.h"
#include "support/tiers.h"
#include "worker_pool/pool.h"

namespace ndb {

struct detail::WorkerPoolAccess {
  static worker_pool::Pool& pool(WorkerPool& pool) { return *pool.pool_; }
};

namespace testing {

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

// Parks the tasklet until `open`.
inline void park_until(const std::atomic<bool>& open) {
  while (!open) ndb::sleep(std::chrono::milliseconds(1));
}

// Waits for what another thread is to do. A test that waits forever is ended by its time-out.
inline void wait_until(const std::function<bool()>& done) {
  while (!done()) std::this_thread::yield();
}

class WorkerPoolTest : public Tiers {
 protected:
  WorkerPoolTest() {
    set_log_sink([this](Severity, std::string_view line) {
      const MutexLock lock(mutex_);
      lines_.emplace_back(line);
    });
  }
  ~WorkerPoolTest() override { set_log_sink(nullptr); }

  std::vector<std::string> lines() {
    const MutexLock lock(mutex_);
    return lines_;
  }
  bool logged(std::string_view part) {
    for (const std::string& line : lines()) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }

  const Client client_ = client();

 private:
  Mutex mutex_;
  std::vector<std::string> lines_ NDB_GUARDED_BY(mutex_);
};

}  // namespace testing
}  // namespace ndb
