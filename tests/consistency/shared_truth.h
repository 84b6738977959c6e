// The shared state of processes that use one SharedCache: the values themselves, and which invalidations have ended, in
// shared memory. No history is needed: every read is checked where it is made.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ndb::consistency {

inline constexpr std::size_t kSharedKeys = 8;

// Nanoseconds of the clock that all processes of the machine share.
std::int64_t shared_now();

// One key. Its value only grows, so a lower value is older.
class SharedKey {
 public:
  std::uint64_t value() const { return value_; }             // what a provider computes
  std::uint64_t write() { return value_.fetch_add(1) + 1; }  // changes it; its invalidation is to follow
  void ended(std::uint64_t value);                           // the invalidation after the write that gave `value`

  // The lowest value that a read which begins now may return; 0 if no invalidation has ended.
  std::uint64_t floor() const { return floor_; }
  // For a read that may return what was current at `time`: whether `value`, which is below floor(), was already
  // outdated then.
  bool was_stale(std::uint64_t value, std::int64_t time) const;

 private:
  struct Ended {
    std::atomic<std::uint64_t> value;
    std::atomic<std::int64_t> time;
  };
  static constexpr std::size_t kRemembered = 1 << 16;
  std::atomic<std::uint64_t> value_, floor_;
  std::array<Ended, kRemembered> ended_;
};

// All zeroes initially.
struct SharedTruth {
  struct Counts {
    std::atomic<std::uint64_t> gets, bounded_gets, provider_calls, invalidations, not_invalidated, violations;
  };
  std::array<SharedKey, kSharedKeys> keys;
  Counts counts;
  std::array<char, 512> first_violation;
};

// Maps the file, which has the size of a SharedTruth, until the process ends. Throws std::system_error.
SharedTruth& map_truth(const std::string& path);
std::string make_truth();  // a new file

// Works until stdin ends. Arguments: path, seed, addresses of the memcacheds.
int run_shared_worker(const std::string& path, std::uint64_t seed, const std::string& memcacheds);

}  // namespace ndb::consistency
