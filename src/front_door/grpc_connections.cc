#include "front_door/grpc_connections.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace ndb::local {
namespace {

// Clients may connect well before their first call.
constexpr std::chrono::seconds kPatience{60};

bool has_gone(int fd) {
  pollfd state{.fd = fd, .events = POLLRDHUP, .revents = 0};
  return poll(&state, 1, 0) != 0;
}

// "ipv4:127.0.0.1:54321".
std::uint16_t port_of(std::string_view peer) {
  const std::string_view digits = peer.substr(peer.rfind(':') + 1);
  std::uint16_t port = 0;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return port;
}

}  // namespace

GrpcConnections::~GrpcConnections() {
  const MutexLock lock(mutex_);
  while (!unverified_.empty()) forget(unverified_, unverified_.begin());
  while (!verified_.empty()) forget(verified_, verified_.begin());
}

void GrpcConnections::add(boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const std::uint16_t port = socket.remote_endpoint(error).port();
  const MutexLock lock(mutex_);
  if (unverified_.size() >= max_.unverified && !unverified_.empty()) drop(unverified_, unverified_.begin());
  if (unverified_.size() + verified_.size() >= max_.watched && !verified_.empty()) forget(verified_, verified_.begin());
  const int fd = error ? -1 : fcntl(socket.native_handle(), F_DUPFD_CLOEXEC, 0);
  if (fd >= 0) unverified_.push_back({fd, port, std::chrono::steady_clock::now()});
}

// Peers on different machines may have the same port. Then all of them count as verified, and it is not known which of
// them has closed.
void GrpcConnections::mark_verified(const std::string& peer) {
  const MutexLock lock(mutex_);
  if (unverified_.empty()) return;
  const std::uint16_t port = port_of(peer);
  const auto is_it = [port](const Watched& one) { return one.port == port; };
  const bool only = std::count_if(unverified_.begin(), unverified_.end(), is_it) == 1;
  for (auto next = unverified_.begin(); next != unverified_.end();) {
    const auto one = next++;
    if (!is_it(*one)) continue;
    if (only) one->peer = peer;
    verified_.splice(verified_.end(), unverified_, one);
  }
}

void GrpcConnections::drop_oldest() {
  const MutexLock lock(mutex_);
  if (!unverified_.empty()) drop(unverified_, unverified_.begin());
}

bool GrpcConnections::sweep() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<std::string> gone;
  bool any = false;
  {
    const MutexLock lock(mutex_);
    for (auto next = unverified_.begin(); next != unverified_.end();) {
      const auto one = next++;
      if (has_gone(one->fd)) {
        forget(unverified_, one);
      } else if (now - one->since > kPatience) {
        drop(unverified_, one);
      }
    }
    for (auto next = verified_.begin(); next != verified_.end();) {
      const auto one = next++;
      if (!has_gone(one->fd)) continue;
      if (!one->peer.empty()) gone.push_back(std::move(one->peer));
      forget(verified_, one);
    }
    any = !unverified_.empty() || !verified_.empty();
  }
  for (const std::string& peer : gone) {
    if (on_closed_) on_closed_(peer);
  }
  return any;
}

void GrpcConnections::forget(List& list, List::iterator one) {
  close(one->fd);
  list.erase(one);
}

// Closes the connection for gRPC too, which then closes its file descriptor.
void GrpcConnections::drop(List& list, List::iterator one) {
  shutdown(one->fd, SHUT_RDWR);
  forget(list, one);
}

}  // namespace ndb::local
