// Requests within the limits take work that is linear in their size, except for a logarithm. Work is counted and not
// timed: allocated bytes, because repeated copies are repeated allocations, and entities that are read.
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "local_datastore/allocations.h"
#include "local_datastore/datastore_client.h"
#include "local_datastore/gql/parser.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/query_builders.h"
#include "local_datastore/write/mutation.h"
#include "local_datastore/write/property_mask.h"
#include "local_datastore/write/transform.h"

namespace ndb::testing {
namespace {

using F = v1::PropertyFilter;
using ::testing::HasSubstr;

struct WorkCase {
  const char* what;
  std::function<std::size_t(int)> work;
  int size;  // and twice that
};

void expect_linear(const std::vector<WorkCase>& cases) {
  for (const auto& [what, work, size] : cases) {
    const auto once = static_cast<double>(work(size));
    const auto twice = static_cast<double>(work(2 * size));
    EXPECT_LT(twice, 2.6 * once) << what << ": " << once << " bytes for " << size;
  }
}

local::Scope scope() { return {.project = kProject, .database = ""}; }

std::size_t work_of_plan(const v1::Query& query) {
  v1::Query copy = query;
  v1::PartitionId partition;
  const local::Scope in = scope();
  const std::size_t before = allocated_bytes();
  EXPECT_TRUE(local::plan_query(copy, partition, in).ok());
  return allocated_bytes() - before;
}

std::size_t work_of_gql(const std::string& text) {
  const v1::GqlQuery query = gql(text);
  const std::size_t before = allocated_bytes();
  EXPECT_TRUE(local::parse_gql_query(query, {}).ok());
  return allocated_bytes() - before;
}

TEST(WorkTest, PlansAreLinear) {
  expect_linear({
      {"AND", [](int n) { return work_of_plan(of("K", all(equalities(n)))); }, 50},
      {"AND of alternatives",
       [](int n) {
         std::vector<v1::Filter> filters = equalities(n);
         filters.front() = where("a", F::IN, array(integers(30)));
         return work_of_plan(of("K", all(filters)));
       },
       50},
      {"OR", [](int n) { return work_of_plan(of("K", any(equalities(n)))); }, 15},
      {"IN", [](int n) { return work_of_plan(of("K", where("a", F::IN, array(integers(n))))); }, 15},
      {"orders", [](int n) { return work_of_plan(ordered_by(n)); }, 50},
      {"projection", [](int n) { return work_of_plan(projecting(n)); }, 50},
      {"distinct_on", [](int n) { return work_of_plan(distinct_on(n)); }, 50},
      {"long names",
       [](int n) {
         return work_of_plan(of("K", where(std::string(static_cast<std::size_t>(n), 'n'), F::EQUAL, integer(1))));
       },
       750},
      {"GQL conditions", [](int n) { return work_of_gql(repeated("SELECT * FROM K WHERE ", n, "p#=1", " AND ")); }, 50},
      {"GQL properties", [](int n) { return work_of_gql(repeated("SELECT ", n, "p#", ",") + " FROM K"); }, 5000},
      {"GQL path", [](int n) { return work_of_gql(repeated("SELECT ", n, "p", ".") + " FROM K"); }, 5000},
      {"GQL string",
       [](int n) { return work_of_gql("SELECT * WHERE a = '" + std::string(static_cast<std::size_t>(n), 'x') + "'"); },
       100'000},
      {"GQL parentheses",
       [](int n) {
         const auto size = static_cast<std::size_t>(n);
         return work_of_gql("SELECT * WHERE " + std::string(size, '(') + "a = 1" + std::string(size, ')'));
       },
       25},
      {"GQL key", [](int n) { return work_of_gql(repeated("SELECT * WHERE a = KEY(", n, "K,1", ",") + ")"); }, 50},
  });
}

std::size_t work_of(const std::function<void()>& run) {
  const std::size_t before = allocated_bytes();
  run();
  return allocated_bytes() - before;
}

v1::PropertyMask mask_of_paths(int count, const std::function<std::string(int)>& path) {
  v1::PropertyMask mask;
  for (int i = 0; i < count; ++i) mask.add_paths(path(i));
  return mask;
}

// One entity is read through a mask once per result, so a long mask must cost no more than the entity.
TEST(WorkTest, MasksAreLinear) {
  v1::Entity wide = entity(key("K", 1), {{"a.b", integer(1)}, {"large", unindexed(text(std::string(100'000, 'x')))}});
  for (int i = 0; i < 500; ++i) (*wide.mutable_properties())[numbered(i)] = integer(i);
  const auto large = [](int i) {  // the same property in many spellings
    std::string path;
    for (const char c : std::string("large")) {
      if (i % 2 == 1) path.push_back('\\');
      path.push_back(c);
      i /= 2;
    }
    return path;
  };
  const auto read = [&](const v1::PropertyMask& mask) {
    const auto parsed = local::ReadMask::of(mask);
    return work_of([&] { EXPECT_GT(parsed->apply(wide).properties().size(), 0U); });
  };
  EXPECT_LT(read(mask_of_paths(32, large)), 250'000U);
  EXPECT_LT(static_cast<double>(read(mask_of_paths(5000, numbered))),
            1.2 * static_cast<double>(read(mask_of_paths(500, numbered))));
  expect_linear({
      {"parse",
       [&](int n) { return work_of([&] { EXPECT_TRUE(local::ReadMask::of(mask_of_paths(n, numbered)).ok()); }); }, 500},
      {"parse a deep path",
       [&](int n) {
         const std::string path = repeated("", n, "a", ".");
         return work_of([&] { EXPECT_TRUE(local::ReadMask::of(mask_of_paths(1, [&](int) { return path; })).ok()); });
       },
       100'000},
      {"write",
       [&](int n) {
         const v1::PropertyMask mask = mask_of_paths(n, numbered);
         v1::Entity entity;
         local::Transformer current(entity, local::Version(1));
         return work_of([&] { EXPECT_TRUE(local::write_masked(wide, mask, current).ok()); });
       },
       250},
  });
  v1::Entity written;
  local::Transformer current(written, local::Version(1));
  const v1::PropertyMask spellings = mask_of_paths(32, large);
  EXPECT_LT(work_of([&] { EXPECT_TRUE(local::write_masked(wide, spellings, current).ok()); }), 250'000U);
}

// A commit may have 500 transforms of an array that has a megabyte already.
TEST(WorkTest, ArrayTransformsAreLinear) {
  const auto transformed = [](int n, bool appends) {
    v1::Entity whole = entity(key("K", 1), {{"a", array(integers(n))}, {"b", array(integers(n))}});
    local::Transformer transformer(whole, local::Version(1));
    const std::size_t work = work_of([&] {
      for (int i = 0; i < n; ++i) {
        v1::PropertyTransform transform;
        transform.set_property(i % 2 == 0 ? "a" : "b");
        v1::ArrayValue& elements =
            appends ? *transform.mutable_append_missing_elements() : *transform.mutable_remove_all_from_array();
        *elements.add_values() = integer(appends ? n + i : i);
        v1::Value result;
        EXPECT_TRUE(transformer.apply(transform, result).ok());
      }
      transformer.finish();
    });
    const int left = appends ? n + n / 2 : n - n / 2;
    for (const char* name : {"a", "b"}) EXPECT_EQ(whole.properties().at(name).array_value().values_size(), left);
    return work;
  };
  expect_linear({
      {"append_missing_elements", [&](int n) { return transformed(n, true); }, 400},
      {"remove_all_from_array", [&](int n) { return transformed(n, false); }, 400},
  });
}

// All of them may be about one entity, which is large.
TEST(WorkTest, MutationsOfOneEntityAreLinear) {
  const auto mutated = [](int n, const std::function<void(int, v1::Mutation&)>& change) {
    local::EntityState state;
    v1::Entity large = entity(key("K", 1), {{"a", array(integers(n))}});
    for (int i = 0; i < n; ++i) (*large.mutable_properties())[numbered(i)] = integer(i);
    v1::MutationResult ignored;
    const std::size_t work = work_of([&] {
      EXPECT_TRUE(local::apply_mutation(upsert(large), local::Version(1), state, ignored).ok());
      for (int i = 0; i < n; ++i) {
        v1::Mutation mutation = upsert(entity(key("K", 1), {{numbered(i), integer(-i)}}));
        change(i, mutation);
        v1::MutationResult result;
        EXPECT_TRUE(local::apply_mutation(mutation, local::Version(1), state, result).ok());
      }
      EXPECT_TRUE(local::finish_mutations(state).ok());
    });
    v1::Entity stored;
    EXPECT_TRUE(stored.ParseFromString(state.entity));
    EXPECT_EQ(stored.properties_size(), n + 1);
    EXPECT_EQ(stored.properties().at(numbered(n - 1)).integer_value(), 1 - n);
    return std::pair(work, stored.properties().at("a").array_value().values_size());
  };
  const auto masked = [](int i, v1::Mutation& mutation) { mutation.mutable_property_mask()->add_paths(numbered(i)); };
  const auto appending = [&](int i, v1::Mutation& mutation) {
    masked(i, mutation);
    v1::PropertyTransform& transform = *mutation.add_property_transforms();
    transform.set_property("a");
    *transform.mutable_append_missing_elements()->add_values() = integer(-1 - i);
  };
  EXPECT_EQ(mutated(100, masked).second, 100);
  EXPECT_EQ(mutated(100, appending).second, 200);
  expect_linear({
      {"masks", [&](int n) { return mutated(n, masked).first; }, 200},
      {"masks and transforms", [&](int n) { return mutated(n, appending).first; }, 200},
  });
}

class ArrayScanTest : public ::testing::Test {
 protected:
  v1::RunQueryRequest analyzed(const v1::Query& query) {
    v1::RunQueryRequest request;
    *request.mutable_query() = query;
    request.mutable_explain_options()->set_analyze(true);
    return request;
  }

  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start();
  DatastoreClient client_{*server_};
};

// The index of an array has an entry per value. However many there are, the entity is read once.
TEST_F(ArrayScanTest, EntitiesAreReadOnce) {
  constexpr int kEntities = 3;
  std::vector<v1::Mutation> mutations;
  for (int i = 0; i < kEntities; ++i) {
    mutations.push_back(
        upsert(entity(key("K", i + 1), {{"a", array(integers(500))}, {"b", array(integers(7))}, {"n", integer(i)}})));
  }
  ASSERT_TRUE(client_.commit(mutations).ok());
  const v1::Filter not_negative = where("a", F::GREATER_THAN_OR_EQUAL, integer(0));
  const struct {
    v1::Query query;
    int results;  // of the first batch
  } cases[] = {
      {of("K", not_negative), 3},
      {project(of("K", not_negative), {"__key__"}), 3},
      {ordered(of("K"), "a"), 3},
      {ordered(of("K"), "-a"), 3},
      {ordered(ordered(of("K"), "a"), "-n"), 3},
      {ordered(of("K", not_negative), "-a"), 3},
      {of("K", where("a", F::NOT_EQUAL, integer(5))), 3},
      {of("K", all({not_negative, where("b", F::GREATER_THAN, integer(3))})), 3},
      {of("K", all({not_negative, where("n", F::EQUAL, integer(1))})), 1},
      {of("K", any({not_negative, where("a", F::LESS_THAN, integer(-5))})), 3},
      {project(of("K", not_negative), {"a", "b"}), 300},
      {project(of("K", where("b", F::GREATER_THAN, integer(3))), {"b", "a"}), 300},
  };
  for (const auto& [query, results] : cases) {
    SCOPED_TRACE(query.ShortDebugString());
    const auto reply = client_.call(&v1::Datastore::Stub::RunQuery, analyzed(query));
    EXPECT_EQ(reply->batch().entity_results_size(), results);
    const auto& fields = reply->explain_metrics().execution_stats().debug_stats().fields();
    EXPECT_LE(std::stoi(fields.at("documents_scanned").string_value()), kEntities);
    v1::RunAggregationQueryRequest count;
    *count.mutable_aggregation_query()->mutable_nested_query() = query;
    count.mutable_aggregation_query()->add_aggregations()->mutable_count();
    count.mutable_explain_options()->set_analyze(true);
    const auto counted = client_.call(&v1::Datastore::Stub::RunAggregationQuery, count);
    const auto& of_count = counted->explain_metrics().execution_stats().debug_stats().fields();
    EXPECT_LE(std::stoi(of_count.at("documents_scanned").string_value()), kEntities);
  }
}

// The combinations of several arrays are limited, as a composite index of them is in the cloud.
TEST_F(ArrayScanTest, CombinationsAreBounded) {
  ASSERT_TRUE(client_
                  .commit({upsert(entity(key("Many", 1), {{"a", array(integers(150))}, {"b", array(integers(150))}})),
                           upsert(entity(key("Long", 1), {{"a", array(integers(100))},
                                                          {"b", array(integers(100))},
                                                          {"text", text(std::string(1000, 'x'))}})),
                           upsert(entity(
                               key("Sum", 1),
                               {{"a", array(integers(30))}, {"b", array(integers(30))}, {"n", array(integers(100))}}))})
                  .ok());
  EXPECT_THAT(client_.run(project(of("Many"), {"a", "b"})).status.error_message(),
              HasSubstr("more than 20000 combinations of the values of [Many: 1]"));
  EXPECT_THAT(client_.run(project(of("Long"), {"a", "b", "text"})).status.error_message(),
              HasSubstr("values of [Long: 1] that take"));
  EXPECT_EQ(client_.run(project(of("Long"), {"a", "b"}))->batch().entity_results_size(), 300);

  v1::RunAggregationQueryRequest sum;
  *sum.mutable_aggregation_query()->mutable_nested_query() = project(of("Sum"), {"a", "b"});
  sum.mutable_aggregation_query()->add_aggregations()->mutable_sum()->mutable_property()->set_name("n");
  const auto reply = client_.call(&v1::Datastore::Stub::RunAggregationQuery, sum);
  EXPECT_EQ(reply->batch().aggregation_results(0).aggregate_properties().at("property_1").integer_value(),
            30 * 30 * (99 * 100 / 2));
}

}  // namespace
}  // namespace ndb::testing
