// What bounds a request: a deadline, and whether somebody has cancelled it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace ndb {

// The bounds of a context, of a transaction in it and of a call with a deadline of its own are nested: inner ones are
// over no later than the outer ones. Cancelling any of them cancels the request: the context and all within it.
//
// Thread-safe: cancel(), cancelled(), check() and stop_token(). Everything else belongs to the thread of the context.
class Bounds : public std::enable_shared_from_this<Bounds> {
 public:
  // The bounds of all requests of a program: no deadline, only cancel().
  static std::shared_ptr<Bounds> of_all(std::string_view whose);
  // Of a request. `whose` is for messages: "the context". Over after `time`, with `outer` (null: it is in no other
  // request of this thread), when `all` are cancelled (null: none), and with `stop`.
  static std::shared_ptr<Bounds> of_request(const std::shared_ptr<Bounds>& outer, const std::shared_ptr<Bounds>& all,
                                            std::string_view whose, std::optional<std::chrono::nanoseconds> time,
                                            Monotonic now, const std::stop_token& stop = {});
  // The bounds of a part of a request: over after `time`, and when `outer` is over (null: nothing else).
  static std::shared_ptr<Bounds> of_part(const std::shared_ptr<Bounds>& outer, std::string_view whose,
                                         std::chrono::nanoseconds time, Monotonic now);

  Bounds(std::shared_ptr<Bounds> outer, std::string_view whose, std::optional<std::chrono::nanoseconds> time,
         Monotonic now);
  ~Bounds();
  Bounds(const Bounds&) = delete;
  Bounds& operator=(const Bounds&) = delete;

  Monotonic deadline() const { return deadline_; }  // max(): none
  // For RPCs, which end when a stop is requested.
  std::stop_token stop_token() const { return request_->stop_.get_token(); }
  bool cancelled() const { return request_->cancelled_.load(std::memory_order_acquire); }
  // OK while there is time left and nobody has cancelled; otherwise CANCELLED or DEADLINE_EXCEEDED, with the reason.
  absl::Status check(Monotonic now) const;
  // `error` with the message of check() before its own, if the end of these bounds may have caused it.
  absl::Status explain(const absl::Status& error, Monotonic now) const;

  // Ends all waits within these bounds, soon. The second call does nothing.
  void cancel(std::string_view why);

  // Calls back once, on the loop of the thread, when the bounds are over; never after its destruction. If they are over
  // already, it calls back in the next round. The callback may destroy it.
  class Watch {
   public:
    Watch(std::shared_ptr<Bounds> bounds, std::function<void()> over);  // null: never
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    friend class Bounds;
    const std::shared_ptr<Bounds> bounds_;
    std::function<void()> over_;
    bool linked_ = false;
    Watch* previous_ = nullptr;
    Watch* next_ = nullptr;
  };

  // The RPCs within these bounds that have not been answered. They end with the bounds and report a better error than
  // their waiters could.
  void rpc_started();
  void rpc_ended();
  bool awaits_rpcs() const { return rpcs_ > 0; }

 private:
  using StopCallback = std::stop_callback<std::function<void()>>;

  void cancel_with(std::optional<StopCallback>& callback, const std::shared_ptr<Bounds>& other);
  void link(Watch& watch);
  void unlink(Watch& watch);
  bool over() const;
  void ring();  // calls the watches back, if the bounds are over

  const std::shared_ptr<Bounds> outer_;
  Bounds* request_ = this;           // the outermost ones of this request
  const Bounds* ends_first_ = this;  // those whose deadline applies
  const std::string whose_;
  std::chrono::nanoseconds time_{};
  Monotonic deadline_ = Monotonic::max();

  // For the outermost bounds of a request.
  std::atomic<bool> cancelled_{false};
  mutable Mutex mutex_;
  std::string why_ NDB_GUARDED_BY(mutex_);
  std::stop_source stop_{std::nostopstate};

  // Belongs to the thread of the context.
  Watch* first_ = nullptr;
  std::optional<std::uint64_t> timer_;
  std::size_t rpcs_ = 0;
  // Last: their callbacks use the other members, on any thread, until they are destroyed.
  std::optional<StopCallback> wake_, by_stop_, by_outer_, by_all_;
};

}  // namespace ndb
