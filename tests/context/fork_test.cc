// Programs that fork. Each test is a process of its own that has not used gRPC yet, and has its servers in others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ndb/local_datastore.h"
#include "ndb/ndb.h"
#include "support/forked.h"
#include "support/memcached_server.h"

namespace {

using namespace std::chrono_literals;
using ndb::testing::expect;
using ndb::testing::expect_error;
using ndb::testing::in_child;
using ndb::testing::run;

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

// A LocalDatastore in a process of its own, which ends with this one.
std::string start_datastore() {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return "";
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto server = ndb::LocalDatastore::start({.host_port = "127.0.0.1:0"});
    const std::string address = server->address();
    [[maybe_unused]] const auto written = write(ends[1], address.data(), address.size());
    while (true) pause();
  }
  std::array<char, 64> text{};
  const auto size = read(ends[0], text.data(), text.size());
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

ndb::Client make_client(const std::string& address, std::vector<std::string> memcached = {}) {
  return ndb::Client({.emulator_host = address, .memcached_hosts = std::move(memcached)});
}

// Held by a pointer, because a scope cannot be moved.
struct Held {
  explicit Held(const ndb::Client& client) : scope(client.context()) {}
  ndb::ContextScope scope;
};

void put_and_get(const ndb::Client& client, const std::string& id) {
  auto scope = client.context();
  Item::make({.n = 1}, ndb::id(id)).put();
  if (!Item::get_by_id(id, {.use_cache = false})) throw std::runtime_error("what was put is not there");
}

TEST(ForkDeathTest, AClientThatWasNotUsedWorksInBoth) {
  run([] {
    const std::string address = start_datastore();
    const ndb::testing::MemcachedServer memcached;
    const ndb::Client client = make_client(address, {memcached.address()});
    ndb::SharedCache<int> shared(client, {.name = "shared"});
    const auto get = [&] {
      put_and_get(client, "x");
      if (*shared.get("answer", [] { return 42; }) != 42) throw std::runtime_error("another value");
    };
    for (int i = 0; i < 2; ++i) {
      const std::string child = in_child(get);
      expect(child == "works", child);
    }
    get();
    get();
  });
}

// A scope is only memory until something is sent in it.
TEST(ForkDeathTest, AnOpenScopeInWhichNothingWasDoneWorksInBoth) {
  run([] {
    const ndb::Client client = make_client(start_datastore());
    auto scope = client.context();
    const std::string child = in_child([] { Item::make({.n = 1}, ndb::id("child")).put(); });
    expect(child == "works", child);
    expect(bool(Item::get_by_id("child")), "nothing");
  });
}

TEST(ForkDeathTest, AClientThatWasUsedIsAnErrorInTheChildAndGoesOnInTheParent) {
  run([] {
    const std::string address = start_datastore();
    const ndb::testing::MemcachedServer memcached;
    const ndb::Client client = make_client(address, {memcached.address()});
    ndb::SharedCache<int> shared(client, {.name = "shared", .max_staleness = 1h});
    put_and_get(client, "x");
    shared.get("answer", [] { return 42; });
    auto scope = client.context();
    ndb::Context& context = ndb::get_context();
    context.memcache_set("n", "1");
    const ndb::Future<Item> pending = Item::get_by_id_async("x", {.use_cache = false});
    const std::vector<std::function<void()>> calls = {
        [&] { Item::get_by_id("y"); },
        [&] { Item::make({}, ndb::id("y")).put(); },
        [&] { ndb::key<Item>("x").delete_(); },
        [&] { Item::query().fetch(); },
        [&] { Item::query().count(); },
        [&] { ndb::transaction([] { Item::get_by_id("y"); }); },
        [&] { Item::allocate_ids(1); },
        [&] { context.memcache_incr("n"); },
        [&] { context.memcache_get("n"); },
        [&] { context.invalidate(ndb::key<Item>("x")); },
        [&] { shared.get("answer", [] { return 43; }); },
        [&] { shared.invalidate("answer"); },
        [&] { client.memcache_stats(); },
        [&] { put_and_get(client, "y"); },
        [&] {
          ndb::set_default_client(client);
          scope.close();
          Item::get_by_id("y");
        },
        [&] { put_and_get(make_client(address), "y"); },  // gRPC runs in the parent
        [&] { ndb::LocalDatastore::start(); },
    };
    for (const auto& call : calls) expect_error(in_child(call));
    const std::string stuck = in_child([&] {
      try {
        pending.get();
      } catch (const ndb::StuckError& error) {
        throw ndb::ContextError(error.what());
      }
    });
    expect(stuck.find("its parent only") != std::string::npos, stuck);
    for (int i = 1; i <= 100; ++i)
      expect(context.memcache_incr("n") == static_cast<std::uint64_t>(1 + i), "a wrong value");
    expect(bool(pending.get()), "nothing");
    scope.close();
    put_and_get(make_client(address), "z");
  });
}

// Destructors in the child neither wait for threads that do not exist there, nor send anything on the parent's
// connections.
TEST(ForkDeathTest, DestructorsInTheChildDoNotAffectTheParent) {
  run([] {
    const std::string address = start_datastore();
    const ndb::testing::MemcachedServer memcached;
    auto client = std::make_unique<ndb::Client>(make_client(address, {memcached.address()}));
    auto local = ndb::LocalDatastore::start();
    auto channel = local->channel();
    put_and_get(*client, "x");
    put_and_get(ndb::Client({.channel = channel, .memcached_hosts = std::vector<std::string>{}}), "x");
    auto scope = std::make_unique<Held>(*client);
    ndb::get_context().memcache_set("n", "1");
    Item::make({.n = 1}, ndb::id("of the parent")).put_async();
    const std::string child = in_child([&] {
      scope.reset();
      client.reset();
      channel.reset();
      local.reset();
    });
    expect(child == "works", child);
    expect(ndb::get_context().memcache_get("n") == "1", "a connection that was closed");
    scope.reset();
    put_and_get(*client, "x");
    auto again = client->context();
    expect(bool(Item::get_by_id("of the parent")), "nothing");
  });
}

TEST(ForkDeathTest, ALocalDatastoreBelongsToItsProcess) {
  run([] {
    const auto local = ndb::LocalDatastore::start();
    const ndb::Client unused({.channel = local->channel(), .memcached_hosts = std::vector<std::string>{}});
    expect_error(in_child([&] { put_and_get(unused, "x"); }));
    expect_error(in_child([&] { local->channel(); }));
    expect_error(in_child([&] { local->reset(); }));
    expect(in_child([&] { local->shutdown(); }) == "works", "no end");
    put_and_get(unused, "x");
  });
}

}  // namespace
