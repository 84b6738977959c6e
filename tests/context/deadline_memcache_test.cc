// Deadlines with a memcached that hangs: its time-outs are an hour, so what ends here ends by the deadline.
#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <utility>

#include "context/deadline_fixture.h"
#include "support/fake_clock.h"
#include "support/scripted_memcached.h"

namespace {

using ndb::RpcMethod;
using ndb::testing::FaultyDatastore;
using ndb::testing::ScriptedMemcached;
using ndb::testing::Verb;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class DeadlineMemcacheTest : public ::testing::Test {
 protected:
  DeadlineMemcacheTest() {
    auto core = std::make_shared<ndb::Client::Core>();
    auto stub = std::make_unique<FaultyDatastore>();
    store_ = stub.get();
    core->stub = std::move(stub);
    core->gateway = *ndb::memcache::Gateway::make({.servers = {memcached_.address("client")},
                                                   .connect_timeout = 1h,
                                                   .io_timeout = 1h,
                                                   .ring_check = ndb::RingCheck::kOff});
    core->partition = {.project = "p", .database = "", .namespace_ = ""};
    core->options.cache_entries = core->options.cache_bytes = SIZE_MAX;
    client_.emplace(ndb::detail::ClientAccess::make(std::move(core)));
  }

  // Between the operations of a test no connection is in the middle of anything.
  void put_before() {
    const auto scope = client_->context();
    Item::make({.n = 1}, ndb::id(1)).put();
  }
  static absl::Status status_of_put() {
    try {
      Item::make({.n = 2}, ndb::id(1)).put();
    } catch (const ndb::Error& error) {
      return error.status();
    }
    return absl::OkStatus();
  }

  ndb::testing::FakeClock clock_;
  ScriptedMemcached memcached_{clock_};
  FaultyDatastore* store_ = nullptr;
  std::optional<ndb::Client> client_;
};

TEST_F(DeadlineMemcacheTest, AReadHasTimeLeftForTheDatastore) {
  put_before();
  const auto held = memcached_.hold({.verb = Verb::kGets, .nth = 1});
  const auto scope = client_->context({.deadline = 4s});
  const auto found = Item::get_by_id(1, {.deadline = 300ms});
  EXPECT_TRUE(found);
  EXPECT_EQ(store_->calls[RpcMethod::kLookup], 1);
  held->release();
}

TEST_F(DeadlineMemcacheTest, ALockThatIsNotThereInTimeKeepsTheCommitFromBeingSent) {
  put_before();
  const auto held = memcached_.hold({.verb = Verb::kGets, .nth = 1});
  {
    const auto scope = client_->context({.deadline = 100ms});
    const absl::Status status = status_of_put();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_THAT(status.message(), HasSubstr("not written"));
    EXPECT_THAT(status.message(), HasSubstr(memcached_.address("client")));
    EXPECT_THAT(status.message(), HasSubstr("the deadline of the context, 100 ms"));
  }
  EXPECT_EQ(store_->calls[RpcMethod::kCommit], 1);
  held->release();
  const auto scope = client_->context();
  EXPECT_EQ(Item::get_by_id(1)->n, 1);
}

TEST_F(DeadlineMemcacheTest, AReleaseThatIsNotTakenInTimeIsMadeInTheBackground) {
  const auto held = memcached_.hold({.verb = Verb::kCas, .nth = 1});
  {
    const auto scope = client_->context({.deadline = 100ms});
    const absl::Status status = status_of_put();
    EXPECT_TRUE(status.ok()) << status;  // the Commit was answered in time
  }
  EXPECT_EQ(client_->memcache_stats().repairs_waiting + client_->memcache_stats().repaired, 1u);
  held->release();
  const auto scope = client_->context();
  EXPECT_EQ(Item::get_by_id(1)->n, 2);
}

TEST_F(DeadlineMemcacheTest, RawItemsEndInTime) {
  const auto held = memcached_.hold({.verb = Verb::kGets, .nth = 1});
  {
    const auto scope = client_->context({.deadline = 100ms});
    EXPECT_FALSE(scope->memcache_get("key"));
  }
  held->release();
  std::stop_source source;
  source.request_stop();
  const auto scope = client_->context({.stop = source.get_token()});
  EXPECT_THROW(scope->memcache_get("key"), ndb::Cancelled);
  EXPECT_THROW(scope->memcache_set("key", "value"), ndb::Cancelled);
}

// A server is not blamed for a time that the caller has cut short.
TEST_F(DeadlineMemcacheTest, TimesThatAreCutShortDoNotOpenTheCircuitBreaker) {
  put_before();
  for (int i = 0; i < 4; ++i) {
    const auto held = memcached_.hold({.verb = Verb::kGets, .nth = 1});
    {
      const auto scope = client_->context({.deadline = 20ms});
      try {
        Item::get_by_id(1);
      } catch (const ndb::Error&) {  // so little time may not even suffice for a Datastore that answers at once
      }
    }
    held->release();
  }
  const auto scope = client_->context();
  const auto before = client_->memcache_stats().hits;
  Item::get_by_id(1);  // fills the record, if it has to
  scope->clear_cache();
  EXPECT_TRUE(Item::get_by_id(1));
  EXPECT_GT(client_->memcache_stats().hits, before);
}

}  // namespace
