#include "front_door/front_door.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kFarewell{2};
constexpr std::chrono::milliseconds kPause{100};
constexpr std::chrono::seconds kSweep{1};
constexpr std::size_t kMaxFirstBytes = 32 << 10;

constexpr std::string_view kGrpcBegins = "PRI ";  // the preface of HTTP/2, with which all gRPC clients begin
constexpr char kTlsBegins = 0x16;
constexpr std::string_view kUseTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 43\r\nConnection: close\r\n\r\n"
    "This port speaks TLS: ask it with https://\n";

}  // namespace

// A connection whose protocol is not known yet.
class FrontDoor::Arrival final : public Connection {
 public:
  Arrival(FrontDoor& door, tcp::socket socket)
      : door_(door), transport_(std::make_unique<Transport>(std::move(socket))) {}

  void start() {
    door_.connections_.add(shared_from_this());
    transport_->close_after(kPatience);
    read();
  }
  void stop() override {
    stopped_ = true;
    transport_->close();
  }
  bool waits() const override { return !stopped_; }

 private:
  enum class Guest { kUnknown, kGrpc, kHttp, kHttps, kPlain, kNobody };

  void read() {
    transport_->read_some(chunk_.data(), chunk_.size(),
                          [self = std::static_pointer_cast<Arrival>(shared_from_this())](
                              error_code error, std::size_t size) { self->on_read(error, size); });
  }

  void on_read(error_code error, std::size_t size) {
    const std::string_view chunk(chunk_.data(), size);
    bytes_.append(chunk);
    const Guest guest = error || stopped_ ? Guest::kNobody : recognise(chunk);
    if (guest == Guest::kUnknown) return read();
    door_.connections_.remove(*this);
    switch (guest) {
      case Guest::kGrpc:
        return door_.hand_to_grpc(transport_->release(), bytes_);
      case Guest::kHttp:
        return serve_http(*door_.http_, std::move(transport_), bytes_);
      case Guest::kHttps:
        return serve_http(*door_.http_, make_tls_transport(transport_->release(), bytes_, door_.tls_->https), "");
      case Guest::kPlain:
        (void)transport_->release().write_some(asio::buffer(kUseTls), error);
        break;
      default:
        transport_->close();
    }
  }

  Guest recognise(std::string_view chunk) {
    if (door_.tls_ != nullptr) return recognise_tls(chunk);
    if (bytes_.starts_with(kGrpcBegins)) return Guest::kGrpc;
    return kGrpcBegins.starts_with(bytes_) ? Guest::kUnknown : Guest::kHttp;
  }

  Guest recognise_tls(std::string_view chunk) {
    if (bytes_.front() != kTlsBegins) return Guest::kPlain;
    if (!hello_.has_value()) hello_.emplace();
    switch (hello_->read(chunk)) {
      case ClientHello::Protocol::kGrpc:
        return Guest::kGrpc;
      case ClientHello::Protocol::kHttp:
        return Guest::kHttps;
      case ClientHello::Protocol::kUndecided:
        return bytes_.size() < kMaxFirstBytes ? Guest::kUnknown : Guest::kNobody;
      case ClientHello::Protocol::kBroken:
        break;
    }
    return Guest::kNobody;
  }

  FrontDoor& door_;
  std::unique_ptr<Transport> transport_;
  bool stopped_ = false;
  std::array<char, 4096> chunk_{};
  std::string bytes_;
  std::optional<ClientHello> hello_;
};

absl::StatusOr<std::unique_ptr<FrontDoor>> FrontDoor::open(const std::string& host_port, bool exposed, Tls* tls) {
  auto io = std::make_unique<asio::io_context>(1);
  NDB_ASSIGN_OR_RETURN(Listeners listeners, listen(*io, host_port, exposed));
  return std::make_unique<FrontDoor>(std::move(io), std::move(listeners), tls);
}

FrontDoor::FrontDoor(std::unique_ptr<asio::io_context> io, Listeners listeners, Tls* tls)
    : io_(std::move(io)),
      listeners_(std::move(listeners)),
      tls_(tls),
      sweep_(*io_),
      connections_(std::min<std::size_t>(512, max_files() / 2)) {}

void FrontDoor::start(GrpcDoor grpc, const HttpHandler& handler, MemoryBudget& memory,
                      GrpcConnections& grpc_connections) {
  grpc_ = std::move(grpc);
  grpc_connections_ = &grpc_connections;
  http_ = std::make_unique<HttpServer>(
      HttpServer{.io = *io_, .workers = workers_, .connections = connections_, .handler = handler, .memory = memory});
  for (tcp::acceptor& acceptor : listeners_.acceptors) accept(acceptor);
  thread_ = std::thread([this] {
    io_->run();
    ended_.set_value();
  });
}

void FrontDoor::stop(std::chrono::milliseconds grace) {
  if (!thread_.joinable()) return;
  asio::post(*io_, [this, grace] {
    stopping_ = true;
    error_code ignored;
    for (tcp::acceptor& acceptor : listeners_.acceptors) ignored = acceptor.close(ignored);
    connections_.stop_all();
    sweep_.expires_after(grace);
    sweep_.async_wait([this](error_code error) {
      if (!error) connections_.cancel_all(absl::UnavailableError("The Datastore is being shut down."));
    });
  });
  workers_.join();
  asio::post(*io_, [this] { sweep_.cancel(); });
  // The thread ends when the last answer is sent. A client that reads slowly must not delay that.
  if (ended_.get_future().wait_for(kFarewell) != std::future_status::ready) io_->stop();
  thread_.join();
}

void FrontDoor::accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](error_code error, tcp::socket socket) {
    if (stopping_) return;
    if (!error) {
      close_on_exec(socket.native_handle());
      std::make_shared<Arrival>(*this, std::move(socket))->start();
      return accept(acceptor);
    }
    make_room();
    auto pause = std::make_shared<asio::steady_timer>(*io_, kPause);
    pause->async_wait([this, &acceptor, pause](error_code) {
      if (!stopping_) accept(acceptor);
    });
  });
}

// Called when there are no file descriptors left, or the like.
void FrontDoor::make_room() {
  connections_.drop_oldest();
  grpc_connections_->drop_oldest();
}

void FrontDoor::sweep() {
  sweeping_ = true;
  sweep_.expires_after(kSweep);
  sweep_.async_wait([this](error_code error) {
    if (error || stopping_) return;
    sweeping_ = grpc_connections_->sweep();
    if (sweeping_) sweep();
  });
}

void FrontDoor::hand_to_grpc(tcp::socket socket, const std::string& first_bytes) {
  error_code error;
  error = socket.native_non_blocking(true, error);
  grpc_connections_->sweep();  // a connection that was closed may have had the same port
  grpc_connections_->add(socket);
  if (!sweeping_) sweep();
  const grpc::Slice slice(first_bytes);
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.read_buffer = grpc::ByteBuffer(&slice, 1);
  connection.fd = socket.release(error);
  if (!error) grpc_->HandleNewConnection(&connection);
}

}  // namespace ndb::local
