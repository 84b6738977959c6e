// A request to a WorkerPool as the pool handles it, and the way from a handler to a request. Not for users.
#pragma once

#include <exception>
#include <future>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/context_options.h"
#include "ndb/error.h"
#include "ndb/future.h"

namespace ndb::detail {

class PoolRequest {
 public:
  PoolRequest(ContextOptions with, std::string called) : context(std::move(with)), name(std::move(called)) {}
  PoolRequest(const PoolRequest&) = delete;
  PoolRequest& operator=(const PoolRequest&) = delete;
  virtual ~PoolRequest() = default;

  // Calls the handler and keeps its result. Throws what the handler throws. The captured variables of the handler are
  // destroyed in any case.
  virtual void run() = 0;
  // Called once, at the end: hands over the result, or the error if there is one. Throws what a callback throws.
  virtual void finish(std::exception_ptr error) = 0;

  const ContextOptions context;
  const std::string name;
};

template <class Handler>
using HandlerResult = std::decay_t<std::invoke_result_t<Handler&>>;

// The argument of a callback: the result of a handler, or its error.
template <class Handler>
using PoolResult = std::conditional_t<std::is_void_v<HandlerResult<Handler>>, absl::Status,
                                      absl::StatusOr<NotVoid<HandlerResult<Handler>>>>;

template <class Handler>
class PoolRequestOf : public PoolRequest {
 public:
  PoolRequestOf(ContextOptions with, Handler handler, std::string called)
      : PoolRequest(std::move(with), std::move(called)), handler_(std::move(handler)) {}

  void run() final {
    const Once once{handler_};
    if constexpr (std::is_void_v<HandlerResult<Handler>>) {
      (*handler_)();
      result_.emplace();
    } else {
      result_.emplace((*handler_)());
    }
  }

 protected:
  struct Once {
    std::optional<Handler>& handler;
    ~Once() { handler.reset(); }
  };
  std::optional<Handler> handler_;  // until it has been called
  std::optional<NotVoid<HandlerResult<Handler>>> result_;
};

template <class Handler>
class FuturePoolRequest final : public PoolRequestOf<Handler> {
 public:
  using PoolRequestOf<Handler>::PoolRequestOf;
  std::future<HandlerResult<Handler>> future() { return promise_.get_future(); }

  void finish(std::exception_ptr error) override {
    this->handler_.reset();
    if (error != nullptr) {
      promise_.set_exception(std::move(error));
    } else if constexpr (std::is_void_v<HandlerResult<Handler>>) {
      promise_.set_value();
    } else {
      promise_.set_value(*std::move(this->result_));
    }
  }

 private:
  std::promise<HandlerResult<Handler>> promise_;
};

template <class Handler, class Done>
class CallbackPoolRequest final : public PoolRequestOf<Handler> {
 public:
  CallbackPoolRequest(ContextOptions with, Handler handler, Done done, std::string called)
      : PoolRequestOf<Handler>(std::move(with), std::move(handler), std::move(called)), done_(std::move(done)) {}

  void finish(std::exception_ptr error) override {
    this->handler_.reset();
    if (error != nullptr) {
      done_(PoolResult<Handler>(status_of(error)));
    } else if constexpr (std::is_void_v<HandlerResult<Handler>>) {
      done_(absl::OkStatus());
    } else {
      done_(PoolResult<Handler>(*std::move(this->result_)));
    }
  }

 private:
  Done done_;
};

}  // namespace ndb::detail
