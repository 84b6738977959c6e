// Raw memcache calls, and allocations of ids: the two small batches beside reads and writes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "context/impl.h"

namespace ndb {

// The caller's own memcache commands from the first that changes something, in order; neighbouring gets go out as one
// command. Gets before that go with the other reads.
class RawBatch {
 public:
  using Item = memcache::RawItem;
  explicit RawBatch(std::shared_ptr<Context::Impl> context) : context_(std::move(context)) {}

  void get(std::string key, std::function<void(std::optional<Item>)> done) {
    steps_.push_back({.key = std::move(key), .got = std::move(done), .run = nullptr});
  }
  void run(std::function<void(memcache::Gateway&)> command) {
    steps_.push_back({.key = {}, .got = nullptr, .run = std::move(command)});
  }
  void send();

 private:
  struct Step {
    std::string key;
    std::function<void(std::optional<Item>)> got;  // of a get
    std::function<void(memcache::Gateway&)> run;   // of anything else
  };
  void send_gets(std::size_t begin, std::size_t end);

  const std::shared_ptr<Context::Impl> context_;
  std::vector<Step> steps_;
};

// Ids for incomplete keys, up to 500 per AllocateIds.
class AllocateBatch : public std::enable_shared_from_this<AllocateBatch> {
 public:
  using Done = std::function<void(absl::StatusOr<Key>)>;
  AllocateBatch(std::shared_ptr<Context::Impl> context, RpcOptions rpc) : context_(std::move(context)), rpc_(rpc) {}

  void add(Key incomplete, Done done) { items_.push_back({std::move(incomplete), std::move(done)}); }
  void send();

 private:
  struct Item {
    Key key;
    Done done;
  };
  void answered(const std::vector<Item>& items, const absl::StatusOr<wire::AllocateIdsResponse>& response);

  const std::shared_ptr<Context::Impl> context_;
  const RpcOptions rpc_;
  std::vector<Item> items_;
};

}  // namespace ndb
