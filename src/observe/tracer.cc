#include "observe/tracer.h"

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace ndb {

std::string_view to_string(SpanKind kind) {
  static constexpr std::string_view kNames[] = {"rpc", "rpc attempt", "memcache batch"};
  return kNames[static_cast<std::size_t>(kind)];
}

namespace observe {
namespace {

constexpr std::chrono::seconds kBetweenComplaints{10};
constexpr std::size_t kMostHeaderBytes = 4096;

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// gRPC aborts the process for a header that HTTP/2 does not allow, and one of its own would change the call.
bool can_be_sent(std::string_view name, std::string_view value) {
  static constexpr std::array<std::string_view, 5> kTaken{"authorization", "user-agent", "host", "te", "content-type"};
  const auto in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  const auto in_value = [](char c) { return c >= ' ' && c <= '~'; };
  return !name.empty() && std::ranges::all_of(name, in_name) && std::ranges::all_of(value, in_value) &&
         !name.starts_with("grpc-") && !name.starts_with("x-goog-") && !name.ends_with("-bin") &&
         std::ranges::find(kTaken, name) == kTaken.end();
}

}  // namespace

std::shared_ptr<Tracer> Tracer::make(std::shared_ptr<Observer> observer) {
  return observer == nullptr ? nullptr : std::make_shared<Tracer>(std::move(observer));
}

void Tracer::begin(const SpanBegin& span) noexcept {
  guarded("begin", [&] { observer_->begin(span); });
}

void Tracer::end(const SpanEnd& span) noexcept {
  guarded("end", [&] { observer_->end(span); });
}

RpcHeaders Tracer::headers(const SpanBegin& attempt) noexcept {
  RpcHeaders headers;
  guarded("headers", [&] {
    std::size_t bytes = 0;
    for (auto& [name, value] : observer_->headers(attempt)) {
      if (!can_be_sent(name, value)) {
        complain(cat("the observer's header \"", name, "\" was left out: see RpcHeaders for what can be sent"));
      } else if (bytes += name.size() + value.size(); bytes > kMostHeaderBytes) {
        return complain(cat("the observer's headers from \"", name, "\" on were left out: they exceed ",
                            kMostHeaderBytes, " bytes"));
      } else {
        headers.emplace_back(std::move(name), std::move(value));
      }
    }
  });
  return headers;
}

void Tracer::guarded(std::string_view function, absl::FunctionRef<void()> call) noexcept {
  try {
    call();
  } catch (const std::exception& error) {
    complain(cat("Observer::", function, "() threw: ", error.what()));
  } catch (...) {
    complain(cat("Observer::", function, "() threw something that is no std::exception"));
  }
}

void Tracer::complain(std::string_view what) noexcept {
  const std::int64_t now = Clock::system().monotonic().time_since_epoch() / std::chrono::nanoseconds(1);
  std::int64_t next = next_complaint_.load(std::memory_order_relaxed);
  const std::int64_t later = now + std::chrono::nanoseconds(kBetweenComplaints).count();
  if (now >= next && next_complaint_.compare_exchange_strong(next, later)) log(Severity::kError, what);
}

void Span::begin(Tracer& tracer, SpanBegin& span) noexcept {
  tracer_ = &tracer;
  kind_ = span.kind;
  id_ = span.id = next_id();
  began_ = Clock::system().monotonic();
  tracer.begin(span);
}

void Span::end(absl::StatusCode code, std::string_view message, std::size_t found, std::size_t bytes) noexcept {
  if (tracer_ == nullptr) return;
  std::exchange(tracer_, nullptr)
      ->end({.kind = kind_,
             .id = id_,
             .time = Clock::system().monotonic() - began_,
             .code = code,
             .message = message,
             .found = found,
             .bytes = bytes});
}

}  // namespace observe
}  // namespace ndb
