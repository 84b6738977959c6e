// One port for gRPC and HTTP, with TLS or without.
#pragma once

#include <grpcpp/server_builder.h>

#include <boost/asio/io_context.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "front_door/connection.h"
#include "front_door/http_connection.h"
#include "front_door/listen.h"
#include "front_door/tls.h"
#include "front_door/transport.h"
#include "front_door/workers.h"

namespace ndb::local {

// Accepts connections on a thread of its own, reads their first bytes and hands them over: gRPC's to gRPC, all others
// to HTTP. A client that says nothing, or says it slowly, stops nobody; it is dropped after a while. Thread-safe, but
// for start() and stop(), which have their order.
class FrontDoor {
 public:
  using GrpcDoor = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // Listens, and lets nobody in yet. `tls`, which may be nullptr, outlives the door. `exposed`: others than this
  // machine may be let in.
  static absl::StatusOr<std::unique_ptr<FrontDoor>> open(const std::string& host_port, bool exposed, Tls* tls);
  FrontDoor(std::unique_ptr<boost::asio::io_context> io, Listeners listeners, Tls* tls);  // use open()
  ~FrontDoor() { stop(); }
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  const std::string& address() const { return listeners_.address; }

  // Once. gRPC's server has started, and is stopped after the door; the handler outlives it.
  void start(GrpcDoor grpc, const HttpHandler& handler);
  // Lets nobody in any more, waits for HTTP requests that are being answered, and closes the other connections to HTTP.
  void stop();

 private:
  class Arrival;

  void accept(boost::asio::ip::tcp::acceptor& acceptor);
  void hand_to_grpc(boost::asio::ip::tcp::socket socket, const std::string& first_bytes);

  const std::unique_ptr<boost::asio::io_context> io_;
  Listeners listeners_;
  Tls* const tls_;
  GrpcDoor grpc_;
  Connections connections_;
  Workers workers_;
  std::unique_ptr<HttpServer> http_;
  bool stopping_ = false;
  std::promise<void> ended_;
  std::thread thread_;
};

}  // namespace ndb::local
