// A limit on the memory of all requests in flight together.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace ndb::local {

// Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t bytes) : free_(bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // The memory that one request has taken, returned when it ends. Not thread-safe; the budget must outlive it.
  class Loan {
   public:
    // Smaller requests are not counted; there are few enough of them.
    static constexpr std::size_t kSmall = 64 << 10;

    explicit Loan(MemoryBudget& budget) : budget_(&budget) {}
    ~Loan() { give_back(); }
    Loan(Loan&& other) noexcept : budget_(other.budget_), taken_(std::exchange(other.taken_, 0)) {}
    Loan& operator=(Loan&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(taken_, other.taken_);
      return *this;
    }

    // Takes what is missing to `bytes`. False: there is not enough left, and nothing is taken.
    bool cover(std::size_t bytes) {
      if (bytes <= kSmall || bytes <= taken_) return true;
      if (!budget_->take(bytes - taken_)) return false;
      taken_ = bytes;
      return true;
    }
    void give_back() { budget_->free_.fetch_add(std::exchange(taken_, 0), std::memory_order_relaxed); }
    std::size_t taken() const { return taken_; }

   private:
    MemoryBudget* budget_;
    std::size_t taken_ = 0;
  };

 private:
  bool take(std::size_t bytes) {
    std::size_t free = free_.load(std::memory_order_relaxed);
    while (bytes <= free) {
      if (free_.compare_exchange_weak(free, free - bytes, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  std::atomic<std::size_t> free_;
};

}  // namespace ndb::local
