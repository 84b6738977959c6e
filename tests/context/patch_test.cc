// Patches: what the Datastore gets, what the tiers know of the entity afterwards, and transactions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/tiers.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Site : public ndb::Model<Site> {
 public:
  struct Properties {
    std::int64_t views = 0;
    std::optional<double> score{};
    std::vector<std::string> tags{};
    std::string name{};
    ndb::Timestamp seen{};
    std::string initial() const { return name.substr(0, 1); }
  };
  NDB_MODEL((views, .name = "v"), score, (tags, .indexed = false), (name, .choices = ndb::choices<"", "a", "b">), seen,
            initial)
};

class Beast : public ndb::PolyModel<Beast> {
 public:
  struct Properties {
    std::int64_t legs = 4;
  };
  NDB_MODEL(legs)
};

class Patches : public Tiers {
 protected:
  template <class E, class F>
  static std::string message_of(const F& function) {
    try {
      function();
    } catch (const E& error) {
      return error.what();
    }
    return "it was not refused";
  }
  void elsewhere(const std::function<void()>& body) {
    std::thread([&] { in_new_context(client_, body); }).join();
  }
  const ndb::Client client_ = client();
  const ndb::Key key_{"Site", ndb::id("home")};
};

TEST_F(Patches, ChangeWhatTheyNameAndNothingElse) {
  in_new_context(client_, [&] {
    Site::make(key_, {.views = 5, .score = 1.5, .tags = {"x", "y"}, .name = "a"}).put();
    const ndb::PatchResult result = ndb::patch<Site>(key_)
                                        .set(Site::name("b"))
                                        .increment(Site::views, 3)
                                        .append_missing(Site::tags, {"y", "z"})
                                        .remove_all(Site::tags, {"x"})
                                        .maximum(Site::score, 2.5)
                                        .minimum(Site::views, 7)
                                        .set_to_server_time(Site::seen)
                                        .put();
    ASSERT_EQ(result.values.size(), 6u);
    EXPECT_EQ(result.values[0], Value(8));
    EXPECT_TRUE(result.values[1].is_null());
    EXPECT_EQ(result.values[3], Value(2.5));
    EXPECT_EQ(result.values[4], Value(7));
    const Site site = key_.get<Site>();
    EXPECT_EQ(site->views, 7);
    EXPECT_EQ(site->score, 2.5);
    EXPECT_THAT(site->tags, ElementsAre("y", "z"));
    EXPECT_EQ(site->name, "b");
    EXPECT_EQ(Value(site->seen), result.values[5]);
    EXPECT_EQ(version_of(site), result.version);
    const Entity raw = key_.get<Entity>({.use_cache = false});
    EXPECT_EQ(raw["initial"], Value("a"));  // computed by a put alone
    ndb::patch<Site>(key_).clear(Site::score).update();
    EXPECT_FALSE(key_.get<Entity>().contains("score"));
  });
}

TEST_F(Patches, ByStoredNames) {
  in_new_context(client_, [&] {
    ndb::patch(key_)
        .set("name", "a")
        .increment("v", 2)
        .maximum("m", 5)
        .minimum("n", 6)
        .append_missing("tags", {"x", "y"})
        .remove_all("tags", {"x"})
        .set_to_server_time("seen")
        .put();
    const Entity raw = key_.get<Entity>();
    EXPECT_EQ(raw["v"], Value(2));
    EXPECT_EQ(raw["m"], Value(5));
    EXPECT_EQ(raw["n"], Value(6));
    EXPECT_EQ(raw["tags"], Value(Array{"y"}));
    EXPECT_EQ(raw["seen"].type(), ValueType::kTimestamp);
    ndb::patch(key_).clear("m").put();
    EXPECT_FALSE(key_.get<Entity>().contains("m"));
  });
}

TEST_F(Patches, PutMakesAnEntityAndUpdateDoesNot) {
  in_new_context(client_, [&] {
    try {
      ndb::patch<Site>(key_).increment(Site::views, 1).update();
      ADD_FAILURE() << "there is no entity";
    } catch (const ndb::Error& error) {
      EXPECT_EQ(error.status().code(), absl::StatusCode::kNotFound);
      EXPECT_THAT(error.what(), HasSubstr("patch of Key('Site', 'home'"));
    }
    EXPECT_FALSE(key_.get<Site>());
    ndb::patch<Site>(key_).increment(Site::views, 1).put();
    EXPECT_EQ(key_.get<Site>()->views, 1);
    EXPECT_EQ(key_.get<Entity>({.use_cache = false}).size(), 1u);
  });
}

