// A connection to a Datastore, as it is handed from ndb::LocalDatastore to ndb::Client: opaque in the public headers.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

namespace ndb {

class Channel {
 public:
  explicit Channel(std::shared_ptr<grpc::Channel> channel) : grpc(std::move(channel)) {}
  const std::shared_ptr<grpc::Channel> grpc;
};

}  // namespace ndb
