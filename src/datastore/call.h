// One call of an RPC with all its attempts, and the session that the calls of a stub share.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/mutex.h"
#include "datastore/stub.h"
#include "observe/tracer.h"

namespace ndb::datastore {

struct Rpc {
  const char* name;
  bool idempotent;  // may be sent twice without harm, and so is retried by default
};

class Call;

// What an observer learns of a message: keys, mutations or entities, and bytes.
struct Size {
  std::size_t items = 0;
  std::size_t bytes = 0;
};

template <class Message>
Size size_of(const Message& message) {
  const auto items = [&]() -> int {
    if constexpr (requires { message.keys_size(); }) return message.keys_size();
    if constexpr (requires { message.mutations_size(); }) return message.mutations_size();
    if constexpr (requires { message.found_size(); }) return message.found_size();
    if constexpr (requires { message.batch().entity_results_size(); }) return message.batch().entity_results_size();
    return 0;
  };
  return {static_cast<std::size_t>(items()), message.ByteSizeLong()};
}

// The state that the calls of a stub share. Lives as long as the last of them. Thread-safe.
class Session {
 public:
  explicit Session(StubConfig config);

  const StubConfig& config() const { return config_; }
  absl::Status check(const CallOptions& options) const;     // whether a call can be made
  absl::StatusOr<std::shared_ptr<Channel>> next_channel();  // round robin; the first call opens the channels
  void add_headers(grpc::ClientContext& context, std::string_view database) const;

  bool add(std::shared_ptr<Call> call);  // false: the session is shut down
  void remove(const std::shared_ptr<Call>& call);
  void cancel_all();  // and all later calls
  void wait_for_all();

 private:
  const StubConfig config_;
  const std::string routing_;  // of the default database, like the next one
  const std::string resource_prefix_;
  const std::string api_client_;
  Mutex channels_mutex_;
  Channels::List channels_ NDB_GUARDED_BY(channels_mutex_);
  std::uint64_t turn_ NDB_GUARDED_BY(channels_mutex_) = 0;
  Mutex mutex_;
  Condition ended_;
  std::unordered_set<std::shared_ptr<Call>> calls_ NDB_GUARDED_BY(mutex_);
  bool shut_down_ NDB_GUARDED_BY(mutex_) = false;
};

// Attempts run one after another, so only cancel(), called by the session or a stop token, runs concurrently with
// anything else. The session owns the call from start() until its end, so callbacks may capture a plain `this`.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(std::shared_ptr<Session> session, const Rpc& rpc, const CallOptions& options);
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void start();
  void cancel(absl::Status why);

  static bool delivering();  // whether this thread is inside a `done`

 protected:
  virtual void send(grpc::ClientContext& context, const std::shared_ptr<grpc::Channel>& channel,
                    const std::string& path, std::function<void(grpc::Status)> ended) = 0;
  virtual void deliver(absl::Status status) = 0;  // calls `done`
  virtual std::string_view database() const = 0;  // of the request
  virtual Size request_size() const = 0;
  virtual Size response_size() const = 0;

 private:
  void attempt();
  SpanBegin described(SpanKind kind) const;
  void observe_attempt();  // begins its span, and adds its headers
  void attempt_ended(const grpc::Status& status);
  bool may_retry(grpc::StatusCode code) const;
  void retry_later(absl::Status error);
  void finish(absl::Status status) noexcept;
  absl::Status cancelled();
  absl::Status explain(const grpc::Status& status) const;

  const std::shared_ptr<Session> session_;
  const Rpc& rpc_;
  const CallOptions options_;
  const gpr_timespec deadline_;
  int attempts_ = 0;
  observe::Span span_, attempt_span_;  // inactive unless the session has a tracer

  Mutex mutex_;
  absl::Status cancelled_ NDB_GUARDED_BY(mutex_);  // OK: it was not
  // Replaced under the mutex, and never after cancelled_ was set.
  std::optional<grpc::ClientContext> context_;
  std::optional<grpc::Alarm> alarm_;
  std::optional<std::stop_callback<std::function<void()>>> stop_;  // last: its callback uses the others
};

template <class Request, class Response>
class UnaryCall final : public Call {
 public:
  UnaryCall(std::shared_ptr<Session> session, const Rpc& rpc, const CallOptions& options, Request request,
            Done<Response> done)
      : Call(std::move(session), rpc, options), request_(std::move(request)), done_(std::move(done)) {}

 private:
  void send(grpc::ClientContext& context, const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
            std::function<void(grpc::Status)> ended) override {
    grpc::TemplatedGenericStub<Request, Response>(channel).UnaryCall(&context, path, grpc::StubOptions(), &request_,
                                                                     &response_, std::move(ended));
  }
  void deliver(absl::Status status) override {
    if (status.ok()) {
      done_(std::move(response_));
    } else {
      done_(std::move(status));
    }
  }

  std::string_view database() const override { return request_.database_id(); }
  Size request_size() const override { return size_of(request_); }
  Size response_size() const override { return size_of(response_); }

  const Request request_;
  Response response_;
  const Done<Response> done_;
};

}  // namespace ndb::datastore