TEST_F(Patches, NoTierServesTheOldStateAndNoneTheNew) {
  in_new_context(client_, [&] { Site::make(key_, {.views = 1}).put(); });
  in_new_context(client_, [&] {
    EXPECT_EQ(key_.get<Site>()->views, 1);
    ndb::patch<Site>(key_).increment(Site::views, 1).put();
    EXPECT_EQ(ndb::get_context().cache_size(), 0u);
    EXPECT_EQ(key_.get<Site>()->views, 2);
  });
  elsewhere([&] {
    ndb::patch<Site>(key_).increment(Site::views, 1).put({.use_cache = true});
    EXPECT_EQ(key_.get<Site>({.use_memcache = true})->views, 3);
  });
  const auto counts = in_new_context(client_, [&] { EXPECT_EQ(key_.get<Site>()->views, 3); });
  EXPECT_EQ(counts.cache_hits, 0);
}

TEST_F(Patches, ReadsAndWritesOfTheContextKeepTheirOrder) {
  in_new_context(client_, [&] {
    Site::make(key_, {.views = 1}).put();
    const auto patched = ndb::patch<Site>(key_).increment(Site::views, 10).put_async();
    EXPECT_EQ(key_.get<Site>()->views, 11);  // waits for it
    EXPECT_TRUE(patched.done());

    const auto put = Site::make(key_, {.views = 20}).put_async();
    const auto first = ndb::patch<Site>(key_).increment(Site::views, 1).put_async();
    const auto second = ndb::patch<Site>(key_).increment(Site::views, 1).put_async();
    EXPECT_EQ(key_.get<Site>()->views, 22);
    EXPECT_EQ(second.get().values.front(), Value(22));

    const auto third = ndb::patch<Site>(key_).increment(Site::views, 1).put_async();
    const auto over = Site::make(key_, {.views = 5}).put_async();
    EXPECT_EQ(key_.get<Site>()->views, 5);  // what is written last
    over.get();
    EXPECT_EQ(key_.get<Site>({.use_cache = false})->views, 5);

    const auto fourth = ndb::patch<Site>(key_).increment(Site::views, 1).put_async();
    const std::vector<Site> found = Site::query().fetch();
    fourth.get();
    EXPECT_EQ(key_.get<Site>()->views, 6);
  });
}

TEST_F(Patches, ManyAtOnceAllCount) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      in_new_context(client_, [&] {
        for (int i = 0; i < 10; ++i) ndb::patch<Site>(key_).increment(Site::views, 1).put({.retries = 0});
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  in_new_context(client_, [&] { EXPECT_EQ(key_.get<Site>()->views, 40); });
}

TEST_F(Patches, OnlyThoseWithoutIncrementAreSentAgain) {
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    return ++commits % 2 == 1 ? ScriptedStub::Verdict{absl::UnavailableError("the answer is lost"), true}
                              : ScriptedStub::Verdict{};
  };
  in_new_context(client, [&] {
    EXPECT_THROW(ndb::patch<Site>(key_).increment(Site::views, 1).put({.retries = 3}), ndb::Error);
    EXPECT_EQ(commits, 1);
    EXPECT_EQ(key_.get<Site>()->views, 1);  // it was applied, and no tier hides it
    commits = 0;
    ndb::patch<Site>(key_).maximum(Site::views, 9).put({.retries = 3});
    EXPECT_EQ(commits, 2);
    EXPECT_EQ(key_.get<Site>()->views, 9);
  });
}

