// Homes are the same as libmemcached's, for as many servers as it supports.

#include "memcache/transport/continuum.h"

#include <gtest/gtest.h>
#include <libmemcached/memcached.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/strings.h"

namespace ndb::memcache {
namespace {

struct Free {
  void operator()(memcached_st* client) const { memcached_free(client); }
};

std::vector<Address> servers(std::size_t count) {
  std::vector<Address> all;
  for (std::size_t i = 0; i < count; ++i) {
    switch (i % 4) {
      case 0:
        all.push_back({.host = cat("10.0.0.", i)});  // the default port has a name of its own
        break;
      case 1:
        all.push_back({.host = "cache.example.com", .port = static_cast<std::uint16_t>(2000 + i)});
        break;
      case 2:
        all.push_back({.host = cat("/run/memcached/", i), .port = 0, .is_socket = true});
        break;
      default:
        all.push_back({.host = "fd00::17", .port = static_cast<std::uint16_t>(11211 + i)});
    }
  }
  return all;
}

TEST(Continuum, FindsTheHomesThatLibmemcachedFinds) {
  for (std::size_t count = 1; count <= 100; ++count) {
    const std::vector<Address> all = servers(count);
    const std::unique_ptr<memcached_st, Free> client(memcached_create(nullptr));
    memcached_behavior_set(client.get(), MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    memcached_server_list_st list = nullptr;
    memcached_return_t result = MEMCACHED_SUCCESS;
    for (const Address& one : all) list = memcached_server_list_append(list, one.host.c_str(), one.port, &result);
    memcached_server_push(client.get(), list);  // all at once: it sorts its points each time
    memcached_server_list_free(list);
    const Continuum continuum(all);
    for (int i = 0; i < 100; ++i) {
      const std::string name = cat("ndb1:key", i, '-', count);
      ASSERT_EQ(continuum.home(name), memcached_generate_hash(client.get(), name.data(), name.size()))
          << name << " of " << count;
    }
  }
}

TEST(Continuum, HasRoomForAnyNumberOfServers) {
  const std::vector<Address> all = servers(1000);
  const Continuum continuum(all);
  std::vector<int> keys(all.size());
  for (int i = 0; i < 100'000; ++i) ++keys[continuum.home(cat("key", i))];
  EXPECT_GT(std::ranges::count_if(keys, [](int count) { return count > 20; }), 990);
  EXPECT_LT(*std::ranges::max_element(keys), 250);

  // One more server takes keys from the others, and moves none between them.
  std::vector<Address> more = all;
  more.push_back({.host = "10.9.9.9"});
  const Continuum grown(more);
  int moved = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = cat("key", i);
    if (grown.home(name) == continuum.home(name)) continue;
    EXPECT_EQ(grown.home(name), all.size());
    ++moved;
  }
  EXPECT_LT(moved, 50);
}

}  // namespace
}  // namespace ndb::memcache
