// Random queries, answered from indexes by the server, and by the simple rules of plain_query.h, which share no code
// with it.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "local_datastore/datastore_client.h"
#include "local_datastore/plain_query.h"
#include "support/random_test.h"

namespace ndb::testing {
namespace {

using F = v1::PropertyFilter;
using Batch = v1::QueryResultBatch;

class QueryModelTest : public ::testing::Test {
 protected:
  using Model = std::map<std::string, v1::Entity>;  // by the serialized key
  static constexpr std::uint64_t kIds = 25;

  std::uint64_t random(std::uint64_t below) { return random_() % below; }

  v1::Key random_key() {
    const auto id = static_cast<std::int64_t>(1 + random(kIds));
    v1::Key out = id % 3 == 0 ? key("Root", id % 2 + 1, "K", id) : key("K", id);
    if (id % 11 == 0) out = key("Root", 1);
    out.mutable_partition_id()->set_project_id(kProject);
    return out;
  }

  v1::Value random_value() {
    v1::Value out;
    switch (random(12)) {
      case 0:
        return null();
      case 1:
        return boolean(random(2) == 0);
      case 2:
        return text(std::string(1, static_cast<char>('a' + random(3))));
      case 3:
        out.set_blob_value(std::string(1, static_cast<char>('a' + random(3))));
        return out;
      case 4:
        return real(random(4) == 0 ? std::nan("") : static_cast<double>(random(3)) * -1.0);  // also -0
      case 5:
        out.mutable_timestamp_value()->set_nanos(static_cast<std::int32_t>(random(5)) * 1000);
        return out;
      case 6:
        out.mutable_geo_point_value()->set_latitude(static_cast<double>(random(2)));
        out.mutable_geo_point_value()->set_longitude(static_cast<double>(random(2)));
        return out;
      case 7:
        return key_value(random_key());
      default:
        return integer(static_cast<std::int64_t>(random(5)));
    }
  }

  v1::Entity random_entity() {
    v1::Entity out = entity(random_key());
    for (const char* name : {"a", "b", "c"}) {
      std::vector<v1::Value> values;
      for (std::uint64_t n = random(4) == 0 ? random(4) : 1; n > 0; --n) values.push_back(random_value());
      switch (random(8)) {
        case 0:
          break;  // has none
        case 1:
          (*out.mutable_properties())[name] = unindexed(random_value());
          break;
        default:
          (*out.mutable_properties())[name] = values.size() == 1 ? values[0] : array(values);
      }
    }
    return out;
  }

  void write() {
    std::vector<v1::Mutation> mutations;
    Model after = model_;
    std::set<std::string> touched;
    for (std::uint64_t n = 1 + random(4); n > 0; --n) {
      const v1::Entity written = random_entity();
      const std::string where = written.key().SerializeAsString();
      if (!touched.insert(where).second) continue;
      if (random(4) == 0) {
        mutations.push_back(erase(written.key()));
        after.erase(where);
      } else {
        mutations.push_back(upsert(written));
        after[where] = written;
      }
    }
    const auto reply = client_.commit(mutations);
    model_ = std::move(after);
    history_.emplace_back(reply->mutation_results(0).version(), model_);
    if (history_.size() > 20) history_.pop_front();
  }

  std::string random_name() { return std::string(1, static_cast<char>('a' + random(3))); }

  static bool is_list(F::Operator op) { return op == F::IN || op == F::NOT_IN; }

  v1::Filter random_filter() {
    v1::Filter out;
    F& filter = *out.mutable_property_filter();
    if (random(4) == 0) {
      filter.mutable_property()->set_name("__key__");
      constexpr F::Operator kOps[] = {F::HAS_ANCESTOR, F::HAS_ANCESTOR, F::LESS_THAN, F::GREATER_THAN,
                                      F::NOT_EQUAL,    F::NOT_EQUAL,    F::IN,        F::GREATER_THAN_OR_EQUAL,
                                      F::NOT_IN,       F::EQUAL};
      filter.set_op(kOps[random(std::size(kOps))]);
      *filter.mutable_value() = is_list(filter.op())
                                    ? array({key_value(random_key()), key_value(random_key())})
                                    : key_value(filter.op() == F::HAS_ANCESTOR ? key("Root", 1) : random_key());
      return out;
    }
    filter.mutable_property()->set_name(random_name());
    constexpr F::Operator kOps[] = {F::EQUAL,        F::EQUAL,     F::EQUAL, F::LESS_THAN, F::LESS_THAN_OR_EQUAL,
                                    F::GREATER_THAN, F::NOT_EQUAL, F::IN,    F::NOT_IN,    F::GREATER_THAN_OR_EQUAL};
    filter.set_op(kOps[random(std::size(kOps))]);
    *filter.mutable_value() = is_list(filter.op()) ? array({random_value(), random_value()}) : random_value();
    return out;
  }

