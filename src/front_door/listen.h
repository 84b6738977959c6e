// Listening sockets.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ndb::local {

struct Listeners {
  std::vector<boost::asio::ip::tcp::acceptor> acceptors{};  // one for each address that the host has
  std::string address{};                                    // host:port with the actual port
};

// Listens on host:port; port 0 selects a free port. Unless `exposed`, all addresses must be reachable only from this
// machine. An error names the address and says what to do.
absl::StatusOr<Listeners> listen(boost::asio::io_context& io, const std::string& host_port, bool exposed);

// The limit of file descriptors of this process.
std::size_t max_files();

// Keeps programs that this one starts from inheriting the socket.
void close_on_exec(int socket);

}  // namespace ndb::local
