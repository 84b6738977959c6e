// GQL: what is sent, and how answers are used. The Datastore parses the text, so most of these tests have a scripted
// one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ndb/detail/codec.h"
#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::Tiers;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Answer = std::optional<absl::StatusOr<ndb::wire::RunQueryResponse>>;
namespace wire = ndb::wire;

class Song : public ndb::Model<Song> {
 public:
  struct Properties {
    std::int64_t n = 0;
    std::string title{};
  };
  NDB_MODEL(n, title)
};

class Odd : public ndb::Model<Odd> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr auto _kind = "o`d\\d";
};

class Gql : public Tiers {
 protected:
  void SetUp() override {
    in_new_context(client_, [] {
      std::vector<Song> songs;
      for (int i = 1; i <= 6; ++i) songs.push_back(Song::make({.n = i, .title = "s"}, ndb::id(i)));
      ndb::put_multi(songs);
    });
  }
  // Answers like a Datastore that has parsed the text into `meant`.
  void understand(ndb::Query<Song> meant, wire::EntityResult::ResultType type = wire::EntityResult::FULL) {
    stub_->answer = [this, meant, type](const wire::RunQueryRequest& request) -> Answer {
      if (!request.has_gql_query()) return std::nullopt;
      wire::RunQueryResponse response;
      wire::Query& query = *response.mutable_query();
      query.add_kind()->set_name("Song");
      query.add_order()->mutable_property()->set_name("n");
      query.set_offset(static_cast<std::int32_t>(meant.spec().offset));
      if (meant.spec().limit != ndb::kNoLimit) {
        query.mutable_limit()->set_value(static_cast<std::int32_t>(meant.spec().limit));
      }
      // The first batch: two results, taken from another query.
      wire::QueryResultBatch& batch = *response.mutable_batch();
      batch.set_entity_result_type(type);
      batch.set_skipped_results(query.offset());
      batch.set_more_results(wire::QueryResultBatch::NOT_FINISHED);
      for (int i = 0; i < 2; ++i)
        *batch.add_entity_results() = results_.at(static_cast<std::size_t>(query.offset() + i));
      batch.set_end_cursor(batch.entity_results(1).cursor());
      return response;
    };
  }
  // Learns the Datastore's results for `order by n`, one by one.
  void learn_results() {
    in_new_context(client_, [&] {
      ndb::Cursor cursor;
      for (std::int64_t n = 1; n <= 6; ++n) {
        auto songs = Song::query().order(Song::n).start_cursor(cursor).iterate(1);
        const Song song = songs.next();
        wire::EntityResult& result = results_.emplace_back();
        result.set_entity(*ndb::detail::encode_entity(
            song.key(), *ndb::detail::HandleAccess::payload(static_cast<const ndb::Handle&>(song)).get()));
        result.set_version(static_cast<std::int64_t>(ndb::version_of(song)));
        result.set_cursor(songs.cursor_after().bytes());
        cursor = songs.cursor_after();
      }
    });
    stub_->requests.clear();
  }
  ndb::Key results_key(std::size_t n) const { return *ndb::detail::entity_key(results_.at(n - 1).entity()); }
  static std::vector<std::int64_t> numbers(const std::vector<Song>& songs) {
    std::vector<std::int64_t> numbers;
    for (const Song& song : songs) numbers.push_back(song->n);
    return numbers;
  }

  QueryStub* stub_ = nullptr;
  const ndb::Client client_ = through(client(), stub_);
  std::vector<wire::EntityResult> results_;
};

