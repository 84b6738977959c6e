#include "datastore/call.h"

#include <grpcpp/grpcpp.h>

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/strings.h"

namespace ndb::datastore {
namespace {

constexpr std::chrono::milliseconds kDefaultDeadline = std::chrono::seconds(60);

// Marks an error whose RPC was sent more than once although that is not idempotent: the answer to the last attempt says
// nothing of the earlier ones.
constexpr absl::string_view kResentUrl = "ndb/resent";

thread_local int deliveries = 0;

// Percent-encoding also keeps characters that gRPC refuses out of the headers.
std::string routing_header(const StubConfig& config) {
  const std::string project = cat("project_id=", percent_encoded(config.project));
  return config.database.empty() ? project : cat(project, "&database_id=", percent_encoded(config.database));
}

std::string resource_prefix_header(const StubConfig& config) {
  const std::string project = cat("projects/", percent_encoded(config.project));
  return config.database.empty() ? project : cat(project, "/databases/", percent_encoded(config.database));
}

gpr_timespec from_now(std::chrono::microseconds delay) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(delay.count(), GPR_TIMESPAN));
}

absl::Status shut_down_error(const Rpc& rpc) {
  return absl::CancelledError(to_absl(cat(rpc.name, ": the client was destroyed")));
}

}  // namespace

// ---- Session ----

Session::Session(StubConfig config)
    : config_(std::move(config)),
      routing_(routing_header(config_)),
      resource_prefix_(resource_prefix_header(config_)),
      api_client_(cat("gl-cpp/", __cplusplus, " gccl/", NDB_VERSION, " grpc/", grpc::Version())) {}

absl::Status Session::check(const CallOptions& options) const {
  if (config_.project.empty()) {
    return bad_argument("no project is set: name one when the client is made, or in GOOGLE_CLOUD_PROJECT");
  }
  if (config_.channels.list.empty()) return bad_argument("the stub has no channel to the Datastore");
  if (options.deadline && options.deadline->count() <= 0) {
    return bad_argument(cat("deadline is ", options.deadline->count(), " ms; it must be positive"));
  }
  if (options.retries && *options.retries < 0) {
    return bad_argument(cat("retries is ", *options.retries, "; it must not be negative"));
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> Session::next_channel() {
  const auto& list = config_.channels.list;
  return list[turn_.fetch_add(1, std::memory_order_relaxed) % list.size()];
}

void Session::add_headers(grpc::ClientContext& context) const {
  context.AddMetadata("x-goog-request-params", routing_);
  context.AddMetadata("google-cloud-resource-prefix", resource_prefix_);
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
  for (const auto& call : calls) call->cancel();  // without the mutex: gRPC may end the call on this thread
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
  if (!session_->add(shared_from_this())) return deliver(shut_down_error(rpc_));
  attempt();
}

void Call::cancel() {
  {
    const MutexLock lock(mutex_);
    cancelled_ = true;
  }
  if (context_) context_->TryCancel();
  if (alarm_) alarm_->Cancel();
}

void Call::attempt() {
  bool cancelled;
  {
    const MutexLock lock(mutex_);
    cancelled = cancelled_;
    if (!cancelled) context_.emplace();
  }
  if (cancelled) return finish(shut_down_error(rpc_));
  ++attempts_;
  context_->set_deadline(deadline_);
  session_->add_headers(*context_);
  send(*context_, session_->next_channel(), cat("/google.datastore.v1.Datastore/", rpc_.name),
       [this](const grpc::Status& status) { attempt_ended(status); });
}

void Call::attempt_ended(const grpc::Status& status) {
  if (status.ok()) return finish(absl::OkStatus());
  absl::Status error = explain(status);
  if (!may_retry(status.error_code())) return finish(std::move(error));
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
    if (!cancelled_) {
      alarm_.emplace();
      alarm_->Set(when, [this](bool) { attempt(); });
      return;
    }
  }
  finish(shut_down_error(rpc_));
}

void Call::finish(absl::Status status) noexcept {
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
