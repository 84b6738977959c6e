// Random operations against the server and against a plain map, compared after every step.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <tuple>
#include <variant>

#include "local_datastore/datastore_client.h"
#include "support/random_test.h"

namespace ndb::testing {
namespace {

constexpr int kIds = 12;
constexpr std::int64_t kPending = -1;  // a version or a server time that the answer to the commit provides

// What the Datastore is to be: entities by namespace and id. A property is a number, an array of numbers, or a time of
// the server; those within the struct s are s.x and s.y. Every entity has an integer n.
using Number = std::variant<std::int64_t, double>;
struct Time {
  std::int64_t micros;
  bool operator==(const Time&) const = default;
};
using Field = std::variant<Number, std::vector<Number>, Time>;
using Fields = std::map<std::string, Field>;
struct Stored {
  Fields fields;
  std::int64_t version;
  std::int64_t created;
  bool operator==(const Stored&) const = default;
};
using Id = std::pair<std::string, std::int64_t>;
using Model = std::map<Id, Stored>;

// Keys are K:1 to K:12, every third below Root:1, and whatever is allocated.
bool below_root(std::int64_t id) { return id > 0 && id <= kIds && id % 3 == 0; }
v1::Key key_of(const Id& id) {
  v1::Key out = below_root(id.second) ? key("Root", 1, "K", id.second) : key("K", id.second);
  out.mutable_partition_id()->set_namespace_id(id.first);
  return out;
}
std::int64_t id_of(const v1::Key& k) { return k.path(k.path_size() - 1).id(); }

std::int64_t micros_of(const google::protobuf::Timestamp& t) { return t.seconds() * 1'000'000 + t.nanos() / 1000; }
void set_micros(google::protobuf::Timestamp& t, std::int64_t micros) {
  t.set_seconds(micros / 1'000'000);
  t.set_nanos(static_cast<std::int32_t>(micros % 1'000'000 * 1000));
}

v1::Value value_of(const Number& n) {
  return std::holds_alternative<double>(n) ? real(std::get<double>(n)) : integer(std::get<std::int64_t>(n));
}
v1::Value value_of(const std::vector<Number>& numbers) {
  std::vector<v1::Value> values;
  for (const Number& n : numbers) values.push_back(value_of(n));
  return array(values);
}
Number number_of(const v1::Value& v) {
  return v.has_double_value() ? Number(v.double_value()) : Number(v.integer_value());
}
Field field_of(const v1::Value& v) {
  if (v.has_timestamp_value()) return Time{micros_of(v.timestamp_value())};
  if (!v.has_array_value()) return number_of(v);
  std::vector<Number> numbers;
  for (const v1::Value& element : v.array_value().values()) numbers.push_back(number_of(element));
  return numbers;
}

v1::Entity entity_of(const v1::Key& key, const Fields& fields) {
  Properties properties;
  Properties parts;
  for (const auto& [path, field] : fields) {
    const v1::Value value = std::holds_alternative<Number>(field) ? value_of(std::get<Number>(field))
                                                                  : value_of(std::get<std::vector<Number>>(field));
    (path.starts_with("s.") ? parts : properties).emplace_back(path.starts_with("s.") ? path.substr(2) : path, value);
  }
  if (!parts.empty()) properties.emplace_back("s", nested(parts));
  return entity(key, properties);
}
Fields fields_of(const v1::Entity& entity, const std::string& prefix = "") {
  Fields out;
  for (const auto& [name, value] : entity.properties()) {
    if (value.has_entity_value()) {
      out.merge(fields_of(value.entity_value(), name + "."));
    } else {
      out.emplace(prefix + name, field_of(value));
    }
  }
  return out;
}

// The rules of masks: a named property is replaced, or removed.
void merge(Fields& stored, const Fields& written, const std::string& path) {
  const auto named = [&path](const auto& field) { return field.first == path || field.first.starts_with(path + "."); };
  std::erase_if(stored, named);
  std::copy_if(written.begin(), written.end(), std::inserter(stored, stored.end()), named);
}

// The rules of transforms.
double real_of(const Number& n) {
  return std::visit([](auto number) { return static_cast<double>(number); }, n);
}
bool contains(const std::vector<Number>& numbers, const Number& wanted) {
  return std::any_of(numbers.begin(), numbers.end(), [&](const Number& n) { return real_of(n) == real_of(wanted); });
}
Number sum(const Number& a, const Number& b) {
  if (a.index() == 0 && b.index() == 0) return std::get<std::int64_t>(a) + std::get<std::int64_t>(b);
  return real_of(a) + real_of(b);
}
std::vector<Number> list_of(const Fields& fields, const std::string& path) {
  const auto found = fields.find(path);
  if (found == fields.end() || !std::holds_alternative<std::vector<Number>>(found->second)) return {};
  return std::get<std::vector<Number>>(found->second);
}

// Mutations of different entities, and their expected results.
struct Plan {
  Model after;
  grpc::StatusCode code = grpc::OK;
  std::vector<v1::Mutation> mutations{};
  std::vector<bool> skipped{};                               // by a conflict
  std::map<std::size_t, Stored> allocated{};                 // what is inserted with an id of the server
  std::vector<std::vector<std::optional<Field>>> results{};  // of transforms; nothing for arrays
  std::set<Id> touched{};
};

class ModelTest : public ::testing::TestWithParam<LocalDatastore::Concurrency> {
 protected:
  std::int64_t random(std::int64_t below) { return std::uniform_int_distribution<std::int64_t>(0, below - 1)(random_); }
  template <class T>
  T one_of(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(random(static_cast<std::int64_t>(choices.size())))];
  }
  std::string random_namespace() { return one_of<std::string>({"", "other"}); }
  Id random_id() {
    if (random(3) != 0 || model_.empty()) return {random_namespace(), 1 + random(kIds)};
    return std::next(model_.begin(), random(static_cast<std::int64_t>(model_.size())))->first;
  }