TEST_F(Gql, TextAndBindingsAreSentAsTheyAre) {
  in_new_context(client_, [&] {
    stub_->answer = [](const auto&) -> Answer { return wire::RunQueryResponse(); };
    const std::string text = "SELECT * FROM Song WHERE n > @1 AND title = @t AND n IN @2 LIMIT @c";
    EXPECT_THROW(ndb::gql<Song>(text, 3, ndb::named("t", "x"), ndb::Array{1, 2},
                                ndb::named("c", ndb::Cursor::from_bytes("place")))
                     .in_namespace("eu")
                     .fetch(),
                 ndb::Error);  // the scripted answer is none
    ASSERT_EQ(stub_->requests.size(), 1u);
    const wire::RunQueryRequest& request = stub_->requests.front();
    EXPECT_EQ(request.partition_id().namespace_id(), "eu");
    const wire::GqlQuery& gql = request.gql_query();
    EXPECT_EQ(gql.query_string(), text);
    EXPECT_TRUE(gql.allow_literals());
    ASSERT_EQ(gql.positional_bindings_size(), 2);
    EXPECT_EQ(*ndb::detail::decode_value(gql.positional_bindings(0).value()), ndb::Value(3));
    EXPECT_EQ(*ndb::detail::decode_value(gql.positional_bindings(1).value()), ndb::Value(ndb::Array{1, 2}));
    EXPECT_EQ(*ndb::detail::decode_value(gql.named_bindings().at("t").value()), ndb::Value("x"));
    EXPECT_EQ(gql.named_bindings().at("c").cursor(), "place");

    // A key among the bindings gets the context's partition, as everywhere.
    EXPECT_THROW(ndb::gql("SELECT * WHERE __key__ HAS ANCESTOR @1", ndb::Key("Song", ndb::id(1))).fetch(), ndb::Error);
    const auto key = ndb::detail::decode_value(stub_->requests.back().gql_query().positional_bindings(0).value());
    EXPECT_FALSE(key->as_key().project().empty());

    EXPECT_THROW(Song::gql("WHERE n = @1", 1).fetch(), ndb::Error);
    EXPECT_EQ(stub_->requests.back().gql_query().query_string(), "SELECT * FROM `Song` WHERE n = @1");
    EXPECT_THROW(Odd::gql("LIMIT 1").fetch(), ndb::Error);
    EXPECT_EQ(stub_->requests.back().gql_query().query_string(), "SELECT * FROM `o\\`d\\\\d` LIMIT 1");

    const auto bound_later = ndb::gql<Song>("SELECT * FROM Song WHERE n = @1 AND title = @2").bind(1);
    EXPECT_THROW(bound_later.bind("x").fetch(), ndb::Error);
    EXPECT_EQ(stub_->requests.back().gql_query().positional_bindings_size(), 2);
    EXPECT_EQ(bound_later.spec().bindings.size(), 1u);
  });
}

TEST_F(Gql, FurtherBatchesAreAskedForByTheParsedQuery) {
  learn_results();
  struct Case {
    ndb::Query<Song> meant;
    std::size_t limit;
    std::vector<std::int64_t> expected;
    std::size_t requests;
  };
  const auto all = Song::query();
  for (const Case& c : std::vector<Case>{{all, ndb::kNoLimit, {1, 2, 3, 4, 5, 6}, 2},
                                         {all.limit(5), ndb::kNoLimit, {1, 2, 3, 4, 5}, 2},
                                         {all.limit(5), 4, {1, 2, 3, 4}, 2},
                                         {all.limit(4).offset(1), ndb::kNoLimit, {2, 3, 4, 5}, 2},
                                         {all.limit(2), ndb::kNoLimit, {1, 2}, 1},
                                         {all, 1, {1}, 1}}) {
    understand(c.meant);
    stub_->requests.clear();
    in_new_context(client_, [&] { EXPECT_EQ(numbers(ndb::gql<Song>("SELECT ...").fetch(c.limit)), c.expected); });
    EXPECT_EQ(stub_->requests.size(), c.requests);
    if (c.requests == 2) {
      EXPECT_EQ(stub_->requests.back().query().kind(0).name(), "Song");
      EXPECT_EQ(stub_->requests.back().query().offset(), 0);
    }
  }
}

