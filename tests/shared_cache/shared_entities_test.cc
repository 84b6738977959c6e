// Entities that all threads of a process share (`_use_shared_cache`).

#include <gmock/gmock.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "support/tiers.h"

namespace {

class Page : public ndb::Model<Page> {
 public:
  struct Properties {
    std::string text{};
  };
  NDB_MODEL(text)
  static constexpr bool _use_shared_cache = true;
};

class Note : public ndb::Model<Note> {
 public:
  struct Properties {
    std::string text{};
  };
  NDB_MODEL(text)
};

class SharedEntities : public ndb::testing::Tiers {
 protected:
  ndb::Key put(const std::string& text) {
    ndb::Key key;
    in_new_context(client_, [&] { key = Page::make({.text = text}, ndb::id("p")).put(); });
    return key;
  }
  // Reads until memcache has executed the fill, which nobody waits for.
  template <class M>
  void warm(const ndb::Key& key) {
    for (;;) {
      const ndb::TierCounts counts = in_new_context(client_, [&] { key.get<M>({.use_cache = false}); });
      if (counts.memcache_hits == 1) return;
    }
  }
  const ndb::Client client_ = client();
};

TEST_F(SharedEntities, ThreadsShareOnePayload) {
  const ndb::Key key = put("one");
  warm<Page>(key);

  const Page::Properties *here = nullptr, *there = nullptr;
  Page kept;
  ndb::TierCounts counts = in_new_context(client_, [&] {
    kept = key.get<Page>();
    here = kept.operator->();
  });
  EXPECT_EQ(counts.shared_hits, 1u);
  EXPECT_EQ(counts.memcache_hits, 1u);
  std::thread([&] {
    in_new_context(client_, [&] {
      Page page = key.get<Page>();
      there = page.operator->();
      page.edit().text = "mine";  // leaks to nobody
    });
  }).join();
  EXPECT_EQ(here, there);
  EXPECT_EQ(kept->text, "one");

  // A write through another client, as from another machine.
  in_new_context(client(), [&] {
    Page page = key.get<Page>();
    page.edit().text = "two";
    page.put();
  });
  counts = in_new_context(client_, [&] { EXPECT_EQ(key.get<Page>()->text, "two"); });
  EXPECT_EQ(counts.shared_hits, 0u);
  warm<Page>(key);
  counts = in_new_context(client_, [&] { EXPECT_EQ(key.get<Page>()->text, "two"); });
  EXPECT_EQ(counts.shared_hits, 1u);

  in_new_context(client(), [&] { key.delete_(); });
  counts = in_new_context(client_, [&] { EXPECT_FALSE(key.get<Page>()); });
  EXPECT_EQ(counts.shared_hits, 0u);
}

TEST_F(SharedEntities, TransactionsReadPastThem) {
  const ndb::Key key = put("one");
  warm<Page>(key);
  const ndb::TierCounts counts = in_new_context(client_, [&] {
    ndb::transaction([&] {
      Page page = key.get<Page>();
      page.edit().text = "two";
      page.put();
    });
    EXPECT_EQ(key.get<Page>()->text, "two");
    EXPECT_EQ(key.get<Page>({.use_cache = false})->text, "two");
  });
  EXPECT_EQ(counts.shared_hits, 0u);
  EXPECT_EQ(counts.lookups, 2u);
}

TEST_F(SharedEntities, AnotherClassOfTheKindDecodesForItself) {
  const ndb::Key key = put("one");
  warm<Page>(key);
  in_new_context(client_, [&] {
    EXPECT_EQ(key.get<ndb::Entity>({.use_cache = false})["text"].as_string(), "one");
    EXPECT_EQ(key.get<Page>({.use_cache = false})->text, "one");
    const auto entity = key.get_async<ndb::Entity>({.use_cache = false});
    const auto page = key.get_async<Page>({.use_cache = false});
    EXPECT_EQ(entity.get()["text"].as_string(), "one");
    EXPECT_EQ(page.get()->text, "one");
  });
}

TEST_F(SharedEntities, CallPolicyClassClient) {
  struct Case {
    const char* what;
    bool page;  // a class with the flag
    std::optional<bool> option, policy, of_client;
    bool shared;
  };
  const Case cases[] = {
      {"nobody has an opinion", false, {}, {}, {}, false},
      {"the class", true, {}, {}, {}, true},
      {"the client", false, {}, {}, true, true},
      {"the class before the client", true, {}, {}, false, true},
      {"the policy before the class", true, {}, false, {}, false},
      {"the policy", false, {}, true, {}, true},
      {"the option before the policy", false, true, false, {}, true},
      {"the option before the class", true, false, {}, {}, false},
  };
  int number = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    ndb::ClientOptions client_options = options();
    client_options.use_shared_cache = c.of_client;
    const ndb::Client client(client_options);
    const std::string id = "p" + std::to_string(++number);
    const auto get = [&] {
      return in_new_context(client, [&] {
        if (c.policy) ndb::get_context().set_shared_cache_policy(*c.policy);
        const ndb::Options read{.use_cache = false, .use_shared_cache = c.option};
        c.page ? void(Page::get_by_id(id, read)) : void(Note::get_by_id(id, read));
      });
    };
    in_new_context(client, [&] {
      c.page ? Page::make({.text = "x"}, ndb::id(id)).put() : Note::make({.text = "x"}, ndb::id(id)).put();
    });
    while (get().memcache_hits == 0) {
    }
    get();
    EXPECT_EQ(get().shared_hits, c.shared ? 1u : 0u);
  }
  in_new_context(client_, [] {
    EXPECT_EQ(ndb::Context::default_shared_cache_policy(ndb::key<Page>("x")), true);
    EXPECT_EQ(ndb::Context::default_shared_cache_policy(ndb::key<Note>("x")), std::nullopt);
    EXPECT_TRUE(ndb::get_context().get_shared_cache_policy().is_default());
  });
}

}  // namespace