  Number random_number() {
    if (random(2) == 0) return random(5) - 2;
    return static_cast<double>(random(5) - 2) / 2;
  }
  std::vector<Number> random_numbers() {
    std::vector<Number> out;
    for (std::int64_t i = random(4); i > 0; --i) out.push_back(random_number());
    return out;
  }
  Fields random_fields() {
    Fields out{{"n", Number(random(5))}};
    for (const char* path : {"x", "s.x", "s.y"}) {
      if (random(2) == 0) out.emplace(path, random_number());
    }
    if (random(2) == 0) out.emplace("list", random_numbers());
    return out;
  }

  // Whether the mutation conflicts with the stored entity, if there is one.
  bool random_detection(v1::Mutation& mutation, const Stored* stored) {
    const std::int64_t version = stored != nullptr ? stored->version : 0;
    bool stale = random(2) == 0;
    if (mutation.has_insert()) {
      mutation.set_base_version(0);
      stale = stored != nullptr;
    } else if (random(2) == 0) {
      mutation.set_base_version(stale ? version + 1 : version);
    } else {
      stale = stale || stored == nullptr;
      set_micros(*mutation.mutable_update_time(), stale ? version + 1 : version);
    }
    mutation.set_conflict_resolution_strategy(one_of<v1::Mutation::ConflictResolutionStrategy>(
        {v1::Mutation::STRATEGY_UNSPECIFIED, v1::Mutation::SERVER_VALUE, v1::Mutation::FAIL}));
    return stale;
  }

  std::optional<Field> random_transform(v1::PropertyTransform& transform, Fields& fields) {
    const std::string path = one_of<std::string>({"n", "x", "s.x", "s.y", "list", "t"});
    transform.set_property(path);
    const auto found = fields.find(path);
    const Number* current = found != fields.end() ? std::get_if<Number>(&found->second) : nullptr;
    const Number operand = path == "n" ? Number(random(5) - 2) : random_number();  // n stays an integer
    switch (random(path == "n" ? 3 : 6)) {
      case 0:
        *transform.mutable_increment() = value_of(operand);
        return fields[path] = current != nullptr ? sum(*current, operand) : operand;
      case 1:
        *transform.mutable_maximum() = value_of(operand);
        return fields[path] = current != nullptr && real_of(*current) >= real_of(operand) ? *current : operand;
      case 2:
        *transform.mutable_minimum() = value_of(operand);
        return fields[path] = current != nullptr && real_of(*current) <= real_of(operand) ? *current : operand;
      case 3: {
        std::vector<Number> list = list_of(fields, path);
        const std::vector<Number> added = random_numbers();
        *transform.mutable_append_missing_elements() = value_of(added).array_value();
        for (const Number& n : added) {
          if (!contains(list, n)) list.push_back(n);
        }
        fields[path] = list;
        return std::nullopt;
      }
      case 4: {
        std::vector<Number> list = list_of(fields, path);
        const std::vector<Number> removed = random_numbers();
        *transform.mutable_remove_all_from_array() = value_of(removed).array_value();
        std::erase_if(list, [&removed](const Number& n) { return contains(removed, n); });
        fields[path] = list;
        return std::nullopt;
      }
      default:
        transform.set_set_to_server_value(v1::PropertyTransform::REQUEST_TIME);
        return fields[path] = Time{kPending};
    }
  }

