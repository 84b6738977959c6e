// Objects that are destroyed in an unusual order: servers before their clients, static objects, whole processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ndb/local_datastore.h"
#include "ndb/ndb.h"

namespace {

using ::testing::HasSubstr;

class Thing : public ndb::Model<Thing> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

ndb::Client client_of(ndb::LocalDatastore& server) {
  return ndb::Client({.channel = server.channel(), .memcached_hosts = std::vector<std::string>{}});
}

template <class Call>
absl::Status error_of(Call call) {
  try {
    call();
  } catch (const ndb::Error& error) {
    return error.status();
  }
  return absl::OkStatus();
}

// Every call fails at once with an error that says why; none is retried until its deadline.
TEST(Lifetime, AClientThatOutlivesItsLocalDatastoreGetsErrors) {
  for (const bool destroyed : {false, true}) {
    auto server = ndb::LocalDatastore::start();
    const auto channel = server->channel();
    const ndb::Client client = client_of(*server);
    auto scope = client.context();
    Thing::make({.n = 1}, ndb::id("a")).put();
    if (destroyed) {
      server.reset();
    } else {
      server->shutdown();
    }
    const std::vector<std::function<void()>> calls = {
        [] { Thing::get_by_id("b"); },
        [] { Thing::make({}, ndb::id("b")).put({.retries = 3}); },
        [] { ndb::key<Thing>("a").delete_(); },
        [] { Thing::query().fetch(); },
        [] { ndb::transaction([] { Thing::get_by_id("b"); }); },
        [] { Thing::allocate_ids(1); },
        [&] {
          const ndb::Client other({.channel = channel, .memcached_hosts = std::vector<std::string>{}});
          std::thread([&] {
            auto its = other.context();
            EXPECT_EQ(error_of([] { Thing::get_by_id("b"); }).code(), absl::StatusCode::kFailedPrecondition);
          }).join();
          Thing::get_by_id("b");
        },
    };
    for (const auto& call : calls) {
      const absl::Status status = error_of(call);
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("has the ndb::LocalDatastore been destroyed?"));
    }
    EXPECT_EQ(Thing::get_by_id("a")->n, 1) << "the context cache has it";
  }
}

// Calls that begin, and calls that are under way, while the server ends.
TEST(Lifetime, ALocalDatastoreMayEndWhileItIsUsed) {
  for (int round = 0; round < 5; ++round) {
    auto server = ndb::LocalDatastore::start();
    const ndb::Client client = client_of(*server);
    std::atomic<int> ended = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        auto scope = client.context();
        while (error_of([] { Thing::make({.n = 1}, ndb::id("a")).put(); }).ok()) ++ended;
      });
    }
    while (ended < 20) std::this_thread::yield();
    server.reset();
    for (std::thread& thread : threads) thread.join();
  }
}

// Static objects, in the orders that test fixtures have them. Each runs in a process of its own, to its end.
TEST(LifetimeDeathTest, StaticObjectsMayEndInAnyOrder) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  static std::unique_ptr<ndb::LocalDatastore> server;  // before gRPC has anything static
  static std::unique_ptr<ndb::Client> client;
  const auto use = [](const ndb::Client& of) {
    auto scope = of.context();
    Thing::make({.n = 1}, ndb::id("a")).put();
  };
  const auto exits = ::testing::ExitedWithCode(0);
  EXPECT_EXIT((server = ndb::LocalDatastore::start(), std::exit(0)), exits, "") << "not used";
  EXPECT_EXIT((server = ndb::LocalDatastore::start(), use(client_of(*server)), std::exit(0)), exits, "");
  EXPECT_EXIT(
      (server = ndb::LocalDatastore::start({.host_port = "127.0.0.1:0"}), use(client_of(*server)), std::exit(0)), exits,
      "");
  EXPECT_EXIT(
      {
        server = ndb::LocalDatastore::start();
        client = std::make_unique<ndb::Client>(client_of(*server));
        use(*client);
        std::exit(0);
      },
      exits, "");
  EXPECT_EXIT(
      {
        static const auto late = ndb::LocalDatastore::start();
        client = std::make_unique<ndb::Client>(client_of(*late));
        use(*client);
        std::exit(0);
      },
      exits, "");
}

// Code that runs after the loop of the main thread has ended and the default client has been destroyed.
TEST(LifetimeDeathTest, StaticDestructorsMayStillAsk) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  struct Asks {
    ~Asks() {
      const absl::Status status = error_of([] { Thing::get_by_id("a"); });
      _exit(status.code() == absl::StatusCode::kFailedPrecondition ? 7 : 1);
    }
  };
  EXPECT_EXIT(
      {
        static const Asks asks;
        const auto server = ndb::LocalDatastore::start();
        ndb::set_default_client(client_of(*server));
        Thing::get_by_id("a");
        std::exit(0);
      },
      ::testing::ExitedWithCode(7), "");
  EXPECT_EXIT(
      {
        static const auto server = ndb::LocalDatastore::start();
        static const auto scope = client_of(*server).context();
        static const Asks asks;
        Thing::get_by_id("a");
        std::exit(0);
      },
      ::testing::ExitedWithCode(7), "");
}

}  // namespace
