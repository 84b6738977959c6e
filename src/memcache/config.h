// How a client uses its memcached servers.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ndb/options.h"
#include "observe/tracer.h"

namespace ndb::memcache {

struct Config {
  std::vector<std::string> servers{};  // host:port, [v6]:port or /unix/socket; the port defaults to 11211
  std::chrono::milliseconds connect_timeout{50};
  std::chrono::milliseconds io_timeout{50};
  std::size_t compress_above = 4096;        // bytes of payload; zstd
  std::size_t max_item_size = 1024 * 1024;  // the server's -I
  RingCheck ring_check = RingCheck::kWarn;
  const Clock* clock = &Clock::system();
  std::shared_ptr<observe::Tracer> tracer{};  // of batches; null: none
};

}  // namespace ndb::memcache
