// Data that all threads update often, split into stripes so that threads seldom touch the same cache line.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ndb {

inline constexpr std::size_t kStripes = 16;

// Which stripe this thread uses; several threads may share one.
inline std::size_t thread_stripe() {
  static std::atomic<std::size_t> threads{0};
  static thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

// Thread-safe.
class StripedCounter {
 public:
  void operator++() { stripes_[thread_stripe()].count.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t sum() const {
    std::uint64_t sum = 0;
    for (const Stripe& stripe : stripes_) sum += stripe.count.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> count{0};
  };
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace ndb
