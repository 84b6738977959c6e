// A batch of the caller's own memcache commands.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "context/context_impl.h"

namespace ndb::context {

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

}  // namespace ndb::context
