// The front door's view of a connection that is not gRPC's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>

#include "absl/status/status.h"

namespace ndb::local {

// Lives while an operation on it is in flight or it is in the list. It is used only on the thread of the front door.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  virtual ~Connection() = default;

  // Closes it at once, or, if a request is being answered, after the answer.
  virtual void stop() = 0;
  // Whether the client must send next.
  virtual bool waits() const = 0;
  // The memory in use for a request that is being received.
  virtual std::size_t incoming_bytes() const { return 0; }
  // Cancels the call in flight, with this reason.
  virtual void cancel(const absl::Status&) {}

 private:
  friend class Connections;
  std::list<std::shared_ptr<Connection>>::iterator place_{};
};

// All of them, ordered by last activity. If there are too many, the least recently active one is closed, so that idle
// connections keep nobody out.
class Connections {
 public:
  explicit Connections(std::size_t max) : max_(max) {}

  void add(std::shared_ptr<Connection> connection) {
    if (list_.size() >= max_) drop_oldest();
    Connection& added = *connection;
    added.place_ = list_.insert(list_.end(), std::move(connection));
  }
  void heard_of(Connection& connection) { list_.splice(list_.end(), list_, connection.place_); }
  void remove(Connection& connection) { list_.erase(connection.place_); }

  void drop_oldest() {
    drop_first([](const Connection&) { return true; });
  }
  // Frees memory: closes the connection, other than `other`, that is receiving a request and was active least recently.
  // False: there is none.
  bool drop_incoming(const Connection& other) {
    return drop_first([&](const Connection& one) { return &one != &other && one.incoming_bytes() > 0; });
  }
  void stop_all() {
    for (const std::shared_ptr<Connection>& connection : list_) connection->stop();
  }
  void cancel_all(const absl::Status& reason) {
    for (const std::shared_ptr<Connection>& connection : list_) connection->cancel(reason);
  }

 private:
  template <class Wanted>
  bool drop_first(const Wanted& wanted) {
    const auto found = std::find_if(list_.begin(), list_.end(),
                                    [&](const auto& connection) { return connection->waits() && wanted(*connection); });
    if (found == list_.end()) return false;
    (*found)->stop();
    return true;
  }

  const std::size_t max_;
  std::list<std::shared_ptr<Connection>> list_;
};

}  // namespace ndb::local
