// A Datastore that never finishes a query: pauses between RPCs, and the deadline of the call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

#include "query/query_stub.h"
#include "support/jumping_clock.h"
#include "support/tiers.h"

namespace {

using ndb::testing::JumpingClock;
using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::HasSubstr;
using ::testing::Le;
namespace wire = ndb::wire;
using std::chrono::milliseconds;

class Item : public ndb::Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class Bounds : public Tiers {
 protected:
  // Batches without results, each of which says that there is more behind another cursor.
  void answer_with_nothing() {
    stub_->answer = [n = 0](const auto&) mutable -> std::optional<absl::StatusOr<wire::RunQueryResponse>> {
      wire::RunQueryResponse response;
      response.mutable_batch()->set_entity_result_type(wire::EntityResult::FULL);
      response.mutable_batch()->set_more_results(wire::QueryResultBatch::NOT_FINISHED);
      response.mutable_batch()->set_end_cursor("cursor " + std::to_string(++n));
      response.mutable_batch()->set_skipped_results(n % 2 == 0 ? -5 : 1 << 30);
      return response;
    };
  }
  void ends(milliseconds at_most, const std::function<void()>& ask) {
    stub_->requests.clear();
    const auto began = clock_.monotonic();
    try {
      ask();
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kDeadlineExceeded) << error.what();
      EXPECT_THAT(error.what(), HasSubstr("query of kind \"Item\""));
    }
    EXPECT_THAT(clock_.monotonic() - began, Le(at_most));
    EXPECT_THAT(stub_->requests.size(), Le(30u));
  }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
  JumpingClock clock_{};
};

TEST_F(Bounds, EmptyBatchesEndAtTheDeadlineOfTheCall) {
  answer_with_nothing();
  const ndb::Options soon{.deadline = std::chrono::seconds(2)};
  in_new_context(client_, [&] {
    ends(milliseconds(2000), [&] { Item::query().fetch(20, soon); });
    ends(milliseconds(2000), [&] { Item::query().fetch_async(20, soon).get(); });
    ends(milliseconds(2000), [&] { Item::query().get(soon); });
    ends(milliseconds(2000), [&] { Item::query().fetch_page(20, {}, soon); });
    ends(milliseconds(2000), [&] { Item::query().offset(7).fetch(20, soon); });
    ends(milliseconds(2000), [&] { Item::query().map([](const Item&) {}, 20, soon); });
    ends(milliseconds(2000), [&] { Item::query().keys(20, soon); });
    ends(milliseconds(2000), [&] { Item::query().iterate(20, soon).has_next(); });
    ends(milliseconds(60'000), [] { Item::query().fetch(); });
    ends(milliseconds(60'000), [] {
      for (const Item& item : Item::query()) ADD_FAILURE() << item;
    });
  });
}

// The deadline of an iteration applies to each step: what its user does in between does not count.
TEST_F(Bounds, AnIterationMayTakeLongerThanItsDeadline) {
  in_new_context(client_, [&] {
    for (int i = 1; i <= 5; ++i) Item::make({.n = i}, ndb::id(i)).put_async();
  });
  stub_->batch_size = 1;
  in_new_context(client_, [&] {
    int seen = 0;
    for (const Item& item : Item::query().iterate(ndb::kNoLimit, {.deadline = std::chrono::seconds(20)})) {
      EXPECT_EQ(item->n, ++seen);
      clock_.advance(std::chrono::minutes(1));
    }
    EXPECT_EQ(seen, 5);
  });
}

// While it makes progress, a query without a deadline may take as long as it needs; one with a deadline may not.
TEST_F(Bounds, ProgressKeepsAQueryGoing) {
  in_new_context(client_, [&] {
    for (int i = 1; i <= 5; ++i) Item::make({.n = i}, ndb::id(i)).put_async();
  });
  stub_->batch_size = 1;
  stub_->answer = [&](const auto&) {
    clock_.advance(std::chrono::seconds(40));
    return std::nullopt;
  };
  in_new_context(client_, [&] {
    EXPECT_EQ(Item::query().fetch().size(), 5u);
    ends(std::chrono::minutes(4), [] { Item::query().fetch(5, {.deadline = std::chrono::seconds(100)}); });
  });
}

}  // namespace