// The rules of the context cache apply as to every query; the limit in the text is filled.
TEST_F(Gql, ResultsGoThroughTheContextCache) {
  learn_results();
  understand(Song::query().limit(3));
  in_new_context(client_, [] {
    ndb::Context& context = ndb::get_context();
    context.set_datastore_policy(false);
    ndb::key<Song>(2).delete_();
    Song::make({.n = 30}, ndb::id(3)).put();
    context.set_datastore_policy(nullptr);
    EXPECT_THAT(numbers(ndb::gql<Song>("SELECT * FROM Song ORDER BY n LIMIT 3").fetch()), ElementsAre(1, 30, 4));
  });
}

TEST_F(Gql, TheTextDecidesWhatIsSelected) {
  learn_results();
  in_new_context(client_, [&] {
    const auto says = [](const auto& ask) -> std::string {
      try {
        ask();
      } catch (const ndb::BadQueryError& error) {
        return error.what();
      }
      return "no error";
    };
    understand(Song::query(), wire::EntityResult::KEY_ONLY);
    EXPECT_THAT(ndb::gql("SELECT __key__ FROM Song").keys_only().fetch(2), ElementsAre(results_key(1), results_key(2)));
    EXPECT_THAT(says([] { ndb::gql<Song>("SELECT __key__ FROM Song").fetch(); }), HasSubstr("keys_only()"));
    understand(Song::query(), wire::EntityResult::PROJECTION);
    EXPECT_EQ(ndb::gql("SELECT n FROM Song").project(Song::n).fetch(2).back()[Song::n], 2);
    EXPECT_EQ(ndb::gql("SELECT n FROM Song").project().fetch(1).front()["n"].as_int64(), 1);
    EXPECT_THAT(says([] { ndb::gql<Song>("SELECT n FROM Song").fetch(); }), HasSubstr("project()"));
    EXPECT_THAT(says([] { ndb::gql<Song>("SELECT n FROM Song").get(); }), HasSubstr("SELECT n FROM Song"));
    understand(Song::query());
    EXPECT_THAT(says([] { ndb::gql("SELECT * FROM Song").keys_only().fetch(); }), HasSubstr("without keys_only()"));
  });
}

TEST_F(Gql, Aggregations) {
  in_new_context(client_, [&] {
    stub_->answer_aggregation = [](const auto&) {
      wire::RunAggregationQueryResponse response;
      auto& values = *response.mutable_batch()->add_aggregation_results()->mutable_aggregate_properties();
      values["n"] = *ndb::detail::encode_value(ndb::Value(6));
      values["property_1"] = *ndb::detail::encode_value(ndb::Value(3.5));
      return response;
    };
    const auto query = ndb::gql("SELECT COUNT(*) AS n, AVG(n) FROM Song WHERE n > @1", 0);
    const auto values = query.aggregate();
    EXPECT_EQ(values.at("n"), ndb::Value(6));
    EXPECT_EQ(values.at("property_1"), ndb::Value(3.5));
    EXPECT_EQ(query.aggregate_async().get(), values);
    EXPECT_EQ(stub_->aggregations.front().gql_query().positional_bindings_size(), 1);
  });
}

