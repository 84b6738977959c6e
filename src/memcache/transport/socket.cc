#include "memcache/transport/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "memcache/transport/resolve.h"

namespace ndb::memcache {

void Deadline::moved(std::size_t bytes) {
  moved_ += bytes;
  end_ += timeout_ * static_cast<int>(moved_ / kStep);
  moved_ %= kStep;
}

std::chrono::milliseconds Deadline::left() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::min(end_, latest_) - Clock::system().monotonic());
  return std::max(left, std::chrono::milliseconds(0));
}

void Socket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Transfer Socket::wait(short events, const Deadline& deadline) const {
  while (true) {
    const auto left = std::min<std::int64_t>(deadline.left().count(), std::numeric_limits<int>::max());
    if (left == 0) return Transfer::kTimedOut;
    pollfd waiting{.fd = fd_, .events = events, .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return Transfer::kDone;  // also after an error, which the next call on the socket reports
    if (ready < 0 && errno != EINTR) return Transfer::kBroken;
  }
}

Transfer Socket::connect(const void* address, unsigned size, int family, const Deadline& deadline) {
  close();
  fd_ = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return Transfer::kBroken;
  const int on = 1;
  if (family != AF_UNIX) setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, static_cast<const sockaddr*>(address), size) == 0) return Transfer::kDone;
  if (errno != EINPROGRESS && errno != EINTR) return Transfer::kBroken;
  if (const Transfer waited = wait(POLLOUT, deadline); waited != Transfer::kDone) return waited;
  int error = 0;
  socklen_t error_size = sizeof error;
  const bool connected = getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0 && error == 0;
  return connected ? Transfer::kDone : Transfer::kBroken;
}

Transfer Socket::connect(const Address& address, std::chrono::milliseconds timeout) {
  if (address.is_socket) {
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    if (address.host.size() >= sizeof path.sun_path) return Transfer::kBroken;
    std::memcpy(path.sun_path, address.host.data(), address.host.size());
    const Transfer connected = connect(&path, sizeof path, AF_UNIX, Deadline(timeout));
    if (connected != Transfer::kDone) close();
    return connected;
  }
  const Deadline deadline(timeout);
  Addresses found;
  if (const Transfer resolved = resolve(address, deadline, found); resolved != Transfer::kDone) return resolved;
  Transfer connected = Transfer::kBroken;
  for (const addrinfo* next = found.get(); next != nullptr && connected == Transfer::kBroken; next = next->ai_next) {
    connected = connect(next->ai_addr, next->ai_addrlen, next->ai_family, deadline);
  }
  if (connected != Transfer::kDone) close();
  return connected;
}

Transfer Socket::send(std::string_view bytes, Deadline& deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      deadline.moved(static_cast<std::size_t>(sent));
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (const Transfer waited = wait(POLLOUT, deadline); waited != Transfer::kDone) return waited;
    } else if (errno != EINTR) {
      return Transfer::kBroken;
    }
  }
  return Transfer::kDone;
}

Transfer Socket::receive(std::span<char> into, const Deadline& deadline, std::size_t& received) {
  while (true) {
    const ssize_t got = recv(fd_, into.data(), into.size(), 0);
    if (got > 0) {
      received = static_cast<std::size_t>(got);
      return Transfer::kDone;
    }
    if (got == 0) return Transfer::kBroken;
    if (errno == EAGAIN) {
      if (const Transfer waited = wait(POLLIN, deadline); waited != Transfer::kDone) return waited;
    } else if (errno != EINTR) {
      return Transfer::kBroken;
    }
  }
}

}  // namespace ndb::memcache
