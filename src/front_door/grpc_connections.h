// The connections that were handed to gRPC.
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

// gRPC keeps a connection as long as its client likes, whatever that says, or does not, and tells nobody when it ends.
// So that nobody who has no token takes all file descriptors, few connections may be without a call that was let in
// (newcomers), and for a while only. Thread-safe.
class GrpcConnections {
 public:
  // `peer`, as gRPC writes it, has closed a connection over which it made calls.
  using OnClosed = std::function<void(const std::string& peer)>;

  // `max`: how many may be newcomers, and how many are watched.
  struct Max {
    std::size_t newcomers;
    std::size_t watched;
  };
  explicit GrpcConnections(Max max) : max_(max) {}
  ~GrpcConnections();
  GrpcConnections(const GrpcConnections&) = delete;
  GrpcConnections& operator=(const GrpcConnections&) = delete;

  // Before the first connection.
  void set_on_closed(OnClosed on_closed) { on_closed_ = std::move(on_closed); }

  // A connection that gRPC is about to get. If there are too many newcomers, the oldest is ended.
  void add(boost::asio::ip::tcp::socket& socket);
  // A call of this peer, as gRPC writes it, was let in.
  void welcome(const std::string& peer);

  // Ends a newcomer, if there is one.
  void drop_oldest();
  // Ends newcomers that have been here for too long, and sees who has gone. False: there are no connections any more.
  bool sweep();

 private:
  struct Watched {
    int fd;  // of our own for the socket, whose other one is gRPC's to close
    std::uint16_t port;
    std::chrono::steady_clock::time_point since;
    std::string peer{};  // empty: not known
  };
  using List = std::list<Watched>;

  static void forget(List& list, List::iterator one);
  static void drop(List& list, List::iterator one);

  const Max max_;
  OnClosed on_closed_;
  Mutex mutex_;
  List newcomers_ NDB_GUARDED_BY(mutex_);  // the oldest first
  List welcome_ NDB_GUARDED_BY(mutex_);
};

}  // namespace ndb::local
