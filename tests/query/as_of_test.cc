// Queries as of a time in the past.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ndb/wire/datastore.pb.h"
#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Tide : public ndb::Model<Tide> {
 public:
  struct Properties {
    std::int64_t level = 0;
  };
  NDB_MODEL(level)
};

class AsOf : public Tiers {
 protected:
  // The Datastore's versions are the times of its commits, in microseconds.
  static ndb::Timestamp time_of(const Tide& tide) {
    return ndb::Timestamp(std::chrono::microseconds(static_cast<std::int64_t>(ndb::version_of(tide))));
  }
  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
};

TEST_F(AsOf, GivesThePastAndLeavesTheContextCacheAlone) {
  in_new_context(client_, [&] {
    Tide tide = Tide::make({.level = 1}, ndb::id("sea"));
    tide.put();
    const ndb::Timestamp then = time_of(tide);
    tide.edit().level = 2;
    tide.put();
    const Tide past = Tide::query().as_of(then).get();
    EXPECT_EQ(past->level, 1);
    EXPECT_EQ(time_of(past), then);
    EXPECT_EQ(Tide::gql("").as_of(then).get()->level, 1);
    EXPECT_EQ(Tide::query().as_of(then).project(Tide::level).get()[Tide::level], 1);
    EXPECT_EQ(Tide::query().as_of(then).sum(Tide::level), 1);
    EXPECT_EQ(ndb::query("Tide").as_of(then).get()["level"].as_int64(), 1);
    EXPECT_EQ(Tide::get_by_id("sea")->level, 2);
    EXPECT_EQ(Tide::query().get()->level, 2);

    tide.key().delete_();
    EXPECT_EQ(Tide::query().as_of(then).get()->level, 1);  // known to be gone by now
    EXPECT_THAT(Tide::query().as_of(then - std::chrono::microseconds(1)).fetch(), IsEmpty());
  });
  const auto counts = in_new_context(client_, [&] { EXPECT_FALSE(Tide::get_by_id("sea")); });
  EXPECT_EQ(counts.cache_hits, 0);
}

TEST_F(AsOf, TheTimeIsInTheRequest) {
  stub_->answer = [](const auto&) -> std::optional<absl::StatusOr<ndb::wire::RunQueryResponse>> {
    return absl::InternalError("enough");
  };
  in_new_context(client_, [&] {
    EXPECT_THROW(Tide::query().as_of(ndb::Timestamp(std::chrono::microseconds(-1))).get(), ndb::Error);
    const auto& time = stub_->requests.back().read_options().read_time();
    EXPECT_EQ(time.seconds(), -1);
    EXPECT_EQ(time.nanos(), 999'999'000);
  });
}

TEST_F(AsOf, HasNoPlaceInATransactionNorInAnEventualQuery) {
  const auto query = Tide::query().as_of(ndb::Timestamp(std::chrono::seconds(1'000'000'000)));
  in_new_context(client_, [&] {
    EXPECT_THROW(query.fetch(10, {.read_consistency = ndb::ReadConsistency::kEventual}), ndb::BadRequestError);
    EXPECT_THROW(ndb::transaction([&] { query.fetch(); }), ndb::BadRequestError);
    EXPECT_THROW(ndb::transaction([&] { query.count(); }), ndb::BadRequestError);
  });
}

}  // namespace
