// A client's socket, on which a test can send anything, at any speed.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ndb::testing {

inline std::uint16_t port_of(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

// Connected to a port of 127.0.0.1. A read waits for a minute at most, so a server that hangs fails the test.
class Socket {
 public:
  explicit Socket(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_of(address));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    const timeval minute{.tv_sec = 60, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
  }
  ~Socket() { close(fd_); }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;

  // False if the server hung up in between.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_sending() const { shutdown(fd_, SHUT_WR); }

  // Reads up to and including `end`; less if the server closed the connection.
  std::string until(std::string_view end) {
    std::string text;
    for (char c; !text.ends_with(end) && recv(fd_, &c, 1, 0) == 1;) text.push_back(c);
    return text;
  }
  std::string bytes(std::size_t count) {
    std::string text(count, '\0');
    const ssize_t got = recv(fd_, text.data(), count, MSG_WAITALL);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  // Reads all until the server closes the connection; fails the test if it does not.
  std::string rest() {
    std::string text;
    char buffer[4096];
    ssize_t got = 0;
    while ((got = recv(fd_, buffer, sizeof buffer, 0)) > 0) text.append(buffer, static_cast<std::size_t>(got));
    EXPECT_FALSE(got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) << "the server does not hang up";
    return text;
  }

  int fd() const { return fd_; }

 private:
  int fd_;
};

// An HTTP response: what a client sees of it.
struct HttpReply {
  int code = 0;
  std::string head{};
  std::string body{};
};

// Reads one response with a Content-Length. `read` provides the socket's bytes: until(end) and bytes(count).
template <class Connection>
HttpReply read_reply(Connection& connection) {
  HttpReply reply;
  reply.head = connection.until("\r\n\r\n");
  if (reply.head.size() > 12) reply.code = std::atoi(reply.head.c_str() + 9);
  const std::size_t at = reply.head.find("Content-Length: ");
  if (at != std::string::npos) reply.body = connection.bytes(std::stoul(reply.head.substr(at + 16)));
  return reply;
}

inline std::string http_request(const std::string& verb, const std::string& target, const std::string& body = "",
                                const std::string& headers = "") {
  std::string request = verb + " " + target + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ndb-test\r\n" + headers;
  if (!body.empty() || verb == "POST") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return request + "\r\n" + body;
}

// A request on a connection of its own.
inline HttpReply ask(const std::string& address, const std::string& verb, const std::string& target,
                     const std::string& body = "", const std::string& headers = "") {
  Socket socket(address);
  socket.send(http_request(verb, target, body, headers));
  return read_reply(socket);
}

}  // namespace ndb::testing
