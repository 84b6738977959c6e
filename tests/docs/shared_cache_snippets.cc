// The code of the guide's chapter on values that threads share, as in guide_snippets.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/memcached_server.h"

namespace guide_shared {

using namespace std::chrono_literals;

// [shared_flag]
class Product : public ndb::Model<Product> {
 public:
  struct Properties {
    std::string name{};
    double price = 0;
  };
  NDB_MODEL(name, price)
  static constexpr bool _use_shared_cache = true;
};
// [/shared_flag]

using Prices = std::map<std::string, double>;

TEST(GuideOfSharedValues, CacheOfAnything) {
  const ndb::testing::MemcachedServer memcached;
  const auto server = ndb::LocalDatastore::start();
  ndb::ClientOptions options;
  options.channel = server->channel();
  options.memcached_hosts = {memcached.address()};
  ndb::Client client(options);
  const auto scope = client.context();
  Product::make({.name = "tea", .price = 2.5}, ndb::id("tea")).put();
  // [shared_cache]
  ndb::SharedCache<Prices> lists(client, {.name = "prices", .timeout = 10min, .capacity = 1000});

  std::shared_ptr<const Prices> prices = lists.get("all", [] {  // called once, however many threads ask
    Prices all;
    for (Product product : Product::query()) all[product->name] = product->price;
    return all;
  });

  Product tea = Product::get_by_id("tea");
  tea.edit().price = 3;
  tea.put();
  lists.invalidate("all");  // on every machine: no get() that begins now is served the old list
  // [/shared_cache]
  EXPECT_EQ(prices->at("tea"), 2.5);
  const auto reload = [] { return Prices{{"tea", Product::get_by_id("tea")->price}}; };
  EXPECT_EQ(lists.get("all", reload)->at("tea"), 3);

  // [shared_multi]
  std::vector<std::string> shops = {"north", "south"};
  auto of_shops = lists.get_multi(shops, [](const std::vector<std::string>& missing) {
    return std::vector<Prices>(missing.size());  // in their order
  });
  // [/shared_multi]
  EXPECT_EQ(of_shops.size(), 2u);

  // [shared_options]
  ndb::SharedCache<Prices> relaxed(client, {.name = "prices",
                                            .capacity_bytes = 64 << 20,
                                            .size_of = [](const Prices& p) { return p.size() * 100; },
                                            .max_staleness = 1s,  // no look at the tag within a second
                                            .when_unreachable = ndb::WhenUnreachable::serve_within(30s)});
  // [/shared_options]
  EXPECT_EQ(relaxed.get("all", reload)->at("tea"), 3);
  ndb::transaction([&] {
    tea.edit().price = 4;
    tea.put();
    lists.invalidate("all");
  });
  EXPECT_EQ(lists.get("all", reload)->at("tea"), 4);
}

}  // namespace guide_shared
