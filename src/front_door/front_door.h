// One port for gRPC and HTTP, with TLS or without.
#pragma once

#include <grpcpp/server_builder.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "front_door/connection.h"
#include "front_door/grpc_connections.h"
#include "front_door/http_connection.h"
#include "front_door/listen.h"
#include "front_door/tls.h"
#include "front_door/transport.h"
#include "front_door/workers.h"

namespace ndb::local {

// Accepts connections on a thread of its own, reads their first bytes, and passes them on: gRPC's to gRPC, all others
// to HTTP. A client that sends nothing, or sends slowly, blocks nobody and is disconnected after a while. Thread-safe,
// except start() and stop(), which are called in this order.
class FrontDoor {
 public:
  using GrpcDoor = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // Listens, but accepts nobody yet. `tls`, which may be null, must outlive the door. `exposed`: other machines may
  // connect.
  static absl::StatusOr<std::unique_ptr<FrontDoor>> open(const std::string& host_port, bool exposed, Tls* tls);
  FrontDoor(std::unique_ptr<boost::asio::io_context> io, Listeners listeners, Tls* tls);  // use open()
  ~FrontDoor() { stop(); }
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  const std::string& address() const { return listeners_.address; }

  // Called once. gRPC's server has started, and is stopped after the door; the other arguments must outlive the door.
  void start(GrpcDoor grpc, const HttpHandler& handler, MemoryBudget& memory, GrpcConnections& grpc_connections);
  // Accepts nobody any more, closes HTTP connections that wait for requests, and waits for requests that are being
  // answered; after `grace` it cancels them.
  void stop(std::chrono::milliseconds grace = {});

 private:
  class Arrival;

  void accept(boost::asio::ip::tcp::acceptor& acceptor);
  void make_room();
  void hand_to_grpc(boost::asio::ip::tcp::socket socket, const std::string& first_bytes);
  void sweep();

  const std::unique_ptr<boost::asio::io_context> io_;
  Listeners listeners_;
  Tls* const tls_;
  GrpcDoor grpc_;
  GrpcConnections* grpc_connections_ = nullptr;
  boost::asio::steady_timer sweep_;
  bool sweeping_ = false;
  Connections connections_;
  Workers workers_;
  std::unique_ptr<HttpServer> http_;
  bool stopping_ = false;
  std::promise<void> ended_;
  std::thread thread_;
};

}  // namespace ndb::local