  void add_mutation(Plan& plan) {
    const bool allocates = random(25) == 0;
    const Id id = allocates ? Id{random_namespace(), 0} : random_id();
    if (!allocates && !plan.touched.insert(id).second) return;
    const auto found = plan.after.find(id);
    const Stored* stored = found != plan.after.end() ? &found->second : nullptr;

    v1::Mutation& mutation = plan.mutations.emplace_back();
    std::vector<std::optional<Field>>& results = plan.results.emplace_back();
    const Fields written = random_fields();
    const std::int64_t operation = allocates ? 0 : random(5);
    if (operation == 4) {
      mutation = erase(key_of(id));
    } else {
      const v1::Entity entity = entity_of(key_of(id), written);
      mutation = operation == 0 ? insert(entity) : operation == 1 ? update(entity) : upsert(entity);
    }
    std::vector<std::string> mask;
    if (random(3) == 0) {
      for (const char* path : {"n", "x", "s", "s.x", "s.y", "list", "t", "__key__"}) {
        if (random(3) == 0) mask.emplace_back(path);
      }
      mutation.mutable_property_mask();  // an empty one changes nothing
      for (const std::string& path : mask) mutation.mutable_property_mask()->add_paths(path);
    }
    const bool conflict = !allocates && random(4) == 0 && random_detection(mutation, stored);

    Fields fields = written;
    if (stored != nullptr && mutation.has_property_mask()) {
      fields = stored->fields;
      for (const std::string& path : mask) merge(fields, written, path);
    }
    for (std::int64_t i = operation == 4 ? 0 : random(3); i > 0; --i) {
      results.push_back(random_transform(*mutation.add_property_transforms(), fields));
    }

    const bool fails = conflict && mutation.conflict_resolution_strategy() == v1::Mutation::FAIL;
    grpc::StatusCode code = fails ? grpc::ABORTED : grpc::OK;
    if (!conflict && operation == 0 && stored != nullptr) code = grpc::ALREADY_EXISTS;
    if (!conflict && operation == 1 && stored == nullptr) code = grpc::NOT_FOUND;
    if (plan.code == grpc::OK) plan.code = code;
    plan.skipped.push_back(conflict);
    const Stored next{fields, kPending, stored != nullptr ? stored->created : kPending};
    if (allocates) {
      plan.allocated.emplace(plan.mutations.size() - 1, next);
    } else if (!conflict && operation == 4) {
      plan.after.erase(id);
    } else if (!conflict) {
      plan.after[id] = next;
    }
  }

  Plan random_plan() {
    Plan plan{.after = model_};
    for (std::int64_t count = 1 + random(3); count > 0; --count) add_mutation(plan);
    return plan;
  }

  // The model applies the plan, with the version, the time and the ids of the answer. The version is nothing if all
  // mutations were skipped.
  std::optional<std::int64_t> settle(Plan& plan, const v1::CommitResponse& response) {
    std::optional<std::int64_t> version;
    std::int64_t time = kPending;
    for (std::size_t i = 0; i < plan.mutations.size(); ++i) {
      const v1::MutationResult& result = response.mutation_results(static_cast<int>(i));
      EXPECT_EQ(result.conflict_detected(), plan.skipped[i]);
      if (plan.skipped[i]) continue;
      EXPECT_EQ(result.version(), version.value_or(result.version())) << "one version for all of a commit";
      version = result.version();
      for (const v1::Value& value : result.transform_results()) {
        if (value.has_timestamp_value()) time = micros_of(value.timestamp_value());
      }
      EXPECT_EQ(result.has_key(), plan.allocated.contains(i));
      if (!plan.allocated.contains(i)) continue;
      const Id id{result.key().partition_id().namespace_id(), id_of(result.key())};
      EXPECT_TRUE(plan.after.emplace(id, plan.allocated.at(i)).second) << "an id that is taken";
    }
    const auto known = [time](const Field& field) {
      return field == Field(Time{kPending}) ? Field(Time{time}) : field;
    };
    for (auto& [id, stored] : plan.after) {
      for (auto& [path, field] : stored.fields) field = known(field);
      if (stored.created == kPending) stored.created = *version;
      if (stored.version == kPending) stored.version = *version;
    }
    if (time != kPending) {  // milliseconds, between the last commit and this one
      EXPECT_EQ(time % 1000, 0);
      EXPECT_LE(last_version_ / 1000 * 1000, time);
      EXPECT_LE(time, *version);
    }
    for (std::size_t i = 0; i < plan.mutations.size(); ++i) {
      const auto& results = response.mutation_results(static_cast<int>(i)).transform_results();
      EXPECT_EQ(static_cast<std::size_t>(results.size()), plan.skipped[i] ? 0 : plan.results[i].size());
      for (int j = 0; j < results.size(); ++j) {
        const std::optional<Field>& expected = plan.results[i][static_cast<std::size_t>(j)];
        EXPECT_EQ(results[j].has_null_value(), !expected.has_value());
        EXPECT_TRUE(!expected.has_value() || field_of(results[j]) == known(*expected)) << results[j].DebugString();
      }
    }
    model_ = std::move(plan.after);
    if (version.has_value()) {
      EXPECT_GT(*version, last_version_);
      last_version_ = *version;
    }
    return version;
  }

