// Random operations against the server and against a plain map, compared after every step.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <tuple>

#include "local_datastore/datastore_client.h"
#include "support/random_test.h"

namespace ndb::testing {
namespace {

constexpr int kIds = 12;

// What the Datastore is to be: entities by id, each a number. Keys are K:1 to K:12, every third below Root:1.
using Model = std::map<std::int64_t, std::int64_t>;

v1::Key key_of(std::int64_t id) { return id % 3 == 0 ? key("Root", 1, "K", id) : key("K", id); }
std::int64_t id_of(const v1::Key& k) { return k.path(k.path_size() - 1).id(); }

class ModelTest : public ::testing::TestWithParam<LocalDatastore::Concurrency> {
 protected:
  std::int64_t random(std::int64_t below) { return std::uniform_int_distribution<std::int64_t>(0, below - 1)(random_); }

  v1::Mutation random_mutation(std::int64_t id, Model& model, grpc::StatusCode& code) {
    const v1::Entity written = entity(key_of(id), {{"n", integer(random(5))}});
    const std::int64_t n = written.properties().at("n").integer_value();
    const bool exists = model.contains(id);
    switch (random(4)) {
      case 0:
        if (exists && code == grpc::OK) code = grpc::ALREADY_EXISTS;
        model[id] = n;
        return insert(written);
      case 1:
        if (!exists && code == grpc::OK) code = grpc::NOT_FOUND;
        model[id] = n;
        return update(written);
      case 2:
        model[id] = n;
        return upsert(written);
      default:
        model.erase(id);
        return erase(key_of(id));
    }
  }

  // One to three mutations of different entities; `after` is the model if they are applied.
  std::vector<v1::Mutation> random_mutations(Model& after, grpc::StatusCode& code, std::set<std::int64_t>& touched) {
    std::vector<v1::Mutation> mutations;
    for (std::int64_t i = 0, count = 1 + random(3); i < count; ++i) {
      const std::int64_t id = 1 + random(kIds);
      if (touched.insert(id).second) mutations.push_back(random_mutation(id, after, code));
    }
    return mutations;
  }

  void commit() {
    Model after = model_;
    grpc::StatusCode code = grpc::OK;
    std::set<std::int64_t> touched;
    const auto reply = client_.commit(random_mutations(after, code, touched));
    ASSERT_EQ(reply.status.error_code(), code) << reply.status.error_message();
    if (code != grpc::OK) return;
    const std::int64_t version = reply->mutation_results(0).version();
    ASSERT_GT(version, last_version_);
    last_version_ = version;
    model_ = after;
    history_.emplace_back(version, model_);
    if (history_.size() > 50) history_.erase(history_.begin());
  }

  // Reads the kind or one entity. Someone else may write in between: if it was something read, either he is refused or
  // the commit is.
  void transaction() {
    const std::string id = client_.begin();
    std::optional<std::int64_t> read_one;
    if (random(2) == 0) {
      v1::ReadOptions options;
      options.set_transaction(id);
      ASSERT_EQ(read_kind(options), model_);
    } else {
      read_one = 1 + random(kIds);
      ASSERT_EQ(client_.lookup(id, {key_of(*read_one)})->found_size() == 1, model_.contains(*read_one));
    }
    bool conflict = false;
    if (random(2) == 0) {
      const std::int64_t other = 1 + random(kIds);
      conflict = !read_one.has_value() || *read_one == other;
      const bool refused = conflict && GetParam() == LocalDatastore::Concurrency::kPessimistic;
      const auto outside = client_.commit({upsert(entity(key_of(other), {{"n", integer(9)}}))});
      ASSERT_EQ(outside.status.error_code(), refused ? grpc::ABORTED : grpc::OK);
      if (refused) {
        conflict = false;
      } else {
        model_[other] = 9;
      }
    }
    Model after = model_;
    grpc::StatusCode code = grpc::OK;
    std::set<std::int64_t> touched;
    const auto reply = client_.commit(id, random_mutations(after, code, touched));
    ASSERT_EQ(reply.status.error_code(), conflict ? grpc::ABORTED : code) << reply.status.error_message();
    if (reply.ok()) {
      model_ = after;
      last_version_ = reply->mutation_results(0).version();
    }
    history_.clear();
  }

  Model read_kind(const v1::ReadOptions& options = {}) {
    v1::Query query;
    query.add_kind()->set_name("K");
    Model out;
    const auto reply = client_.run(query, options);
    for (const v1::EntityResult& result : reply->batch().entity_results()) {
      out[id_of(result.entity().key())] = result.entity().properties().at("n").integer_value();
    }
    return out;
  }

  // A filter and an order on n, against the model's answer.
  void query() {
    const std::int64_t bound = random(10);
    v1::Query query;
    query.add_kind()->set_name("K");
    v1::PropertyFilter& filter = *query.mutable_filter()->mutable_property_filter();
    filter.mutable_property()->set_name("n");
    filter.set_op(v1::PropertyFilter::GREATER_THAN_OR_EQUAL);
    *filter.mutable_value() = integer(bound);
    std::vector<std::pair<std::int64_t, std::int64_t>> expected;  // (n, id), as far as their order is the same
    for (const auto& [id, n] : model_) {
      if (n >= bound) expected.emplace_back(n, id);
    }
    // Keys below Root sort after those of kind K, which have no parent.
    std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
      return std::tuple(a.first, a.second % 3 == 0, a.second) < std::tuple(b.first, b.second % 3 == 0, b.second);
    });
    std::vector<std::pair<std::int64_t, std::int64_t>> got;
    query.mutable_limit()->set_value(4);  // in pages
    for (;;) {
      const auto reply = client_.run(query);
      for (const v1::EntityResult& result : reply->batch().entity_results()) {
        got.emplace_back(result.entity().properties().at("n").integer_value(), id_of(result.entity().key()));
      }
      if (reply->batch().entity_results().empty()) break;
      query.set_start_cursor(reply->batch().end_cursor());
    }
    ASSERT_EQ(got, expected);
  }

  void past() {
    if (history_.empty()) return;
    const auto& [version, model] =
        history_[static_cast<std::size_t>(random(static_cast<std::int64_t>(history_.size())))];
    v1::ReadOptions options;
    options.mutable_read_time()->set_seconds(version / 1'000'000);
    options.mutable_read_time()->set_nanos(static_cast<std::int32_t>(version % 1'000'000 * 1000));
    ASSERT_EQ(read_kind(options), model);
  }

  std::unique_ptr<LocalDatastore> server_ =
      LocalDatastore::start({.concurrency = GetParam(), .lock_timeout = std::chrono::milliseconds(1)});
  DatastoreClient client_{*server_};
  Model model_;
  std::vector<std::pair<std::int64_t, Model>> history_;
  std::int64_t last_version_ = 0;
  std::mt19937_64 random_;
};

INSTANTIATE_TEST_SUITE_P(Modes, ModelTest,
                         ::testing::Values(LocalDatastore::Concurrency::kPessimistic,
                                           LocalDatastore::Concurrency::kOptimistic));

TEST_P(ModelTest, RandomOperationsAgreeWithAMap) {
  const std::uint64_t steps = test_steps(2500);
  random_.seed(test_seed());
  for (std::uint64_t step = 0; step < steps; ++step) {
    SCOPED_TRACE(step);
    switch (random(6)) {
      case 0:
        transaction();
        break;
      case 1:
        query();
        break;
      case 2:
        past();
        break;
      default:
        commit();
        break;
    }
    ASSERT_EQ(read_kind(), model_);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace ndb::testing
