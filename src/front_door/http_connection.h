// HTTP/1.1 on a connection.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string_view>

#include "front_door/connection.h"
#include "front_door/http.h"
#include "front_door/memory_budget.h"
#include "front_door/transport.h"
#include "front_door/workers.h"

namespace ndb::local {

// The state that all connections share. Only handlers of requests run on the workers, so a slow client occupies none.
struct HttpServer {
  boost::asio::io_context& io;
  Workers& workers;
  Connections& connections;
  const HttpHandler& handler;
  MemoryBudget& memory;
  // A call has to end within max_call; in any case its client gets an answer after the second limit.
  std::chrono::milliseconds max_call = std::chrono::seconds(60);
  std::chrono::milliseconds grace = std::chrono::seconds(5);
};

// Serves requests until the client closes the connection, is too slow or sends too much. `first_bytes` have been read
// already. The server outlives the connection. Called on the thread of its io_context.
void serve_http(HttpServer& server, std::unique_ptr<Transport> transport, std::string_view first_bytes);

}  // namespace ndb::local
