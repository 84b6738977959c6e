// What the front door knows of a connection that is not gRPC's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>

#include "absl/status/status.h"

namespace ndb::local {

// Lives as long as an operation on it is under way, or it is in the list. All that happens to it happens on the thread
// of the front door.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  virtual ~Connection() = default;

  // Ends it at once, unless a request is being answered: then that is the last one.
  virtual void stop() = 0;
  // Whether it is the client's turn.
  virtual bool waits() const = 0;
  // Of a request that is coming in, so much memory is in use.
  virtual std::size_t incoming_bytes() const { return 0; }
  // Ends the call that is under way, with this reason.
  virtual void cancel(const absl::Status&) {}

 private:
  friend class Connections;
  std::list<std::shared_ptr<Connection>>::iterator place_{};
};

// All of them, the one that was heard of least recently first. When there are too many, it is that one which has to go:
// somebody who opens connections and says nothing keeps nobody out.
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
  // Frees memory: drops the one with a request on its way that was heard of least recently, other than this one. False:
  // there is none.
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
