// An observer that writes down what it sees.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"
#include "ndb/observer.h"

namespace ndb::testing {

class Recorder : public Observer {
 public:
  void begin(const SpanBegin& span) override {
    const MutexLock lock(mutex_);
    names_[span.id] = cat(to_string(span.kind), " ", span.name);
    EXPECT_EQ(parents_.count(span.id), 0) << "an id was used twice";
    parents_[span.id] = span.parent;
    std::string line = cat("begin ", names_[span.id], " keys=", span.keys);
    if (span.attempt > 0) line += cat(" attempt=", span.attempt);
    if (span.parent != 0) line += cat(" in ", names_[span.parent]);
    lines_.push_back(std::move(line));
    servers_.push_back(std::string(span.server));
    bytes_sent_ += span.bytes;
    ++open_[span.id];
  }
  void end(const SpanEnd& span) override {
    const MutexLock lock(mutex_);
    lines_.push_back(cat("end ", names_[span.id], " found=", span.found, " ", absl::StatusCodeToString(span.code)));
    EXPECT_EQ(open_[span.id]--, 1) << "a span ended twice, or before it began";
    EXPECT_GE(span.time.count(), 0);
    EXPECT_EQ(span.code == absl::StatusCode::kOk, span.message.empty());
    bytes_received_ += span.bytes;
  }

  // Since the last call.
  std::vector<std::string> take() {
    const MutexLock lock(mutex_);
    return std::exchange(lines_, {});
  }
  std::vector<std::string> take_servers() {
    const MutexLock lock(mutex_);
    return std::exchange(servers_, {});
  }
  std::pair<std::size_t, std::size_t> take_bytes() {
    const MutexLock lock(mutex_);
    return {std::exchange(bytes_sent_, 0), std::exchange(bytes_received_, 0)};
  }
  bool all_ended() {
    const MutexLock lock(mutex_);
    for (const auto& [id, open] : open_) {
      if (open != 0) return false;
    }
    return !open_.empty();
  }

 private:
  Mutex mutex_;
  std::map<std::uint64_t, std::string> names_ NDB_GUARDED_BY(mutex_);
  std::map<std::uint64_t, std::uint64_t> parents_ NDB_GUARDED_BY(mutex_);
  std::map<std::uint64_t, int> open_ NDB_GUARDED_BY(mutex_);
  std::vector<std::string> lines_ NDB_GUARDED_BY(mutex_), servers_ NDB_GUARDED_BY(mutex_);
  std::size_t bytes_sent_ NDB_GUARDED_BY(mutex_) = 0, bytes_received_ NDB_GUARDED_BY(mutex_) = 0;
};

}  // namespace ndb::testing
