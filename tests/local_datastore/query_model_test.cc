// Random queries, answered from indexes by the server and by looking at every entity here: the rows in their order as
// the server's own rules make them of the entities, and the entities among them as plain rules do, written down here.
#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "local_datastore/datastore_client.h"
#include "local_datastore/plain_query.h"
#include "local_datastore/query_run.h"
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
    switch (random(6)) {
      case 0:
        return null();
      case 1:
        return text(std::string(1, static_cast<char>('a' + random(3))));
      case 2:
        return real(static_cast<double>(random(3)));
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
    if (random(6) == 0) {
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
    if (random(5) == 0) query.add_distinct_on()->set_name(random_name());
    if (random(4) == 0) query.set_offset(static_cast<std::int32_t>(random(4)));
    return query;
  }

  // A row as text: its key, and what is projected.
  static std::string describe(const v1::Key& k, std::map<std::string, std::string> projected) {
    std::string out = k.path(k.path_size() - 1).ShortDebugString();
    for (const auto& [name, value] : projected) out += " " + name + "=" + value;
    return out;
  }

  // All rows, by looking at every entity; nothing if there can be no such query.
  std::optional<std::vector<std::string>> expected(v1::Query query, const Model& model) {
    v1::PartitionId partition;
    const auto plan = local::plan_query(query, partition, {.project = kProject, .database = ""});
    if (!plan.ok()) return std::nullopt;
    std::vector<v1::Entity> entities;
    for (const auto& [where, item] : model) {
      const v1::Key& k = item.key();
      if (plan->kind.empty() || k.path(k.path_size() - 1).kind() == plan->kind) entities.push_back(item);
    }
    std::vector<std::string> out;
    const absl::Status status =
        local::for_each_row_of(entities, *plan, local::kAllRows, [&](const local::QueryRow& row) {
          std::map<std::string, std::string> projected;
          for (std::size_t i = 0; i < plan->projection.size(); ++i) {
            projected[plan->projection[i]] = row.projected[i].ShortDebugString();
          }
          v1::Key k;
          EXPECT_TRUE(local::decode_path(row.path, k));
          out.push_back(describe(k, projected));
          return true;
        });
    EXPECT_TRUE(status.ok()) << status;
    out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(
                                             std::min(out.size(), static_cast<std::size_t>(query.offset()))));
    return out;
  }

  // The same from the server, page by page.
  std::vector<std::string> answered(v1::Query query, const v1::ReadOptions& options) {
    std::vector<std::string> out;
    query.mutable_limit()->set_value(static_cast<std::int32_t>(1 + random(7)));
    const bool projects = query.projection_size() > 0 && query.projection(0).property().name() != "__key__";
    for (int page = 0; page < 200; ++page) {
      const auto reply = client_.run(query, options);
      for (const v1::EntityResult& result : reply->batch().entity_results()) {
        std::map<std::string, std::string> projected;
        for (const auto& [name, value] : result.entity().properties()) {
          if (projects) projected[name] = value.ShortDebugString();
        }
        out.push_back(describe(result.entity().key(), projected));
      }
      if (reply->batch().more_results() == Batch::NO_MORE_RESULTS || !reply.ok()) return out;
      query.set_start_cursor(reply->batch().end_cursor());
      query.set_offset(query.offset() - reply->batch().skipped_results());
      if (reply->batch().entity_results().empty() && reply->batch().skipped_results() == 0) return out;
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
    if (random(3) == 0 && !history_.empty()) {
      const auto& [version, past] = history_[random(history_.size())];
      model = &past;
      options.mutable_read_time()->set_seconds(version / 1'000'000);
      options.mutable_read_time()->set_nanos(static_cast<std::int32_t>(version % 1'000'000 * 1000));
    }
    const auto rows = expected(query, *model);
    if (!rows.has_value()) {
      ASSERT_FALSE(client_.run(query, options).ok());
      return;
    }
    ++answered_;
    const std::vector<std::string> got = answered(query, options);
    ASSERT_EQ(got, *rows);
    ASSERT_EQ(counted(query, options), static_cast<std::int64_t>(rows->size()));
    if (query.projection().empty()) {
      v1::Query keys_only = query;
      keys_only.add_projection()->mutable_property()->set_name("__key__");
      ASSERT_EQ(answered(keys_only, options), *rows);
    }
    if (query.offset() == 0 && query.distinct_on().empty()) check_selection(query, *model, got);
  }

  // The entities among the rows, against the plain rules.
  void check_selection(const v1::Query& query, const Model& model, const std::vector<std::string>& rows) {
    const PlainQuery plain(query);
    ++selected_;
    std::set<std::string> expected, got;
    for (const auto& [where, item] : model) {
      if (plain.selects(item)) expected.insert(describe(item.key(), {}));
    }
    for (const std::string& row : rows) got.insert(row.substr(0, row.find('=') - 2));  // without what is projected
    ASSERT_EQ(got, expected);
  }

  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start();
  DatastoreClient client_{*server_};
  Model model_;
  std::deque<std::pair<std::int64_t, Model>> history_;
  std::mt19937_64 random_;
  int answered_ = 0;
  int selected_ = 0;
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
  EXPECT_GT(selected_, steps / 10) << "and many are among those whose entities the plain rules know";
}

}  // namespace
}  // namespace ndb::testing
