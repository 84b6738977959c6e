// A batch of the caller's own memcache commands.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "memcache/gateway.h"

namespace ndb::context {

// The caller's own memcache commands, in order, beginning with the first one that changes something; earlier gets are
// sent with the other reads. Adjacent gets are sent as one command.
class RawBatch {
 public:
  using Item = memcache::RawItem;
  explicit RawBatch(memcache::Gateway& gateway) : gateway_(gateway) {}

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

  memcache::Gateway& gateway_;
  std::vector<Step> steps_;
};

}  // namespace ndb::context
