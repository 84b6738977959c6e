#include "consistency/fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace ndb::consistency {
namespace {

using std::chrono::nanoseconds;

nanoseconds steady_now() { return std::chrono::steady_clock::now().time_since_epoch(); }

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::abort();
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

int new_socket() { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

void never_block(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

void send_at_once(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void close_with_reset(int& fd) {
  if (fd < 0) return;
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(std::exchange(fd, -1));
}

}  // namespace

// One connection of a client (side 0) and the proxy's own one to the server (side 1). A pipe is named after the side
// that its bytes come from.
class FaultProxy::Link {
 public:
  Link(int client, int server) : fds_{client, server} {
    for (const int fd : fds_) {
      never_block(fd);
      send_at_once(fd);
    }
  }
  ~Link() {
    for (const int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // The events that the loop waits for: bytes from a side that has not ended, and room for bytes that a side could not
  // take.
  pollfd wanted(std::size_t side) const {
    const Pipe& from = pipes_[side];
    const Pipe& to = pipes_[1 - side];
    const auto events = static_cast<short>((from.ended ? 0 : POLLIN) | (to.blocked ? POLLOUT : 0));
    return {events == 0 ? -1 : fds_[side], events, 0};
  }
  nanoseconds next_due() const {
    nanoseconds due = nanoseconds::max();
    for (const Pipe& pipe : pipes_) {
      if (!pipe.queue.empty() && !pipe.blocked) due = std::min(due, pipe.queue.front().due);
    }
    return due;
  }

  // The chunk that came from `side`; empty if none did.
  std::string receive(std::size_t side) {
    char buffer[1 << 16];
    const ssize_t got = recv(fds_[side], buffer, sizeof buffer, 0);
    if (got > 0) return {buffer, static_cast<std::size_t>(got)};
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) pipes_[side].ended = true;
    return {};
  }
  void forward(std::size_t side, std::string bytes, nanoseconds due) {
    Pipe& pipe = pipes_[side];
    if (pipe.stalled) return;
    if (!pipe.queue.empty()) due = std::max(due, pipe.queue.back().due);
    pipe.queue.push_back({due, std::move(bytes)});
  }
  void stall(std::size_t side) { pipes_[side].stalled = true; }
  bool is_half_open() const { return pipes_[0].stalled || pipes_[1].stalled; }

  // Bytes that came from `side` until now are delivered; nothing else is, in either direction.
  void cut_behind(std::size_t side) {
    pipes_[side].ended = true;
    pipes_[1 - side].discards = true;
    close_with_reset(fds_[side]);
  }
  void reset() {
    for (int& fd : fds_) close_with_reset(fd);
  }

  void deliver(nanoseconds time) {
    for (const std::size_t side : {0U, 1U}) deliver(side, time);
  }
  // A client that has given up still has its bytes delivered to the server, which then ends the connection.
  bool is_over() const { return (fds_[0] < 0 && fds_[1] < 0) || pipes_[1].shut || (pipes_[0].shut && pipes_[1].ended); }

 private:
  struct Chunk {
    nanoseconds due;
    std::string bytes;
  };
  struct Pipe {
    std::deque<Chunk> queue{};
    bool ended = false;     // nothing more comes from its side
    bool shut = false;      // and the other side has been told
    bool blocked = false;   // the other side takes no more at the moment
    bool stalled = false;   // half-open
    bool discards = false;  // the other side is gone
  };

  void deliver(std::size_t side, nanoseconds time) {
    Pipe& pipe = pipes_[side];
    const int to = fds_[1 - side];
    if (pipe.discards || to < 0) pipe.queue.clear();
    pipe.blocked = false;
    while (!pipe.queue.empty() && pipe.queue.front().due <= time && !pipe.blocked) {
      std::string& bytes = pipe.queue.front().bytes;
      const ssize_t sent = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        pipe.discards = true;
        pipe.queue.clear();
      } else if (sent < static_cast<ssize_t>(bytes.size())) {
        bytes.erase(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        pipe.blocked = true;
      } else {
        pipe.queue.pop_front();
      }
    }
    if (pipe.ended && pipe.queue.empty() && !pipe.shut) {
      if (to >= 0) shutdown(to, SHUT_WR);
      pipe.shut = true;
    }
  }

  std::array<int, 2> fds_;
  std::array<Pipe, 2> pipes_{};
};

FaultProxy::FaultProxy(std::uint16_t upstream, std::uint64_t seed)
    : upstream_(upstream), listener_(new_socket()), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), random_(seed) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 128) != 0 || getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("a proxy can't listen");
  }
  never_block(listener_);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

FaultProxy::~FaultProxy() {
  {
    MutexLock hold(mutex_);
    stop_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  links_.clear();
  close(listener_);
  close(wake_);
}

std::string FaultProxy::address() const { return cat("127.0.0.1:", port_); }

void FaultProxy::set(const Regime& regime) {
  {
    MutexLock hold(mutex_);
    next_ = regime;
    changed_ = true;
  }
  eventfd_write(wake_, 1);
}

void FaultProxy::apply_regime() {
  if (regime_.fault == Fault::kRefuse) injected_[static_cast<std::size_t>(Fault::kRefuse)] += links_.size();
  for (Link& link : links_) {
    if (regime_.fault == Fault::kRefuse || link.is_half_open()) link.reset();
  }
}

void FaultProxy::accept_link() {
  int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  if (regime_.fault == Fault::kRefuse) {
    ++injected_[static_cast<std::size_t>(Fault::kRefuse)];
    return close_with_reset(client);
  }
  int server = new_socket();
  const sockaddr_in address = loopback(upstream_);
  if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(server);
    return close_with_reset(client);
  }
  links_.emplace_back(client, server);
}

void FaultProxy::pass(Link& link, std::size_t side, std::string bytes) {
  const nanoseconds time = steady_now();
  const auto part_of = [&](nanoseconds longest) {
    return longest.count() == 0
               ? longest
               : nanoseconds(static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(longest.count())));
  };
  const nanoseconds due = time + part_of(regime_.pause);
  const bool hit = regime_.fault != Fault::kNone && random_() % regime_.one_in == 0;
  if (!hit) return link.forward(side, std::move(bytes), due);
  ++injected_[static_cast<std::size_t>(regime_.fault)];
  switch (regime_.fault) {
    case Fault::kDrop:
      return link.reset();
    case Fault::kCut:
      link.forward(side, std::move(bytes), time);
      return link.cut_behind(side);
    case Fault::kDelay:
      return link.forward(side, std::move(bytes), time + part_of(regime_.longest_delay));
    case Fault::kHalfOpen:
      return link.stall(side);
    case Fault::kFlip:
      flip_bit(bytes);
      return link.forward(side, std::move(bytes), due);
    default:
      return link.forward(side, std::move(bytes), due);
  }
}