  v1::Filter random_tree(int depth) {
    if (depth == 0 || random(3) > 0) return random_filter();
    v1::Filter out;
    out.mutable_composite_filter()->set_op(random(3) > 0 ? v1::CompositeFilter::AND : v1::CompositeFilter::OR);
    for (std::uint64_t n = 1 + random(3); n > 0; --n) {
      *out.mutable_composite_filter()->add_filters() = random_tree(depth - 1);
    }
    return out;
  }

  v1::Query random_query() {
    v1::Query query;
    if (random(10) > 0) query.add_kind()->set_name("K");
    if (random(5) > 0) *query.mutable_filter() = random_tree(2);
    for (std::uint64_t n = random(3); n > 0; --n) {
      v1::PropertyOrder& order = *query.add_order();
      order.mutable_property()->set_name(random(5) == 0 ? "__key__" : random_name());
      order.set_direction(random(2) == 0 ? v1::PropertyOrder::ASCENDING : v1::PropertyOrder::DESCENDING);
    }
    if (random(3) == 0) {
      for (std::uint64_t n = 1 + random(2); n > 0; --n) {
        query.add_projection()->mutable_property()->set_name(random_name());
      }
    } else if (random(3) == 0) {
      query.add_projection()->mutable_property()->set_name("__key__");
    }
    if (random(5) == 0) {
      query.add_distinct_on()->set_name(random_name());
      if (random(2) == 0 && query.order_size() > 0) *query.mutable_distinct_on(0) = query.order(0).property();
    }
    if (random(4) == 0) query.set_offset(static_cast<std::int32_t>(random(4)));
    return query;
  }

  static PlainRow row_of(const v1::Query& query, const v1::EntityResult& result) {
    PlainRow out{.key = PlainValue::of(result.entity().key())};
    for (const v1::Projection& projection : query.projection()) {
      const std::string& name = projection.property().name();
      if (name != "__key__") out.projected.push_back(PlainValue::of(result.entity().properties().at(name)));
    }
    return out;
  }

  // The server's rows, page by page; nothing if it refuses the query.
  std::optional<std::vector<PlainRow>> answered(v1::Query query, const v1::ReadOptions& options) {
    std::vector<PlainRow> out;
    const auto limit = static_cast<std::int32_t>(1 + random(20));
    query.mutable_limit()->set_value(limit);
    for (int page = 0; page < 200; ++page) {
      const auto reply = client_.run(query, options);
      if (reply.status.error_code() == grpc::INVALID_ARGUMENT) return std::nullopt;
      for (const v1::EntityResult& result : reply->batch().entity_results()) out.push_back(row_of(query, result));
      if (reply->batch().more_results() == Batch::NO_MORE_RESULTS || !reply.ok()) return out;
      EXPECT_EQ(reply->batch().more_results(), Batch::MORE_RESULTS_AFTER_LIMIT);
      EXPECT_EQ(reply->batch().entity_results_size(), limit);
      query.set_start_cursor(reply->batch().end_cursor());
      query.set_offset(query.offset() - reply->batch().skipped_results());
    }
    ADD_FAILURE() << "the pages do not end";
    return out;
  }

  std::int64_t counted(const v1::Query& query, const v1::ReadOptions& options) {
    v1::RunAggregationQueryRequest request;
    *request.mutable_read_options() = options;
    *request.mutable_aggregation_query()->mutable_nested_query() = query;
    request.mutable_aggregation_query()->add_aggregations()->mutable_count();
    const auto reply = client_.call(&v1::Datastore::Stub::RunAggregationQuery, request);
    return reply->batch().aggregation_results(0).aggregate_properties().at("property_1").integer_value();
  }

