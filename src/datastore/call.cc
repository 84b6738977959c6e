#include "datastore/call.h"

#include <grpcpp/grpcpp.h>

#include <future>
#include <string_view>
#include <vector>

#include "base/channel.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::datastore {
namespace {

constexpr std::chrono::milliseconds kDefaultDeadline = std::chrono::seconds(60);

// Marks the error of an RPC that was sent more than once although it is not idempotent: the answer to the last attempt
// says nothing about the earlier ones.
constexpr absl::string_view kResentUrl = "ndb/resent";

thread_local int deliveries = 0;

// Percent-encoding also keeps characters out of the headers that gRPC refuses.
std::string with_database(const std::string& project, std::string_view name, std::string_view database) {
  return database.empty() ? project : cat(project, name, percent_encoded(database));
}

gpr_timespec from_now(std::chrono::microseconds delay) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(delay.count(), GPR_TIMESPAN));
}

// gRPC 1.51 delivers all callbacks of a process through one completion queue, which is destroyed with the last channel
// that used it. Its destruction races with the creation of the next channel (seen: an abort in grpc_cq_internal_unref
// when a client was destroyed and another one made). A channel that has made a call and is never destroyed keeps the
// queue alive: this one.
void keep_callback_queue() {
  [[maybe_unused]] static const std::shared_ptr<grpc::Channel>& kept = []() -> const std::shared_ptr<grpc::Channel>& {
    // Without credentials every call on the channel fails at once.
    auto channel = std::make_unique<std::shared_ptr<grpc::Channel>>(grpc::CreateChannel("unused", nullptr));
    grpc::TemplatedGenericStub<wire::LookupRequest, wire::LookupResponse> stub(*channel);
    grpc::ClientContext context;
    const wire::LookupRequest request;
    wire::LookupResponse response;
    std::promise<void> failed;
    stub.UnaryCall(&context, "/", grpc::StubOptions(), &request, &response,
                   [&](const grpc::Status&) { failed.set_value(); });
    failed.get_future().wait();
    return *channel.release();
  }();
}

// The error of a server in this process that was shut down: it never comes back, so waiting for it is pointless.
absl::Status closed_error(const Rpc& rpc, const Channels& channels) {
  return absl::FailedPreconditionError(
      to_absl(cat(rpc.name, ": the Datastore at ", channels.address, " has ended (", channels.hint,
                  "): let it live for longer than the clients that use it")));
}

}  // namespace

// ---- Session ----

Session::Session(StubConfig config)
    : config_(std::move(config)),
      routing_(cat("project_id=", percent_encoded(config_.project))),
      resource_prefix_(cat("projects/", percent_encoded(config_.project))),
      api_client_(cat("gl-cpp/", __cplusplus, " gccl/", NDB_VERSION, " grpc/", grpc::Version())) {}

