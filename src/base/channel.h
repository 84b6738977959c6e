// A connection to a Datastore; in the public headers ndb::Channel is opaque.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "base/fork.h"
#include "base/mutex.h"

namespace ndb {

// A gRPC channel that can be closed while others hold it: a call on a channel of a gRPC server in this process must not
// begin after that server has gone. Thread-safe.
class Channel {
 public:
  explicit Channel(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) { mark_.use(); }
  ~Channel() {
    if (mark_.left_behind()) leave_to_parent(std::move(channel_));
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Held while a call is started. Empty if the channel is closed.
  class Use {
   public:
    explicit Use(Channel& channel) : channel_(channel), grpc_(channel.enter()) {}
    ~Use() {
      if (grpc_ != nullptr) channel_.leave();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    explicit operator bool() const { return grpc_ != nullptr; }
    const std::shared_ptr<grpc::Channel>& grpc() const { return grpc_; }

   private:
    Channel& channel_;
    const std::shared_ptr<grpc::Channel> grpc_;
  };

  // After it has returned no call begins. Calls that have begun are left to the server.
  void close() {
    std::shared_ptr<grpc::Channel> ended;  // after the lock
    const MutexLock lock(mutex_);
    ended = std::move(channel_);
    channel_ = nullptr;
    while (users_ > 0) left_.wait(mutex_);
  }

 private:
  std::shared_ptr<grpc::Channel> enter() {
    const MutexLock lock(mutex_);
    if (channel_ != nullptr) ++users_;
    return channel_;
  }
  void leave() {
    const MutexLock lock(mutex_);
    if (--users_ == 0) left_.notify_all();
  }

  ForkMark mark_;
  Mutex mutex_;
  Condition left_;
  std::shared_ptr<grpc::Channel> channel_ NDB_GUARDED_BY(mutex_);
  std::size_t users_ NDB_GUARDED_BY(mutex_) = 0;
};

}  // namespace ndb
