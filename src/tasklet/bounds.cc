#include "tasklet/bounds.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "tasklet/event_loop.h"

namespace ndb {

Bounds::Bounds(std::shared_ptr<Bounds> outer, std::string_view whose, std::optional<std::chrono::nanoseconds> time,
               Monotonic now)
    : outer_(std::move(outer)), whose_(whose) {
  if (outer_ != nullptr) {
    deadline_ = outer_->deadline_;
    ends_first_ = outer_->ends_first_;
  }
  if (!time || *time >= deadline_ - now) return;
  time_ = *time;
  deadline_ = now + *time;
  ends_first_ = this;
}

std::shared_ptr<Bounds> Bounds::of_all(std::string_view whose) {
  return of_request(nullptr, nullptr, whose, std::nullopt, {});
}

std::shared_ptr<Bounds> Bounds::of_request(const std::shared_ptr<Bounds>& outer, const std::shared_ptr<Bounds>& all,
                                           std::string_view whose, std::optional<std::chrono::nanoseconds> time,
                                           Monotonic now, const std::stop_token& stop) {
  auto bounds = std::make_shared<Bounds>(outer, whose, time, now);
  bounds->stop_ = std::stop_source();
  // Each callback runs at once if a stop has already been requested.
  if (stop.stop_possible()) {
    bounds->by_stop_.emplace(stop, [raw = bounds.get()] { raw->cancel("its stop token was triggered"); });
  }
  bounds->cancel_with(bounds->by_outer_, outer);
  bounds->cancel_with(bounds->by_all_, all);
  return bounds;
}

std::shared_ptr<Bounds> Bounds::of_part(const std::shared_ptr<Bounds>& outer, std::string_view whose,
                                        std::chrono::nanoseconds time, Monotonic now) {
  if (outer == nullptr) return of_request(nullptr, nullptr, whose, time, now);
  auto bounds = std::make_shared<Bounds>(outer, whose, time, now);
  bounds->request_ = outer->request_;
  return bounds;
}

void Bounds::cancel_with(std::optional<StopCallback>& callback, const std::shared_ptr<Bounds>& other) {
  if (other == nullptr) return;
  callback.emplace(other->stop_token(), [this, other] {
    std::string why;
    {
      const MutexLock lock(other->request_->mutex_);
      why = other->request_->why_;
    }
    cancel(why);
  });
}

Bounds::~Bounds() = default;

void Bounds::cancel(std::string_view why) {
  Bounds& request = *request_;
  {
    const MutexLock lock(request.mutex_);
    if (request.cancelled_.load(std::memory_order_relaxed)) return;
    request.why_ = why;
    request.cancelled_.store(true, std::memory_order_release);
  }
  request.stop_.request_stop();
}

absl::Status Bounds::check(Monotonic now) const {
  if (cancelled()) {
    const MutexLock lock(request_->mutex_);
    return ndb::cancelled(cat(request_->whose_, " was cancelled: ", request_->why_));
  }
  if (deadline_ == Monotonic::max() || now < deadline_) return absl::OkStatus();
  return absl::DeadlineExceededError(cat("the deadline of ", ends_first_->whose_, ", ",
                                         std::chrono::ceil<std::chrono::milliseconds>(ends_first_->time_).count(),
                                         " ms, is over"));
}

absl::Status Bounds::explain(const absl::Status& error, Monotonic now) const {
  if (!absl::IsCancelled(error) && !absl::IsDeadlineExceeded(error)) return error;
  absl::Status explained = check(now);
  if (explained.ok()) return error;
  explained = annotate(error, from_absl(explained.message()));
  if (!cancelled()) return explained;
  absl::Status as_cancelled = ndb::cancelled(from_absl(explained.message()));
  explained.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { as_cancelled.SetPayload(url, payload); });
  return as_cancelled;
}

void Bounds::rpc_started() {
  for (Bounds* bounds = this; bounds != nullptr; bounds = bounds->outer_.get()) ++bounds->rpcs_;
}

void Bounds::rpc_ended() {
  for (Bounds* bounds = this; bounds != nullptr; bounds = bounds->outer_.get()) --bounds->rpcs_;
}

Bounds::Watch::Watch(std::shared_ptr<Bounds> bounds, std::function<void()> over)
    : bounds_(std::move(bounds)), over_(std::move(over)) {
  if (bounds_ != nullptr) bounds_->link(*this);
}

Bounds::Watch::~Watch() {
  if (linked_) bounds_->unlink(*this);
}

void Bounds::link(Watch& watch) {
  EventLoop& loop = EventLoop::current();
  const auto ring_later = [weak = weak_from_this()] {
    if (const auto bounds = weak.lock()) bounds->ring();
  };
  if (!wake_) wake_.emplace(stop_token(), [inbox = loop.inbox(), ring_later] { inbox->post(ring_later); });
  if (over()) {
    loop.call_soon(ring_later);
  } else if (!timer_ && deadline_ != Monotonic::max()) {
    timer_ = loop.call_at(deadline_, ring_later);
  }
  watch.next_ = std::exchange(first_, &watch);
  if (watch.next_ != nullptr) watch.next_->previous_ = &watch;
  watch.linked_ = true;
}

void Bounds::unlink(Watch& watch) {
  (watch.previous_ != nullptr ? watch.previous_->next_ : first_) = watch.next_;
  if (watch.next_ != nullptr) watch.next_->previous_ = watch.previous_;
  watch.previous_ = watch.next_ = nullptr;
  watch.linked_ = false;
  // A timer that no wait needs would keep the loop from detecting that it is stuck.
  if (first_ == nullptr && timer_) EventLoop::current().cancel_timer(deadline_, *std::exchange(timer_, std::nullopt));
}

bool Bounds::over() const {
  return cancelled() || (deadline_ != Monotonic::max() && EventLoop::current().now() >= deadline_);
}

void Bounds::ring() {
  if (!over()) return;
  const std::shared_ptr<Bounds> self = shared_from_this();  // callbacks may destroy the last Watch
  while (first_ != nullptr) {
    const std::function<void()> over = std::move(first_->over_);
    unlink(*first_);
    over();
  }
}

}  // namespace ndb
