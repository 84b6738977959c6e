// What the front door knows of a connection that is not gRPC's.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <utility>

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

 private:
  friend class Connections;
  std::list<std::shared_ptr<Connection>>::iterator place_{};
};

// All of them, the one that was heard of least recently first. When there are too many, it is that one which has to go:
// somebody who opens connections and says nothing keeps nobody out.
class Connections {
 public:
  static constexpr std::size_t kMax = 512;

  void add(std::shared_ptr<Connection> connection) {
    if (list_.size() >= kMax) drop_oldest();
    Connection& added = *connection;
    added.place_ = list_.insert(list_.end(), std::move(connection));
  }
  void heard_of(Connection& connection) { list_.splice(list_.end(), list_, connection.place_); }
  void remove(Connection& connection) { list_.erase(connection.place_); }

  void drop_oldest() {
    for (const std::shared_ptr<Connection>& connection : list_) {
      if (!connection->waits()) continue;
      connection->stop();
      return;
    }
  }
  void stop_all() {
    for (const std::shared_ptr<Connection>& connection : list_) connection->stop();
  }

 private:
  std::list<std::shared_ptr<Connection>> list_;
};

}  // namespace ndb::local
