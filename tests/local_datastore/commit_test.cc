// Mutations, versions, ids, partitions, durability, and the limits with their codes and texts.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <future>
#include <set>

#include "local_datastore/datastore_client.h"
#include "ndb/error.h"

namespace ndb::testing {
namespace {

using ::testing::HasSubstr;

class CommitTest : public ::testing::Test {
 protected:
  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start();
  DatastoreClient client_{*server_};
};

TEST_F(CommitTest, WhatIsWrittenIsReadBackWithItsVersions) {
  const v1::Key ada = key("Person", "ada");
  const auto first = client_.commit({insert(entity(ada, {{"n", integer(1)}}))});
  const auto second =
      client_.commit({update(entity(ada, {{"n", integer(2)}, {"tags", array({text("a"), text("b")})}}))});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_LT(first->mutation_results(0).version(), second->mutation_results(0).version());
  EXPECT_FALSE(second->has_commit_time()) << "only transactional commits have one";
  EXPECT_FALSE(second->mutation_results(0).has_key()) << "only allocated keys come back";

  const auto read = client_.lookup({ada, key("Person", "bob"), ada});
  ASSERT_EQ(read->found_size(), 1) << "duplicates are answered once";
  ASSERT_EQ(read->missing_size(), 1);
  const v1::EntityResult& found = read->found(0);
  EXPECT_EQ(found.entity().properties().at("n").integer_value(), 2);
  EXPECT_EQ(found.entity().properties().at("tags").array_value().values_size(), 2);
  EXPECT_EQ(found.entity().key().partition_id().project_id(), kProject);
  EXPECT_EQ(found.version(), second->mutation_results(0).version());
  EXPECT_EQ(found.create_time().SerializeAsString(), first->mutation_results(0).update_time().SerializeAsString());
  EXPECT_EQ(found.update_time().SerializeAsString(), second->mutation_results(0).update_time().SerializeAsString());
  EXPECT_GE(read->missing(0).version(), second->mutation_results(0).version());
}

struct Refusal {
  const char* name;
  std::vector<v1::Mutation> mutations;
  grpc::StatusCode code;
  const char* text;
};

TEST_F(CommitTest, WhatIsRefusedLeavesNothingBehind) {
  const v1::Key there = key("K", "there");
  const v1::Key gone = key("K", "gone");
  ASSERT_TRUE(client_.commit({upsert(entity(there, {{"n", integer(7)}}))}).ok());
  v1::Key foreign = key("K", "x");
  foreign.mutable_partition_id()->set_project_id("another");
  v1::Value point;
  point.mutable_geo_point_value()->set_latitude(91);
  v1::Mutation stale = upsert(entity(there));
  stale.set_base_version(1);
  stale.set_conflict_resolution_strategy(v1::Mutation::FAIL);
  v1::Mutation strategy_alone = upsert(entity(there));
  strategy_alone.set_conflict_resolution_strategy(v1::Mutation::FAIL);
  v1::Mutation strategy_unknown = stale;
  strategy_unknown.set_conflict_resolution_strategy(static_cast<v1::Mutation::ConflictResolutionStrategy>(2));
  v1::Value projected = integer(1);
  projected.set_meaning(18);
  const std::string long_text(1501, 'x');
  const auto k = [&](const v1::Value& value) { return upsert(entity(key("K", "x"), {{"p", value}})); };

  const std::vector<Refusal> refusals = {
      {"insert of what exists", {insert(entity(there))}, grpc::ALREADY_EXISTS, "entity already exists"},
      {"update of what is missing", {update(entity(gone))}, grpc::NOT_FOUND, "no entity to update"},
      {"two mutations of one entity",
       {upsert(entity(gone)), erase(gone)},
       grpc::INVALID_ARGUMENT,
       "A non-transactional commit may not contain multiple mutations affecting the same entity."},
      {"stale base version", {stale}, grpc::ABORTED, "version"},
      {"strategy without detection", {strategy_alone}, grpc::INVALID_ARGUMENT, "base_version"},
      {"unknown strategy", {strategy_unknown}, grpc::INVALID_ARGUMENT, "conflict_resolution_strategy 2"},
      {"meaning of a projection", {k(projected)}, grpc::INVALID_ARGUMENT, "The meaning 18 may not be written."},
      {"no operation", {v1::Mutation()}, grpc::INVALID_ARGUMENT, "operation"},
      {"empty path", {upsert(entity(v1::Key()))}, grpc::INVALID_ARGUMENT, "Key path is empty."},
      {"empty kind", {upsert(entity(key("", 1)))}, grpc::INVALID_ARGUMENT, "The kind is the empty string."},
      {"empty name", {upsert(entity(key("K", "")))}, grpc::INVALID_ARGUMENT, "name is the empty string."},
      {"reserved kind", {upsert(entity(key("__k__", 1)))}, grpc::INVALID_ARGUMENT, "The kind \"__k__\" is reserved."},
      {"reserved property", {upsert(entity(there, {{"__p__", null()}}))}, grpc::INVALID_ARGUMENT, "is reserved."},
      {"incomplete update",
       {update(entity(key("Person")))},
       grpc::INVALID_ARGUMENT,
       "Key path is incomplete: [Person: null]"},
      {"incomplete parent", {upsert(entity(key("A", 0, "B", 1)))}, grpc::INVALID_ARGUMENT, "must not be incomplete"},
      {"another project", {upsert(entity(foreign))}, grpc::INVALID_ARGUMENT, "within request"},
      {"long indexed text",
       {k(text(long_text))},
       grpc::INVALID_ARGUMENT,
       "The value of property \"p\" is longer than 1500 bytes."},
      {"long text", {k(unindexed(text(std::string(1'048'488, 'x'))))}, grpc::INVALID_ARGUMENT, "1048487 bytes."},
      {"nested array", {k(array({array({})}))}, grpc::INVALID_ARGUMENT, "list_value"},
      {"latitude", {k(point)}, grpc::INVALID_ARGUMENT, "latitude outside permitted range"},
      {"too big",
       {upsert(entity(there, {{"a", unindexed(text(std::string(600'000, 'x')))},
                              {"b", unindexed(text(std::string(600'000, 'x')))}}))},
       grpc::INVALID_ARGUMENT,
       "entity is too big"},
      {"too many", std::vector<v1::Mutation>(501, erase(gone)), grpc::INVALID_ARGUMENT, "more than 500"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.name);
    // Another entity in the same commit must not be written either.
    std::vector<v1::Mutation> mutations{upsert(entity(key("Bystander", 1)))};
    mutations.insert(mutations.end(), refusal.mutations.begin(), refusal.mutations.end());
    const auto reply = client_.commit(mutations);
    EXPECT_EQ(reply.status.error_code(), refusal.code) << reply.status.error_message();
    EXPECT_THAT(reply.status.error_message(), HasSubstr(refusal.text));
    EXPECT_EQ(client_.lookup({key("Bystander", 1)})->missing_size(), 1);
    EXPECT_EQ(client_.number(there), 7);
  }
}

TEST_F(CommitTest, ModesAndTransactionsMustAgree) {
  v1::CommitRequest request;
  auto reply = client_.call(&v1::Datastore::Stub::Commit, request);
  EXPECT_EQ(reply.status.error_message(), "transactional commit requires a transaction");
  request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
  request.set_transaction("t");
  reply = client_.call(&v1::Datastore::Stub::Commit, request);
  EXPECT_EQ(reply.status.error_message(), "non-transaction commit cannot specify a transaction");
  request.clear_mode();
  reply = client_.call(&v1::Datastore::Stub::Commit, request);
  EXPECT_EQ(reply.status.error_message(), "Invalid transaction.");
  request.mutable_single_use_transaction();
  *request.add_mutations() = upsert(entity(key("K", 1), {{"n", integer(1)}}));
  *request.add_mutations() = upsert(entity(key("K", 1), {{"n", integer(2)}}));  // in a transaction the last one wins
  reply = client_.call(&v1::Datastore::Stub::Commit, request);
  EXPECT_TRUE(reply->has_commit_time());
  EXPECT_EQ(client_.number(key("K", 1)), 2);
}

TEST_F(CommitTest, ConflictsAreDetectedByVersionAndByTime) {
  const v1::Key k = key("K", 1);
  v1::Mutation create = upsert(entity(k, {{"n", integer(1)}}));
  create.set_base_version(0);  // must not exist
  const auto created = client_.commit({create})->mutation_results(0);
  EXPECT_FALSE(created.conflict_detected());
  const auto again = client_.commit({create})->mutation_results(0);
  EXPECT_TRUE(again.conflict_detected());
  EXPECT_EQ(again.version(), created.version()) << "the server's entity is reported";

  v1::Mutation change = upsert(entity(k, {{"n", integer(2)}}));
  *change.mutable_update_time() = created.update_time();
  EXPECT_FALSE(client_.commit({change})->mutation_results(0).conflict_detected());
  EXPECT_TRUE(client_.commit({change})->mutation_results(0).conflict_detected());
  EXPECT_EQ(client_.number(k), 2);
}

TEST_F(CommitTest, MaskReplacesOnlyWhatItNames) {
  const v1::Key k = key("K", 1);
  ASSERT_TRUE(client_.commit({upsert(entity(k, {{"a", integer(1)}, {"b", integer(1)}, {"c", integer(1)}}))}).ok());
  v1::Mutation change = update(entity(k, {{"a", integer(2)}, {"c", integer(2)}}));
  change.mutable_property_mask()->add_paths("a");
  change.mutable_property_mask()->add_paths("b");  // named but absent: removed
  ASSERT_TRUE(client_.commit({change}).ok());
  const auto read = client_.lookup({k});
  const auto& properties = read->found(0).entity().properties();
  EXPECT_EQ(properties.at("a").integer_value(), 2);
  EXPECT_FALSE(properties.contains("b"));
  EXPECT_EQ(properties.at("c").integer_value(), 1);

  v1::Mutation deletion = erase(k);
  deletion.mutable_property_mask()->add_paths("__ignored__..");
  EXPECT_TRUE(client_.commit({deletion}).ok());
  EXPECT_EQ(client_.lookup({k})->missing_size(), 1);
}

TEST_F(CommitTest, TransformsDependOnWhatIsStored) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  using Make = std::function<void(v1::PropertyTransform&)>;
  struct Case {
    const char* name;
    std::optional<v1::Value> before;
    Make make;
    v1::Value after;
  };
  const auto increment = [](const v1::Value& v) -> Make {
    return [v](v1::PropertyTransform& t) { *t.mutable_increment() = v; };
  };
  const auto maximum = [](const v1::Value& v) -> Make {
    return [v](v1::PropertyTransform& t) { *t.mutable_maximum() = v; };
  };
  const auto minimum = [](const v1::Value& v) -> Make {
    return [v](v1::PropertyTransform& t) { *t.mutable_minimum() = v; };
  };
  const auto append = [](const v1::Value& v) -> Make {
    return [v](v1::PropertyTransform& t) { *t.mutable_append_missing_elements() = v.array_value(); };
  };
  const auto remove = [](const v1::Value& v) -> Make {
    return [v](v1::PropertyTransform& t) { *t.mutable_remove_all_from_array() = v.array_value(); };
  };
  const std::vector<Case> cases = {
      {"missing", std::nullopt, increment(integer(3)), integer(3)},
      {"not a number", text("x"), increment(integer(3)), integer(3)},
      {"integers", integer(4), increment(integer(3)), integer(7)},
      {"saturates", integer(kMax), increment(integer(1)), integer(kMax)},
      {"to a double", integer(4), increment(real(0.5)), real(4.5)},
      {"maximum", integer(4), maximum(integer(9)), integer(9)},
      {"maximum keeps", integer(4), maximum(real(4.0)), integer(4)},
      {"minimum of mixed types", integer(4), minimum(real(3.5)), real(3.5)},
      {"maximum below 2^63", real(0x1p63), maximum(integer(kMax)), real(0x1p63)},
      {"maximum at 2^63", integer(kMax), maximum(real(0x1p63)), real(0x1p63)},
      {"minimum below 2^63", real(0x1p63), minimum(integer(kMax)), integer(kMax)},
      {"maximum above 2^53", real(0x1p53), maximum(integer((std::int64_t{1} << 53) + 1)),
       integer((std::int64_t{1} << 53) + 1)},
      {"minimum at -2^63", integer(std::numeric_limits<std::int64_t>::min()), minimum(real(-0x1p63)),
       integer(std::numeric_limits<std::int64_t>::min())},
      {"maximum with NaN", integer(4), maximum(real(std::nan(""))), real(std::nan(""))},
      {"minimum of NaN", real(std::nan("")), minimum(integer(4)), real(std::nan(""))},
      {"append", array({integer(1)}), append(array({real(1.0), integer(2)})), array({integer(1), integer(2)})},
      {"remove", array({integer(1), integer(2), integer(1)}), remove(array({integer(1)})), array({integer(2)})},
      {"append big", array({real(0x1p63)}), append(array({integer(kMax)})), array({real(0x1p63), integer(kMax)})},
      {"append structs", array({nested({{"a", integer(1)}, {"b", array({real(std::nan(""))})}})}),
       append(array({nested({{"b", array({unindexed(real(std::nan("")))})}, {"a", unindexed(real(1))}}),
                     nested({{"a", integer(1)}})})),
       array({nested({{"a", integer(1)}, {"b", array({real(std::nan(""))})}}), nested({{"a", integer(1)}})})},
      {"remove structs", array({nested({{"a", integer(1)}}), nested({{"a", integer(2)}}), nested({{"b", integer(1)}})}),
       remove(array({nested({{"a", real(1)}}), text("x")})),
       array({nested({{"a", integer(2)}}), nested({{"b", integer(1)}})})},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const v1::Key k = key("K", c.name);
    Properties before;
    if (c.before.has_value()) before.emplace_back("p", *c.before);
    ASSERT_TRUE(client_.commit({upsert(entity(k, before))}).ok());
    v1::Mutation mutation = update(entity(k, before));
    mutation.add_property_transforms()->set_property("p");
    c.make(*mutation.mutable_property_transforms(0));
    const auto reply = client_.commit({mutation});
    EXPECT_EQ(reply->mutation_results(0).transform_results_size(), 1);
    EXPECT_EQ(client_.lookup({k})->found(0).entity().properties().at("p").DebugString(), c.after.DebugString());
  }
}

// A filter is not stored, so it may have the meaning of a projected value.
TEST_F(CommitTest, FiltersMayHaveTheMeaningOfAProjection) {
  ASSERT_TRUE(client_.commit({upsert(entity(key("K", 1), {{"p", text("x")}}))}).ok());
  v1::Query query;
  query.add_kind()->set_name("K");
  v1::PropertyFilter& filter = *query.mutable_filter()->mutable_property_filter();
  filter.mutable_property()->set_name("p");
  filter.set_op(v1::PropertyFilter::EQUAL);
  *filter.mutable_value() = text("x");
  filter.mutable_value()->set_meaning(18);
  EXPECT_EQ(client_.run(query)->batch().entity_results_size(), 1);
}

// The entities that masks or transforms compose keep the limits too, so that they can be written back.
TEST_F(CommitTest, ComposedEntitiesKeepTheLimits) {
  struct Case {
    const char* name;
    Properties before;
    Properties written;
    const char* mask;  // nullptr: none
    std::string appended_to;
    std::vector<v1::Value> appended;
    const char* refusal;  // nullptr: accepted
  };
  const auto levels = [](int count) {
    std::string path = "a";
    for (int i = 1; i < count; ++i) path += ".a";
    return path;
  };
  const auto numbers = [](int first, int count) {
    std::vector<v1::Value> out;
    for (int i = 0; i < count; ++i) out.push_back(integer(first + i));
    return array(out);
  };
  const v1::Value long_text = text(std::string(1501, 'x'));
  const char* const too_deep = "The value of property \"a\" is nested deeper than 20 levels.";
  const char* const too_long = "The value of property \"p\" is longer than 1500 bytes.";
  const char* const too_many = "The entity has more than 20000 indexed values.";
  const std::vector<Case> cases = {
      {"20 levels", {}, {}, nullptr, levels(21), {integer(1)}, nullptr},
      {"21 levels", {}, {}, nullptr, levels(22), {integer(1)}, too_deep},
      {"34 levels", {}, {}, nullptr, levels(34), {integer(1)}, too_deep},
      {"a million levels", {}, {}, nullptr, levels(1'000'000), {integer(1)}, too_deep},
      {"levels of the operand", {}, {}, nullptr, levels(21), {nested({{"x", integer(1)}})}, too_deep},
      {"appended text", {}, {}, nullptr, "p", {long_text}, too_long},
      {"appended unindexed text", {}, {}, nullptr, "p", {unindexed(long_text)}, nullptr},
      {"append to an excluded text", {{"p", unindexed(text("x"))}}, {}, "q", "p", {long_text}, nullptr},
      {"append to an excluded array", {{"p", unindexed(array({}))}}, {}, "q", "p", {long_text}, nullptr},
      {"appended entries", {{"p", numbers(0, 19'999)}}, {}, "q", "p", {integer(-1), integer(-2)}, too_many},
      {"masked entries", {{"p", numbers(0, 15'000)}}, {{"q", numbers(0, 5'001)}}, "q", "", {}, too_many},
      {"as many as allowed", {{"p", numbers(0, 15'000)}}, {{"q", numbers(0, 5'000)}}, "q", "", {}, nullptr},
      {"out of an excluded struct", {}, {{"p", unindexed(nested({{"x", long_text}}))}}, "p.x", "", {}, too_long},
      {"with the excluded struct", {}, {{"p", unindexed(nested({{"x", long_text}}))}}, "p", "", {}, nullptr},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const v1::Key k = key("K", c.name);
    ASSERT_TRUE(client_.commit({upsert(entity(k, c.before))}).ok());
    const std::int64_t before = client_.lookup({k})->found(0).version();
    v1::Mutation mutation = update(entity(k, c.written));
    if (c.mask != nullptr) mutation.mutable_property_mask()->add_paths(c.mask);
    if (!c.appended_to.empty()) {
      v1::PropertyTransform& append = *mutation.add_property_transforms();
      append.set_property(c.appended_to);
      for (const v1::Value& value : c.appended) *append.mutable_append_missing_elements()->add_values() = value;
    }
    const auto reply = client_.commit({mutation});
    const auto after = client_.lookup({k});
    if (c.refusal == nullptr) {
      EXPECT_TRUE(reply.ok()) << reply.status.error_message();
      EXPECT_TRUE(client_.commit({upsert(after->found(0).entity())}).ok()) << "what is stored can be written";
    } else {
      EXPECT_EQ(reply.status.error_code(), grpc::INVALID_ARGUMENT);
      EXPECT_EQ(reply.status.error_message(), c.refusal);
      EXPECT_EQ(after->found(0).version(), before);
    }
  }
}

TEST_F(CommitTest, IdsNeverCollide) {
  std::set<std::int64_t> ids;
  v1::AllocateIdsRequest allocate;
  for (int i = 0; i < 1500; ++i) *allocate.add_keys() = key("K");
  const auto allocated = client_.call(&v1::Datastore::Stub::AllocateIds, allocate);
  for (const v1::Key& k : allocated->keys()) ids.insert(k.path(0).id());
  for (int i = 0; i < 3; ++i) {
    const auto reply = client_.commit(std::vector<v1::Mutation>(400, insert(entity(key("K")))));
    for (const v1::MutationResult& result : reply->mutation_results()) ids.insert(result.key().path(0).id());
  }
  EXPECT_EQ(ids.size(), 1500u + 1200u);
  EXPECT_GT(*ids.begin(), 0);
  EXPECT_LT(*ids.rbegin(), std::int64_t{1} << 53);

  allocate.Clear();
  *allocate.add_keys() = key("K", 7);
  EXPECT_EQ(client_.call(&v1::Datastore::Stub::AllocateIds, allocate).status.error_code(), grpc::INVALID_ARGUMENT);
  v1::ReserveIdsRequest reserve;
  *reserve.add_keys() = key("K", 7);
  *reserve.add_keys() = key("K", "named");
  EXPECT_TRUE(client_.call(&v1::Datastore::Stub::ReserveIds, reserve).ok());
  *reserve.add_keys() = key("K");
  EXPECT_EQ(client_.call(&v1::Datastore::Stub::ReserveIds, reserve).status.error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(CommitTest, DatabasesAndNamespacesAreApart) {
  DatastoreClient named(*server_, "named");
  v1::Key tenant = key("K", 1);
  tenant.mutable_partition_id()->set_namespace_id("tenant");
  ASSERT_TRUE(client_.commit({upsert(entity(key("K", 1), {{"n", integer(1)}}))}).ok());
  ASSERT_TRUE(client_.commit({upsert(entity(tenant, {{"n", integer(2)}}))}).ok());
  ASSERT_TRUE(named.commit({upsert(entity(key("K", 1), {{"n", integer(3)}}))}).ok());
  EXPECT_EQ(client_.number(key("K", 1)), 1);
  EXPECT_EQ(client_.number(tenant), 2);
  EXPECT_EQ(named.number(key("K", 1)), 3);
  EXPECT_EQ(named.number(tenant), -1);
  EXPECT_EQ(named.lookup({key("K", 1)})->found(0).entity().key().partition_id().database_id(), "named");
  EXPECT_EQ(DatastoreClient(*server_, "(default)").commit({}).status.error_code(), grpc::INVALID_ARGUMENT);

  v1::Query query;
  query.add_kind()->set_name("K");
  EXPECT_EQ(client_.run(query)->batch().entity_results_size(), 1);
  EXPECT_EQ(client_.run(query, {}, "tenant")->batch().entity_results_size(), 1);
  EXPECT_EQ(client_.run(query, {}, "nobody")->batch().entity_results_size(), 0);
}

TEST_F(CommitTest, LargeLookupsAreDeferred) {
  std::vector<v1::Key> keys;
  for (int i = 1; i <= 6; ++i) {
    keys.push_back(key("K", i));
    ASSERT_TRUE(
        client_.commit({upsert(entity(keys.back(), {{"p", unindexed(text(std::string(900'000, 'x')))}}))}).ok());
  }
  std::size_t found = 0;
  while (!keys.empty()) {
    const auto reply = client_.lookup(keys);
    ASSERT_GT(reply->found_size(), 0);
    EXPECT_LT(reply->ByteSizeLong(), 4u << 20);
    found += static_cast<std::size_t>(reply->found_size());
    keys.assign(reply->deferred().begin(), reply->deferred().end());
  }
  EXPECT_EQ(found, 6u);
  EXPECT_EQ(client_.lookup(std::vector<v1::Key>(1001, key("K", 1))).status.error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(CommitTest, PastIsReadAtItsTime) {
  const v1::Key k = key("K", 1);
  const auto first = client_.commit({upsert(entity(k, {{"n", integer(1)}}))})->mutation_results(0);
  ASSERT_TRUE(client_.commit({upsert(entity(k, {{"n", integer(2)}}))}).ok());
  ASSERT_TRUE(client_.commit({erase(k)}).ok());
  EXPECT_EQ(client_.number(k), -1);
  v1::ReadOptions options;
  *options.mutable_read_time() = first.update_time();
  const auto read = client_.lookup({k}, options);
  ASSERT_EQ(read->found_size(), 1);
  EXPECT_EQ(read->found(0).entity().properties().at("n").integer_value(), 1);
  v1::Query query;
  query.add_kind()->set_name("K");
  EXPECT_EQ(client_.run(query, options)->batch().entity_results_size(), 1);
  EXPECT_EQ(client_.run(query)->batch().entity_results_size(), 0);

  options.mutable_read_time()->set_seconds(first.update_time().seconds() + 3600);
  EXPECT_EQ(client_.lookup({k}, options).status.error_code(), grpc::INVALID_ARGUMENT);
  options.mutable_read_time()->set_seconds(first.update_time().seconds() - 7200);
  EXPECT_EQ(client_.lookup({k}, options).status.error_code(), grpc::FAILED_PRECONDITION);
}

TEST_F(CommitTest, GarbageIsRefused) {
  // Bytes that are not a valid request, sent without the stub.
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f"), std::string(11 << 20, 'x')}) {
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::ClientContext context;
    std::promise<grpc::Status> done;
    grpc::GenericStub stub(grpc_channel(*server_));
    stub.UnaryCall(&context, "/google.datastore.v1.Datastore/Commit", {}, &request, &response,
                   [&done](const grpc::Status& outcome) { done.set_value(outcome); });
    const grpc::Status status = done.get_future().get();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  }
  EXPECT_TRUE(client_.commit({upsert(entity(key("K", 1)))}).ok()) << "and the server lives";
}

TEST(ServerTest, ListensOnAFreePort) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  ASSERT_THAT(server->address(), ::testing::StartsWith("127.0.0.1:"));
  DatastoreClient client(grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials()));
  ASSERT_TRUE(client.commit({upsert(entity(key("K", 1), {{"n", integer(5)}}))}).ok());
  EXPECT_EQ(client.number(key("K", 1)), 5);
  EXPECT_EQ(DatastoreClient(*server).number(key("K", 1)), 5);
  EXPECT_THROW(LocalDatastore::start({.host_port = server->address()}), Error);
}

TEST(ServerTest, DataSurvivesARestart) {
  std::string folder = ::testing::TempDir() + "ndb-local-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::int64_t version = 0;
  std::set<std::int64_t> ids;
  for (int run = 0; run < 3; ++run) {
    for (const auto fsync : {LocalDatastore::Fsync::kAlways, LocalDatastore::Fsync::kInterval}) {
      const auto server = LocalDatastore::start({.data_dir = folder, .fsync = fsync});
      EXPECT_THROW(LocalDatastore::start({.data_dir = folder}), Error) << "one process at a time";
      DatastoreClient client(*server);
      const auto reply = client.commit({upsert(entity(key("K", 1), {{"n", integer(run)}})), insert(entity(key("L")))});
      EXPECT_GT(reply->mutation_results(0).version(), version);
      version = reply->mutation_results(0).version();
      EXPECT_TRUE(ids.insert(reply->mutation_results(1).key().path(0).id()).second);
      v1::Query query;
      query.add_kind()->set_name("L");
      EXPECT_EQ(static_cast<std::size_t>(client.run(query)->batch().entity_results_size()), ids.size());
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ndb::testing
