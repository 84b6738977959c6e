#include "lying_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "base/strings.h"

namespace ndb::memcache {
namespace {

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

LyingServer::LyingServer(Lie lie) : lie_(std::move(lie)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof local;
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&local), size), 0);
  EXPECT_EQ(listen(listener_, 16), 0);
  EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&local), &size), 0);
  port_ = ntohs(local.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

LyingServer::~LyingServer() {
  {
    const MutexLock hold(mutex_);
    over_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& session : sessions_) session.join();
  for (const int fd : open_) close(fd);
  close(listener_);
}

std::string LyingServer::address() const { return cat("127.0.0.1:", port_); }

void LyingServer::accept_all() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const MutexLock hold(mutex_);
    open_.push_back(fd);
    if (over_) return;
    sessions_.emplace_back([this, fd] { serve(fd); });
  }
}

void LyingServer::serve(int fd) {
  char command[64 * 1024];
  while (recv(fd, command, sizeof command, 0) > 0) {
    if (lie_.before) lie_.before();
    if (!send_all(fd, lie_.answer)) break;
    if (lie_.hangs_up) break;
    while (!lie_.repeated.empty() && send_all(fd, lie_.repeated)) std::this_thread::sleep_for(lie_.pause);
  }
  shutdown(fd, SHUT_RDWR);
}

}  // namespace ndb::memcache