// With a real parser: texts, and how many songs they find.
TEST_F(Gql, TheLocalDatastoreUnderstandsIt) {
  learn_results();  // a cursor behind each song
  stub_->batch_size = 2;
  in_new_context(client_, [&] {
    const auto behind = [&](std::size_t n) { return ndb::Cursor::from_bytes(results_.at(n - 1).cursor()); };
    EXPECT_THAT(numbers(ndb::gql<Song>("SELECT * FROM Song WHERE n > 4").fetch()), ElementsAre(5, 6));
    EXPECT_THAT(numbers(Song::gql("WHERE n > @1 AND n < @2 ORDER BY n DESC", 1, 5).fetch()), ElementsAre(4, 3, 2));
    EXPECT_THAT(numbers(Song::gql("WHERE title = @t ORDER BY n LIMIT 3 OFFSET 1", ndb::named("t", "s")).fetch()),
                ElementsAre(2, 3, 4));
    EXPECT_THAT(numbers(Song::gql("WHERE n IN @1 ORDER BY n", ndb::Array{2, 5, 7}).fetch()), ElementsAre(2, 5));
    EXPECT_THAT(numbers(Song::gql("ORDER BY n OFFSET @c", ndb::named("c", behind(4))).fetch()), ElementsAre(5, 6));
    EXPECT_THAT(numbers(Song::gql("ORDER BY n LIMIT @1", behind(2)).fetch()), ElementsAre(1, 2));
    EXPECT_THAT(numbers(Song::gql("ORDER BY n").fetch(5)), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_THAT(ndb::gql("SELECT __key__ WHERE __key__ HAS ANCESTOR @1", ndb::key<Song>(3)).keys_only().fetch(),
                ElementsAre(results_key(3)));
    EXPECT_EQ(ndb::gql("SELECT n, title FROM Song ORDER BY n").project(Song::n).fetch().back()[Song::n], 6);
    EXPECT_EQ(ndb::gql("SELECT DISTINCT title FROM Song").project().fetch().size(), 1u);
    EXPECT_EQ(ndb::gql("SELECT COUNT(*) AS n, SUM(n) FROM Song WHERE n > @1", 4).aggregate(),
              (std::map<std::string, ndb::Value>{{"n", 2}, {"property_1", 11}}));
    EXPECT_EQ(Song::gql("WHERE n > 99").get().key(), ndb::Key());
    EXPECT_EQ(Song::gql("").in_namespace("elsewhere").fetch().size(), 0u);
    EXPECT_EQ(Odd::gql("").fetch().size(), 0u);
    EXPECT_THROW(Song::gql("WHERE n = @1").fetch(), ndb::Error);    // nothing is bound
    EXPECT_THROW(Song::gql("WHERE n = 1", 2).fetch(), ndb::Error);  // nobody uses it
    EXPECT_THROW(Song::gql("WHERE").fetch(), ndb::Error);
    ndb::Entity::make("Note", ndb::id(1), {{"n", 1}}).put();
    EXPECT_THROW(ndb::gql<Song>("SELECT * FROM Note").fetch(), ndb::KindError);
    EXPECT_THROW(ndb::gql<Song>("SELECT * FROM Note").fetch(1, {.use_cache = false}), ndb::KindError);
    EXPECT_EQ(ndb::gql("SELECT * FROM Note").fetch().size(), 1u);

    const auto page = Song::gql("WHERE n < 4 ORDER BY n").fetch_page(2);
    EXPECT_THAT(numbers(page.results), ElementsAre(1, 2));
    EXPECT_TRUE(page.more);
  });
}

TEST_F(Gql, BadBindingsAreNamed) {
  in_new_context(client_, [&] {
    try {
      ndb::gql("SELECT * FROM Song WHERE n = @a", ndb::named("a", 1), ndb::named("a", 2)).fetch();
      ADD_FAILURE();
    } catch (const ndb::BadArgumentError& error) {
      EXPECT_THAT(error.what(), HasSubstr("@a is bound twice"));
    }
    try {
      ndb::gql("SELECT * FROM Song WHERE n = @2", 1, std::string("\xff")).fetch();
      ADD_FAILURE();
    } catch (const ndb::BadValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr("@2"));
    }
    stub_->answer = [](const auto&) -> Answer { return absl::InvalidArgumentError("GQL query error: at SELEC"); };
    try {
      ndb::gql("SELEC").fetch();
      ADD_FAILURE();
    } catch (const ndb::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("GQL \"SELEC\""));
      EXPECT_THAT(error.what(), HasSubstr("query error"));
    }
  });
}

}  // namespace