void FaultProxy::flip_bit(std::string& bytes) {
  constexpr int kTries = 8;
  for (int i = 0; i < kTries; ++i) {
    char& byte = bytes[random_() % bytes.size()];
    if (byte >= '0' && byte <= '9') continue;
    byte = static_cast<char>(byte ^ (1 << random_() % 8));
    return;
  }
}

int FaultProxy::wait(std::vector<pollfd>& polled) const {
  nanoseconds due = nanoseconds::max();
  polled.clear();
  polled.push_back({wake_, POLLIN, 0});
  polled.push_back({listener_, POLLIN, 0});
  for (const Link& link : links_) {
    due = std::min(due, link.next_due());
    for (const std::size_t side : {0U, 1U}) polled.push_back(link.wanted(side));
  }
  if (due == nanoseconds::max()) return poll(polled.data(), polled.size(), -1);
  const nanoseconds left = std::max(due - steady_now(), nanoseconds(0));
  const timespec timeout{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  return ppoll(polled.data(), polled.size(), &timeout, nullptr);
}

void FaultProxy::run() {
  std::vector<pollfd> polled;
  for (;;) {
    wait(polled);
    eventfd_t woken = 0;
    eventfd_read(wake_, &woken);
    {
      MutexLock hold(mutex_);
      if (stop_) return;
      if (std::exchange(changed_, false)) {
        regime_ = next_;
        woken = 1;
      } else {
        woken = 0;
      }
    }
    if (woken != 0) apply_regime();
    std::size_t next = 2;
    for (Link& link : links_) {
      for (const std::size_t side : {0U, 1U}) {
        const pollfd& one = polled[next++];
        if (one.fd < 0 || one.revents == 0 || (one.events & POLLIN) == 0 || link.is_over()) continue;
        if (std::string bytes = link.receive(side); !bytes.empty()) pass(link, side, std::move(bytes));
      }
      if (!link.is_over()) link.deliver(steady_now());
    }
    links_.remove_if([](const Link& link) { return link.is_over(); });
    if ((polled[1].revents & POLLIN) != 0) accept_link();
  }
}

}  // namespace ndb::consistency
