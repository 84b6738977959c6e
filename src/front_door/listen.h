// Sockets that listen.
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
  std::string address{};                                    // host:port with the port that was taken
};

// Listens on host:port, where port 0 takes a free one. Unless `exposed`, all addresses must be of this machine alone.
// An error names the address and says what to do.
absl::StatusOr<Listeners> listen(boost::asio::io_context& io, const std::string& host_port, bool exposed);

// How many file descriptors this process may have.
std::size_t max_files();

// Programs that this one starts do not inherit the socket.
void close_on_exec(int socket);

}  // namespace ndb::local