absl::Status Session::check(const CallOptions& options) const {
  if (config_.project.empty()) {
    return bad_argument("no project is set: name one when the client is made, or in GOOGLE_CLOUD_PROJECT");
  }
  if (forked_while_grpc_ran()) {
    return used_before_fork("gRPC was running (a client or a LocalDatastore had been used)");
  }
  if (options.deadline && options.deadline->count() <= 0) {
    return bad_argument(cat("deadline is ", options.deadline->count(), " ms; it must be positive"));
  }
  if (options.retries && *options.retries < 0) {
    return bad_argument(cat("retries is ", *options.retries, "; it must not be negative"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Channel>> Session::next_channel() {
  const MutexLock lock(channels_mutex_);
  if (channels_.empty()) {
    keep_callback_queue();
    NDB_ASSIGN_OR_RETURN(channels_, config_.channels.open ? config_.channels.open() : Channels::List{});
  }
  if (channels_.empty()) return bad_argument("the stub has no channel to the Datastore");
  return channels_[turn_++ % channels_.size()];
}

void Session::add_headers(grpc::ClientContext& context, std::string_view database) const {
  context.AddMetadata("x-goog-request-params", with_database(routing_, "&database_id=", database));
  context.AddMetadata("google-cloud-resource-prefix", with_database(resource_prefix_, "/databases/", database));
  context.AddMetadata("x-goog-api-client", api_client_);
  const std::string& authorization = config_.channels.authorization;
  if (!authorization.empty()) context.AddMetadata("authorization", authorization);
}

bool Session::add(std::shared_ptr<Call> call) {
  const MutexLock lock(mutex_);
  if (shut_down_) return false;
  calls_.insert(std::move(call));
  return true;
}

void Session::remove(const std::shared_ptr<Call>& call) {
  const MutexLock lock(mutex_);
  calls_.erase(call);
  if (calls_.empty()) ended_.notify_all();
}

void Session::cancel_all() {
  std::vector<std::shared_ptr<Call>> calls;
  {
    const MutexLock lock(mutex_);
    shut_down_ = true;
    calls.assign(calls_.begin(), calls_.end());
  }
  // Without the mutex, because gRPC may end the call on this thread.
  for (const auto& call : calls) call->cancel(absl::CancelledError("the client was destroyed"));
}

void Session::wait_for_all() {
  const MutexLock lock(mutex_);
  while (!calls_.empty()) ended_.wait(mutex_);
}

// ---- Call ----

Call::Call(std::shared_ptr<Session> session, const Rpc& rpc, const CallOptions& options)
    : session_(std::move(session)),
      rpc_(rpc),
      options_(options),
      deadline_(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                             gpr_time_from_millis(options.deadline.value_or(kDefaultDeadline).count(), GPR_TIMESPAN))) {
}

bool Call::delivering() { return deliveries > 0; }

void Call::start() {
  if (absl::Status status = session_->check(options_); !status.ok()) return deliver(annotate(status, rpc_.name));
  if (!session_->add(shared_from_this())) {
    return deliver(annotate(absl::CancelledError("the client was destroyed"), rpc_.name));
  }
  if (observe::Tracer* const tracer = session_->config().tracer.get(); tracer != nullptr) {
    SpanBegin span = described(SpanKind::kRpc);
    span_.begin(*tracer, span);
  }
  if (options_.stop.stop_possible()) {
    stop_.emplace(options_.stop, [weak = weak_from_this()] {
      if (const auto call = weak.lock()) call->cancel(absl::CancelledError("the call was cancelled"));
    });
  }
  attempt();
}

void Call::cancel(absl::Status why) {
  {
    const MutexLock lock(mutex_);
    cancelled_.Update(std::move(why));
  }
  if (context_) context_->TryCancel();
  if (alarm_) alarm_->Cancel();
}

void Call::attempt() {
  {
    const MutexLock lock(mutex_);
    if (cancelled_.ok()) context_.emplace();
  }
  if (absl::Status why = cancelled(); !why.ok()) return finish(std::move(why));
  const absl::StatusOr<std::shared_ptr<Channel>> channel = session_->next_channel();
  if (!channel.ok()) return finish(annotate(channel.status(), rpc_.name));
  const Channel::Use use(**channel);
  if (!use) return finish(closed_error(rpc_, session_->config().channels));
  ++attempts_;
  context_->set_deadline(deadline_);
  session_->add_headers(*context_, database());
  if (span_) observe_attempt();
  send(*context_, use.grpc(), cat("/google.datastore.v1.Datastore/", rpc_.name),
       [this](const grpc::Status& status) { attempt_ended(status); });
}

SpanBegin Call::described(SpanKind kind) const {
  const Size size = request_size();
  return {.kind = kind,
          .parent = span_.id(),
          .name = rpc_.name,
          .server = session_->config().channels.address,
          .keys = size.items,
          .bytes = size.bytes,
          .attempt = attempts_};
}

void Call::observe_attempt() {
  observe::Tracer& tracer = *session_->config().tracer;
  SpanBegin span = described(SpanKind::kRpcAttempt);
  attempt_span_.begin(tracer, span);
  for (const auto& [name, value] : tracer.headers(span)) context_->AddMetadata(name, value);
}

void Call::attempt_ended(const grpc::Status& status) {
  if (status.ok()) return finish(absl::OkStatus());
  if (absl::Status why = cancelled(); !why.ok() && status.error_code() == grpc::StatusCode::CANCELLED) {
    return finish(std::move(why));
  }
  absl::Status error = explain(status);
  if (!may_retry(status.error_code())) return finish(std::move(error));
  attempt_span_.end(error.code(), from_absl(error.message()));
  retry_later(std::move(error));
}

bool Call::may_retry(grpc::StatusCode code) const {
  if (code != grpc::StatusCode::UNAVAILABLE && code != grpc::StatusCode::DEADLINE_EXCEEDED) return false;
  return options_.retries ? attempts_ <= *options_.retries : rpc_.idempotent;
}

void Call::retry_later(absl::Status error) {
  const gpr_timespec when = from_now(session_->config().backoff.delay(attempts_));
  if (gpr_time_cmp(when, deadline_) >= 0) return finish(std::move(error));
  {
    const MutexLock lock(mutex_);
    if (cancelled_.ok()) {
      alarm_.emplace();
      alarm_->Set(when, [this](bool) { attempt(); });
      return;
    }
  }
  finish(cancelled());
}

absl::Status Call::cancelled() {
  const MutexLock lock(mutex_);
  return cancelled_.ok() ? cancelled_ : annotate(cancelled_, rpc_.name);
}

void Call::finish(absl::Status status) noexcept {
  if (span_) {
    const Size answer = status.ok() ? response_size() : Size{};
    for (observe::Span* const span : {&attempt_span_, &span_}) {
      span->end(status.code(), from_absl(status.message()), answer.items, answer.bytes);
    }
  }
  ++deliveries;
  deliver(std::move(status));
  --deliveries;
  session_->remove(shared_from_this());
}

absl::Status Call::explain(const grpc::Status& status) const {
  const Channels& channels = session_->config().channels;
  std::string what = rpc_.name;
  if (attempts_ > 1) what += cat(" (attempt ", attempts_, ")");
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    what += cat(": the Datastore at ", channels.address, " is unavailable (", channels.hint, ")");
  } else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    what += cat(" at ", channels.address, ", deadline ", options_.deadline.value_or(kDefaultDeadline).count(), " ms");
  }
  absl::Status error =
      annotate(absl::Status(static_cast<absl::StatusCode>(status.error_code()), to_absl(status.error_message())), what);
  if (attempts_ > 1 && !rpc_.idempotent) error.SetPayload(kResentUrl, absl::Cord());
  return error;
}

bool outcome_unknown(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return status.GetPayload(kResentUrl).has_value();
  }
}

}  // namespace ndb::datastore
