// What processes that use one SharedCache agree on, in memory that they share: the values themselves, and which
// invalidations have ended. No history has to be recorded: every read is judged where it is made.
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

// One key. Its value only grows, so that older is less.
class SharedKey {
 public:
  std::uint64_t value() const { return value_; }             // what a provider computes
  std::uint64_t write() { return value_.fetch_add(1) + 1; }  // changes it; its invalidation is to follow
  void ended(std::uint64_t value);                           // the invalidation after the write that gave `value`

  // The least value that a read may bring that begins now; 0 if no invalidation has ended.
  std::uint64_t floor() const { return floor_; }
  // The same of a read that may be served what was current at `time`: whether `value`, which is below floor(), was
  // already out of date then.
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

// Zeroes are its initial state.
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
