#include "front_door/callers.h"

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

// The peer name that gRPC gives to LocalDatastore::channel(). Sockets have an address instead.
constexpr std::string_view kInProcess = "unknown";

constexpr std::chrono::milliseconds kLook{100};

// A message travels in a header, where each byte may take three, and clients accept at most 8 KiB of headers.
constexpr std::size_t kMaxMessage = 2000;

// The name with which Engine::disconnected() is told about the end of the connection; empty for channels within the
// process.
std::string connection_of(const grpc::ServerContext& context) {
  std::string peer = context.peer();
  return peer == kInProcess ? std::string() : peer;
}

Monotonic deadline_of(const grpc::ServerContext& context) {
  // gRPC gives a call without a deadline the end of time; sums with it must not overflow.
  constexpr std::chrono::hours kLongest{24};
  const auto left = context.deadline() - std::chrono::system_clock::now();
  return Clock::system().monotonic() + (left < kLongest ? std::chrono::nanoseconds(left) : kLongest);
}

}  // namespace

grpc::Status to_grpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message());
  if (message.size() > kMaxMessage) {
    const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(message[at]) & 0xC0U) == 0x80; };
    std::size_t end = kMaxMessage;
    while (end > 0 && continues(end)) --end;
    message.replace(end, message.npos, "...");
  }
  return {static_cast<grpc::StatusCode>(status.code()), message};
}

Callers::Callers(const Token& token, GrpcConnections& connections)
    : token_(token), connections_(connections), worker_([this] { return look(); }) {}

grpc::Status Callers::check(const grpc::ServerContextBase& context) const {
  const std::string peer = context.peer();
  if (peer == kInProcess) return grpc::Status::OK;
  if (token_.required()) {
    const auto found = context.client_metadata().find("authorization");
    const bool shown = found != context.client_metadata().end();
    const absl::Status status =
        token_.check(shown ? std::string_view(found->second.data(), found->second.size()) : std::string_view());
    if (!status.ok()) return to_grpc(status);
  }
  connections_.mark_verified(peer);
  return grpc::Status::OK;
}

Callers::Watch::Watch(Callers& callers, const grpc::ServerContext& context)
    : callers_(callers), context_(context), call_(Clock::system(), deadline_of(context), connection_of(context)) {
  const MutexLock lock(callers_.mutex_);
  place_ = callers_.watched_.insert(callers_.watched_.end(), this);
  if (!std::exchange(callers_.looking_, true)) callers_.worker_.wake();
}

Callers::Watch::~Watch() {
  const MutexLock lock(callers_.mutex_);
  callers_.watched_.erase(place_);
}

std::optional<std::chrono::milliseconds> Callers::look() {
  const MutexLock lock(mutex_);
  for (Watch* watch : watched_) {
    if (watch->context_.IsCancelled()) watch->call_.cancel(absl::CancelledError("The client has cancelled the call."));
  }
  looking_ = !watched_.empty();
  return looking_ ? std::optional(kLook) : std::nullopt;
}

}  // namespace ndb::local