TEST_F(Patches, InATransaction) {
  in_new_context(client_, [&] {
    Site::make(key_, {.views = 1, .name = "a"}).put();
    ndb::transaction([&] {
      EXPECT_EQ(key_.get<Site>()->views, 1);
      const ndb::PatchResult result = ndb::patch<Site>(key_).increment(Site::views, 1).put();
      EXPECT_EQ(result.version, 0u);
      EXPECT_THAT(result.values, IsEmpty());
      Site::make({.views = 7}, ndb::id("other")).put();
    });
    EXPECT_EQ(key_.get<Site>()->views, 2);  // not what the transaction had read
    EXPECT_EQ(Site::get_by_id("other")->views, 7);

    const auto refused = [&](const auto& body) {
      return message_of<ndb::BadRequestError>([&] {
        ndb::transaction([&] {
          ndb::patch<Site>(key_).increment(Site::views, 1).put();
          body();
        });
      });
    };
    EXPECT_THAT(refused([&] { key_.get<Site>(); }), HasSubstr("this transaction has patched it"));
    EXPECT_THAT(refused([&] { key_.get<Site>({.use_cache = false}); }), HasSubstr("this transaction has patched it"));
    EXPECT_THAT(refused([&] { Site::query(Site::views == 2).fetch(); }), HasSubstr("this transaction has patched it"));
    EXPECT_THAT(refused([&] { Site::make(key_, {}).put(); }), HasSubstr("is written once in it"));
    EXPECT_THAT(refused([&] { key_.delete_(); }), HasSubstr("is written once in it"));
    EXPECT_THAT(refused([&] { ndb::patch<Site>(key_).increment(Site::views, 1).put(); }),
                HasSubstr("one patch of all"));
    EXPECT_THAT(message_of<ndb::BadRequestError>([&] {
                  ndb::transaction([&] {
                    Site::make(key_, {}).put();
                    ndb::patch<Site>(key_).increment(Site::views, 1).put();
                  });
                }),
                HasSubstr("is written once in it"));
    EXPECT_EQ(key_.get<Site>({.use_cache = false})->views, 2);  // nothing of these was applied
    EXPECT_THROW(ndb::transaction([&] { ndb::patch<Site>(key_).increment(Site::views, 1).put(); }, {.read_only = true}),
                 ndb::BadRequestError);
  });
}

TEST_F(Patches, CopiesAreIndependent) {
  in_new_context(client_, [&] {
    const auto first = ndb::patch<Site>(key_).set(Site::name("a"));
    auto second = first;
    second.set(Site::name("b"), Site::views(2));
    first.put();
    EXPECT_EQ(key_.get<Entity>().size(), 1u);
    EXPECT_EQ(key_.get<Site>()->name, "a");
    second.put();
    EXPECT_EQ(key_.get<Site>()->name, "b");
  });
}

TEST_F(Patches, WhatMakesNoSenseIsRefused) {
  in_new_context(client_, [&] {
    EXPECT_THAT(message_of<ndb::BadArgumentError>([&] { ndb::patch<Site>(key_).put(); }),
                HasSubstr("it changes nothing"));
    const auto views = [&] { return ndb::patch<Site>(key_).increment(Site::views, 1); };
    EXPECT_THROW(views().put({.use_datastore = false}), ndb::BadArgumentError);
    EXPECT_THROW(views().put({.write_through = true}), ndb::BadArgumentError);
    EXPECT_THROW(ndb::patch<Site>(ndb::Key()).increment(Site::views, 1).put(), ndb::BadKeyError);
    EXPECT_THROW(ndb::patch<Site>(ndb::Key("Site", ndb::Id())).increment(Site::views, 1).put(), ndb::BadKeyError);
    EXPECT_THROW(ndb::patch<Site>(ndb::Key("Beast", ndb::id(1))).increment(Site::views, 1).put(), ndb::KindError);
    EXPECT_THAT(message_of<ndb::BadArgumentError>(
                    [] { ndb::patch<Beast>(ndb::key<Beast>(1)).increment(Beast::legs, 1).put(); }),
                HasSubstr("would have no class; use update()"));
    EXPECT_THAT(message_of<ndb::BadValueError>([&] { ndb::patch<Site>(key_).set(Site::name("c")).put(); }),
                HasSubstr("property \"name\" of Site holds \"c\""));
    EXPECT_NO_THROW(ndb::patch<Site>(key_).set(Site::views(3)).put());  // the choices of `name` are not asked
    const Beast beast = [] {
      Beast made = Beast::make({}, ndb::id(2));
      made.put();
      ndb::patch<Beast>(made.key()).increment(Beast::legs, -1).update();
      return made.key().get<Beast>();
    }();
    EXPECT_EQ(beast->legs, 3);
  });
}

}  // namespace
}  // namespace ndb::testing
