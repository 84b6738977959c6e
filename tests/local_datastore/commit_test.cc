#include <filesystem>
#include <set>
#include <thread>

#include "local_datastore/datastore_client.h"

namespace ndb::testing {
namespace {

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

  const auto read = client_.lookup({ada, key("Person", "bob")});
  ASSERT_EQ(read->found_size(), 1);
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

}  // namespace
}  // namespace ndb::testing
