// Keys that a Lookup defers are asked for again: with pauses while none is answered, and within the call's deadline.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/jumping_clock.h"
#include "support/take_core.h"
#include "support/tiers.h"

namespace {

using ndb::testing::ForwardingStub;
using ndb::testing::JumpingClock;
using ndb::testing::Tiers;
using ::testing::HasSubstr;
using ::testing::Le;
namespace datastore = ndb::datastore;
namespace wire = ndb::wire;

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

// Defers all keys of a Lookup except the first `answered_keys`.
class DeferringStub final : public ForwardingStub {
 public:
  using ForwardingStub::ForwardingStub;
  int answered_keys = 0;
  std::vector<std::chrono::milliseconds> deadlines{};  // of the Lookups

  void lookup(wire::LookupRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::LookupResponse> done) override {
    deadlines.push_back(options.deadline.value());
    std::vector<std::string> deferred;
    while (request.keys_size() > answered_keys) {
      deferred.push_back(request.keys(request.keys_size() - 1));
      request.mutable_keys()->RemoveLast();
    }
    const auto answer = [done = std::move(done), deferred](absl::StatusOr<wire::LookupResponse> response) {
      for (const std::string& key : deferred) response->add_deferred(key);
      done(std::move(response));
    };
    if (answered_keys == 0) return answer(wire::LookupResponse());
    ForwardingStub::lookup(std::move(request), options, answer);
  }
};

class Deferred : public Tiers {
 protected:
  ndb::Client deferring() {
    const auto core = ndb::testing::take_core(client());
    auto stub = std::make_unique<DeferringStub>(std::move(core->stub));
    stub_ = stub.get();
    core->stub = std::move(stub);
    return ndb::detail::ClientAccess::make(core);
  }

  DeferringStub* stub_ = nullptr;
  const ndb::Client client_ = deferring();
  JumpingClock clock_{};
  const ndb::Options soon_{.use_memcache = false, .deadline = std::chrono::seconds(2)};
};

TEST_F(Deferred, ForEverEndsAtTheDeadlineAfterFewLookups) {
  const auto began = clock_.monotonic();
  in_new_context(client_, [&] {
    try {
      Item::get_by_id(1, soon_);
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kDeadlineExceeded);
      EXPECT_THAT(error.what(), HasSubstr("Key('Item', 1"));
      EXPECT_THAT(error.what(), HasSubstr("deferred"));
    }
    EXPECT_THAT(clock_.monotonic() - began, Le(std::chrono::seconds(2)));
    EXPECT_THAT(stub_->deadlines.size(), Le(20u));
    EXPECT_TRUE(std::is_sorted(stub_->deadlines.rbegin(), stub_->deadlines.rend()));
    EXPECT_LT(stub_->deadlines.back(), stub_->deadlines.front());
  });
}

TEST_F(Deferred, EveryKeyIsGotAsLongAsSomeAreAnswered) {
  stub_->answered_keys = 1;
  in_new_context(client_, [&] {
    std::vector<ndb::Key> keys;
    for (int i = 1; i <= 20; ++i) {
      keys.push_back(ndb::key<Item>(i));
      Item::make(keys.back(), {.n = i}).put();
    }
    ndb::get_context().clear_cache();
    const auto began = clock_.monotonic();
    const std::vector<Item> items = ndb::get_multi<Item>(keys, soon_);
    for (int i = 1; i <= 20; ++i) EXPECT_EQ(items[static_cast<std::size_t>(i - 1)]->n, i);
    EXPECT_EQ(stub_->deadlines.size(), 20u);
    EXPECT_EQ(clock_.monotonic(), began);  // without a pause
  });
}

// The context waits for a pausing Lookup as for everything in flight.
TEST_F(Deferred, AFlushWaitsForThem) {
  in_new_context(client_, [&] {
    const auto item = ndb::key<Item>(1).get_async<Item>(soon_);
    ndb::get_context().flush();
    EXPECT_TRUE(item.done());
    EXPECT_EQ(item.try_get().status().code(), absl::StatusCode::kDeadlineExceeded);
  });
}

}  // namespace
