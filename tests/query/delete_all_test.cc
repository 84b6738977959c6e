// delete_all and delete_kind: batches, progress, errors, what the caches know afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "query/query_stub.h"
#include "support/tiers.h"

namespace {

using ndb::testing::QueryStub;
using ndb::testing::ScriptedStub;
using ndb::testing::Tiers;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;

class Leaf : public ndb::Model<Leaf> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static inline int deleted = 0;
  static void _post_delete_hook(const ndb::Key&, const absl::Status& status) { deleted += status.ok() ? 1 : 0; }
};

class Tree : public ndb::PolyModel<Tree> {
 public:
  struct Properties {
    std::int64_t height = 0;
  };
  NDB_MODEL(height)
};
class Oak : public ndb::PolyModel<Oak, Tree> {
 public:
  struct Properties : Tree::Properties {
    std::int64_t acorns = 0;
  };
  NDB_MODEL(acorns)
};

class DeleteAll : public Tiers {
 protected:
  void make_leaves(int n) {
    in_new_context(client_, [&] {
      std::vector<Leaf> leaves;
      for (int i = 1; i <= n; ++i) leaves.push_back(Leaf::make({.n = i}, ndb::id(i)));
      ndb::put_multi(leaves);
    });
  }
  std::int64_t left() {
    std::int64_t n = 0;
    in_new_context(client_, [&] { n = Leaf::query().count(); });
    return n;
  }
  const ndb::Client client_ = client();
};

TEST_F(DeleteAll, DeletesInBatchesAndSaysHowFarItIs) {
  make_leaves(23);
  std::vector<int> sizes;
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  stub->on_commit = [&](const auto& request) {
    sizes.push_back(request.mutations_size());
    return ScriptedStub::Verdict{};
  };
  Leaf::deleted = 0;
  in_new_context(client, [&] {
    std::vector<std::size_t> progress;
    EXPECT_EQ(
        ndb::delete_all(Leaf::query(Leaf::n > 3).order(Leaf::n),
                        {.batch_size = 7, .progress = [&](const auto& so_far) { progress.push_back(so_far.deleted); }}),
        20u);
    EXPECT_THAT(progress, ElementsAre(7, 14, 20));
    EXPECT_EQ(ndb::get_context().cache_size(), 0u);
  });
  EXPECT_THAT(sizes, ElementsAre(7, 7, 6));
  EXPECT_EQ(Leaf::deleted, 20);
  EXPECT_EQ(left(), 3);
}

TEST_F(DeleteAll, NoTierServesWhatWasDeleted) {
  make_leaves(3);
  in_new_context(client_, [&] {
    EXPECT_TRUE(Leaf::get_by_id(1));
    EXPECT_EQ(ndb::delete_all(Leaf::query().limit(2)), 2u);
    EXPECT_FALSE(Leaf::get_by_id(1));
    EXPECT_TRUE(Leaf::get_by_id(3));
  });
  in_new_context(client_, [] { EXPECT_FALSE(Leaf::get_by_id(2)); });
  EXPECT_EQ(left(), 1);
}

TEST_F(DeleteAll, KeysAreReadAsTheyAreNeeded) {
  make_leaves(30);
  QueryStub* stub = nullptr;
  const ndb::Client client = through(this->client(), stub);
  stub->batch_size = 4;
  in_new_context(client, [&] {
    std::vector<std::size_t> requests;
    ndb::delete_all(Leaf::query(),
                    {.batch_size = 5, .progress = [&](const auto&) { requests.push_back(stub->requests.size()); }});
    ASSERT_EQ(requests.size(), 6u);
    EXPECT_LE(requests.front(), 3u);  // two for the first five, and one ahead
    EXPECT_LE(requests[2], 5u);
  });
  EXPECT_EQ(left(), 0);
}

TEST_F(DeleteAll, GoesOnAfterAnErrorWhereItEnded) {
  make_leaves(12);
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    return ++commits == 3 ? ScriptedStub::Verdict{absl::PermissionDeniedError("not these"), false}
                          : ScriptedStub::Verdict{};
  };
  in_new_context(client, [&] {
    ndb::DeleteProgress reached;
    const ndb::DeleteAllOptions options{.batch_size = 4, .progress = [&](const auto& so_far) { reached = so_far; }};
    const auto query = Leaf::query().order(Leaf::n);
    EXPECT_THROW(ndb::delete_all(query, options), ndb::Error);
    EXPECT_EQ(reached.deleted, 8u);
    EXPECT_EQ(ndb::delete_all(query.start_cursor(reached.cursor), options), 4u);
    EXPECT_EQ(ndb::delete_all(query, options), 0u);
  });
  EXPECT_EQ(left(), 0);
}

TEST_F(DeleteAll, WhatProgressThrowsEndsIt) {
  make_leaves(6);
  in_new_context(client_, [&] {
    EXPECT_THROW(ndb::delete_all(Leaf::query(),
                                 {.batch_size = 2, .progress = [](const auto&) { throw std::runtime_error("stop"); }}),
                 std::runtime_error);
  });
  EXPECT_EQ(left(), 4);
}

TEST_F(DeleteAll, KindsAndClasses) {
  make_leaves(2);
  in_new_context(client_, [&] {
    Tree::make({.height = 1}).put();
    Oak::make({}).put();
    EXPECT_EQ(ndb::delete_kind<Oak>(), 1u);
    EXPECT_EQ(Tree::query().count(), 1);
    EXPECT_EQ(ndb::delete_kind<Tree>(), 1u);
    EXPECT_EQ(ndb::delete_kind("Leaf"), 2u);
    EXPECT_EQ(ndb::delete_kind("Nothing"), 0u);
    EXPECT_EQ(ndb::delete_all_async(Leaf::query()).get(), 0u);
    EXPECT_EQ(ndb::delete_all_async(Leaf::query().keys_only()).get(), 0u);
  });
}

TEST_F(DeleteAll, WhatCannotBeIsRefused) {
  in_new_context(client_, [&] {
    EXPECT_THROW(ndb::delete_all(Leaf::query(), {.batch_size = 0}), ndb::BadArgumentError);
    EXPECT_THROW(ndb::delete_kind(""), ndb::BadQueryError);
    try {
      ndb::transaction([] { ndb::delete_all(Leaf::query()); });
      ADD_FAILURE() << "it was not refused";
    } catch (const ndb::BadRequestError& error) {
      EXPECT_THAT(error.what(), HasSubstr("use delete_multi(query.keys())"));
    }
  });
}

}  // namespace
