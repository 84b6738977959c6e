// The spans that an observer sees.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "ndb/observer.h"

namespace ndb::observe {

// Calls an observer, and keeps from the framework what it throws. Thread-safe.
class Tracer {
 public:
  // Null without an observer. Code that makes spans asks for nothing more.
  static std::shared_ptr<Tracer> make(std::shared_ptr<Observer> observer);

  explicit Tracer(std::shared_ptr<Observer> observer) : observer_(std::move(observer)) {}

  void begin(const SpanBegin& span) noexcept;
  void end(const SpanEnd& span) noexcept;
  RpcHeaders headers(const SpanBegin& attempt) noexcept;  // only those that can be sent

 private:
  void guarded(std::string_view function, absl::FunctionRef<void()> call) noexcept;
  void complain(std::string_view what) noexcept;  // logs, at most once every ten seconds

  const std::shared_ptr<Observer> observer_;
  std::atomic<std::int64_t> next_complaint_{INT64_MIN};  // nanoseconds of the monotonic clock
};

// One span, from begin() to end(). Inactive, and without any cost, where there is no tracer. Thread-compatible.
class Span {
 public:
  Span() = default;
  ~Span() { end(absl::StatusCode::kCancelled, "given up"); }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  // Sets the id of `span`. The tracer must live until the span has ended.
  void begin(Tracer& tracer, SpanBegin& span) noexcept;
  // The second call does nothing.
  void end(absl::StatusCode code, std::string_view message, std::size_t found = 0, std::size_t bytes = 0) noexcept;

  std::uint64_t id() const { return id_; }
  explicit operator bool() const { return tracer_ != nullptr; }

 private:
  Tracer* tracer_ = nullptr;
  SpanKind kind_{};
  std::uint64_t id_ = 0;
  Monotonic began_{};
};

}  // namespace ndb::observe