  void commit() {
    Plan plan = random_plan();
    const auto reply = client_.commit(plan.mutations);
    ASSERT_EQ(reply.status.error_code(), plan.code) << reply.status.error_message();
    if (plan.code != grpc::OK) return;
    const std::optional<std::int64_t> version = settle(plan, *reply.operator->());
    if (!version.has_value()) return;
    history_.emplace_back(*version, model_);
    if (history_.size() > 50) history_.erase(history_.begin());
  }

  // Another client's write of one entity.
  grpc::StatusCode write_outside(const Id& id) {
    const Fields fields{{"n", Number(9)}};
    const auto reply = client_.commit({upsert(entity_of(key_of(id), fields))});
    if (!reply.ok()) return reply.status.error_code();
    last_version_ = reply->mutation_results(0).version();
    const auto [it, fresh] = model_.try_emplace(id, Stored{{}, 0, last_version_});
    it->second.fields = fields;
    it->second.version = last_version_;
    return grpc::OK;
  }

  // Reads the kind in a namespace, or one entity. Another client may write in between: if it writes something that was
  // read, either its write or the commit is refused.
  void transaction() {
    const std::string transaction = client_.begin();
    const Id read_one = random_id();
    const bool reads_kind = random(2) == 0;
    if (reads_kind) {
      v1::ReadOptions options;
      options.set_transaction(transaction);
      ASSERT_EQ(read_kind(read_one.first, options), part_of(model_, read_one.first));
    } else {
      ASSERT_EQ(client_.lookup(transaction, {key_of(read_one)})->found_size() == 1, model_.contains(read_one));
    }
    bool conflict = false;
    if (random(2) == 0) {
      const Id other = random_id();
      conflict = reads_kind ? other.first == read_one.first : other == read_one;
      const bool refused = conflict && GetParam() == LocalDatastore::Concurrency::kPessimistic;
      ASSERT_EQ(write_outside(other), refused ? grpc::ABORTED : grpc::OK);
      if (refused) conflict = false;
    }
    Plan plan = random_plan();
    const auto reply = client_.commit(transaction, plan.mutations);
    ASSERT_EQ(reply.status.error_code(), conflict ? grpc::ABORTED : plan.code) << reply.status.error_message();
    if (reply.ok()) settle(plan, *reply.operator->());
    history_.clear();
  }

  static Model part_of(const Model& model, const std::string& name_space) {
    Model out;
    for (const auto& [id, stored] : model) {
      if (id.first == name_space) out.emplace(id, stored);
    }
    return out;
  }

  Model read_kind(const std::string& name_space, const v1::ReadOptions& options = {}) {
    v1::Query query;
    query.add_kind()->set_name("K");
    Model out;
    const auto reply = client_.run(query, options, name_space);
    for (const v1::EntityResult& result : reply->batch().entity_results()) {
      EXPECT_EQ(micros_of(result.update_time()), result.version());
      out[{name_space, id_of(result.entity().key())}] = {fields_of(result.entity()), result.version(),
                                                         micros_of(result.create_time())};
    }
    return out;
  }

  // A filter and an order on n, against the model's answer.
  void query() {
    const std::string name_space = random_namespace();
    const std::int64_t bound = random(10) - 3;
    v1::Query query;
    query.add_kind()->set_name("K");
    v1::PropertyFilter& filter = *query.mutable_filter()->mutable_property_filter();
    filter.mutable_property()->set_name("n");
    filter.set_op(v1::PropertyFilter::GREATER_THAN_OR_EQUAL);
    *filter.mutable_value() = integer(bound);
    std::vector<std::pair<std::int64_t, std::int64_t>> expected;  // (n, id), as far as their order is the same
    for (const auto& [id, stored] : part_of(model_, name_space)) {
      const std::int64_t n = std::get<std::int64_t>(std::get<Number>(stored.fields.at("n")));
      if (n >= bound) expected.emplace_back(n, id.second);
    }
    // Keys below Root sort after parentless keys of kind K.
    std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
      return std::tuple(a.first, below_root(a.second), a.second) < std::tuple(b.first, below_root(b.second), b.second);
    });
    std::vector<std::pair<std::int64_t, std::int64_t>> got;
    query.mutable_limit()->set_value(4);  // in pages
    for (;;) {
      const auto reply = client_.run(query, {}, name_space);
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
    set_micros(*options.mutable_read_time(), version);
    const std::string name_space = random_namespace();
    ASSERT_EQ(read_kind(name_space, options), part_of(model, name_space));
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
    for (const char* name_space : {"", "other"}) {
      ASSERT_EQ(read_kind(name_space), part_of(model_, name_space));
    }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace ndb::testing