  void check_query() {
    const v1::Query query = random_query();
    SCOPED_TRACE(query.DebugString());
    const Model* model = &model_;
    v1::ReadOptions options;
    switch (random(4)) {
      case 0:
        options.set_transaction(client_.begin());
        break;
      case 1: {
        if (history_.empty()) break;
        const auto& [version, past] = history_[random(history_.size())];
        model = &past;
        options.mutable_read_time()->set_seconds(version / 1'000'000);
        options.mutable_read_time()->set_nanos(static_cast<std::int32_t>(version % 1'000'000 * 1000));
        break;
      }
      default:
        break;
    }
    std::vector<v1::Entity> entities;
    for (const auto& [where, item] : *model) entities.push_back(item);
    check_answers(query, options, entities);
    if (options.transaction().empty()) return;
    ASSERT_TRUE(client_.rollback(options.transaction()).ok());
  }

  void check_answers(const v1::Query& query, const v1::ReadOptions& options, const std::vector<v1::Entity>& entities) {
    const auto got = answered(query, options);
    if (!got.has_value()) return;
    ++answered_;
    const PlainQuery plain(query);
    const std::vector<PlainRow> rows = plain.rows(entities);
    ASSERT_EQ(*got, rows);
    ASSERT_EQ(counted(query, options), static_cast<std::int64_t>(rows.size()));
    if (query.projection().empty()) {
      v1::Query keys_only = query;
      keys_only.add_projection()->mutable_property()->set_name("__key__");
      ASSERT_EQ(answered(keys_only, options), rows);
    }
    if (!rows.empty()) check_cursors(query, options, rows, random(rows.size()));
    if (!rows.empty() && query.offset() == 0) check_reversed(query, options, entities, random(rows.size()));
  }

  // Checks the cursor of one row, as the start and as the end.
  void check_cursors(v1::Query query, const v1::ReadOptions& options, const std::vector<PlainRow>& rows,
                     std::size_t at) {
    const auto whole = client_.run(query, options);
    const std::string cursor = whole->batch().entity_results(static_cast<int>(at)).cursor();
    const auto behind = rows.begin() + static_cast<std::ptrdiff_t>(at) + 1;
    query.set_end_cursor(cursor);
    ASSERT_EQ(answered_at_once(query, options), std::vector<PlainRow>(rows.begin(), behind));
    query.clear_end_cursor();
    query.clear_offset();
    query.set_start_cursor(cursor);
    ASSERT_EQ(answered(query, options), std::vector<PlainRow>(behind, rows.end()));
  }

  // Checks the same cursor with all directions reversed: the rows that are not before it in that order.
  void check_reversed(v1::Query query, const v1::ReadOptions& options, const std::vector<v1::Entity>& entities,
                      std::size_t at) {
    if (!query.distinct_on().empty()) return;
    const PlainQuery plain(query);
    const PlainRow row = plain.rows(entities)[at];
    const std::string cursor = client_.run(query, options)->batch().entity_results(static_cast<int>(at)).cursor();
    query.clear_order();
    for (const PlainQuery::Order& order : plain.orders()) {
      v1::PropertyOrder& reversed = *query.add_order();
      reversed.mutable_property()->set_name(order.property);
      reversed.set_direction(order.descending ? v1::PropertyOrder::ASCENDING : v1::PropertyOrder::DESCENDING);
    }
    const PlainQuery reversed(query);
    if (query.kind().empty() || reversed.orders().size() != plain.orders().size()) return;
    if (plain.orders().back().property != "__key__") return;
    std::vector<PlainRow> expected = reversed.rows(entities);
    std::erase_if(expected, [&](const PlainRow& each) { return reversed.comes_before(each, row); });
    query.set_start_cursor(cursor);
    ++reversed_;
    ASSERT_EQ(answered(query, options), expected);
  }

  std::vector<PlainRow> answered_at_once(const v1::Query& query, const v1::ReadOptions& options) {
    std::vector<PlainRow> out;
    const auto reply = client_.run(query, options);
    for (const v1::EntityResult& result : reply->batch().entity_results()) out.push_back(row_of(query, result));
    return out;
  }

  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start();
  DatastoreClient client_{*server_};
  Model model_;
  std::deque<std::pair<std::int64_t, Model>> history_;
  std::mt19937_64 random_;
  int answered_ = 0;
  int reversed_ = 0;
};

TEST_F(QueryModelTest, IndexesAgreeWithTheEntities) {
  const std::uint64_t steps = test_steps(2500);
  random_.seed(test_seed());
  for (std::uint64_t step = 0; step < steps; ++step) {
    SCOPED_TRACE(step);
    random(3) == 0 ? write() : check_query();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  EXPECT_GT(answered_, steps / 4) << "most queries make sense";
  EXPECT_GT(reversed_, steps / 20) << "and many can be turned round";
}

}  // namespace
}  // namespace ndb::testing
