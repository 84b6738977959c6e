// The connections that were passed to gRPC.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace ndb::local {

// gRPC keeps a connection as long as its client likes, and does not report its end. To keep clients without a token
// from taking all file descriptors, only few connections may be unverified (without an accepted call), and only for a
// limited time. Thread-safe.
class GrpcConnections {
 public:
  // `peer`, in gRPC's form, has closed a connection over which it made calls.
  using OnClosed = std::function<void(const std::string& peer)>;

  // How many connections may be unverified, and how many are watched.
  struct Max {
    std::size_t unverified;
    std::size_t watched;
  };
  explicit GrpcConnections(Max max) : max_(max) {}
  ~GrpcConnections();
  GrpcConnections(const GrpcConnections&) = delete;
  GrpcConnections& operator=(const GrpcConnections&) = delete;

  // Call it before the first connection.
  void set_on_closed(OnClosed on_closed) { on_closed_ = std::move(on_closed); }

  // A connection that gRPC is about to get. If too many are unverified, the oldest of these is closed.
  void add(boost::asio::ip::tcp::socket& socket);
  // A call of this peer, in gRPC's form, was accepted.
  void mark_verified(const std::string& peer);

  // Closes the oldest unverified connection, if there is one.
  void drop_oldest();
  // Closes connections that have been unverified for too long, and notices which clients have disconnected. False:
  // there are no connections left.
  bool sweep();

 private:
  struct Watched {
    int fd;  // a duplicate of the socket's descriptor; gRPC closes the original
    std::uint16_t port;
    std::chrono::steady_clock::time_point since;
    std::string peer{};  // empty: unknown
  };
  using List = std::list<Watched>;

  static void forget(List& list, List::iterator one);
  static void drop(List& list, List::iterator one);

  const Max max_;
  OnClosed on_closed_;
  Mutex mutex_;
  List unverified_ NDB_GUARDED_BY(mutex_);  // oldest first
  List verified_ NDB_GUARDED_BY(mutex_);
};

}  // namespace ndb::local
