// Which tiers a call uses: the manual's policies, class variables and context options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "context/context_impl.h"
#include "support/tiers.h"

namespace {

using namespace std::chrono_literals;
using ndb::testing::Tiers;
using ::testing::HasSubstr;

class Plain : public ndb::Model<Plain> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};

class Refusing : public ndb::Model<Refusing> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
  static constexpr bool _use_cache = false;
  static constexpr bool _use_memcache = false;
  static constexpr bool _use_datastore = false;
  static constexpr int _memcache_timeout = 30;
};

class Asking : public ndb::Model<Asking> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
  static bool _use_cache(const ndb::Key& key) { return key.string_id() == "yes"; }
  static std::optional<bool> _use_memcache(const ndb::Key&) { return std::nullopt; }
  static std::chrono::seconds _memcache_timeout(const ndb::Key& key) { return key.string_id() == "yes" ? 60s : 0s; }
};

enum class Tier { kCache, kMemcache, kDatastore };

class Policies : public Tiers {
 protected:
  static bool decide(const ndb::Key& key, const ndb::Options& options, Tier tier) {
    const ndb::Context::Impl& impl = impl_of(ndb::get_context());
    const ndb::context::CallPolicy policy = impl.decide(impl.qualify(key).value(), options).value();
    return tier == Tier::kCache ? policy.cache : tier == Tier::kMemcache ? policy.memcache : policy.datastore;
  }
  static void set_policy(Tier tier, ndb::FlagPolicy policy) {
    ndb::Context& context = ndb::get_context();
    tier == Tier::kCache      ? context.set_cache_policy(std::move(policy))
    : tier == Tier::kMemcache ? context.set_memcache_policy(std::move(policy))
                              : context.set_datastore_policy(std::move(policy));
  }
  static ndb::Options option(Tier tier, std::optional<bool> value) {
    // The tiers that are not tested stay on: a call without any tier is an error.
    ndb::Options options{.use_cache = true, .use_datastore = true};
    (tier == Tier::kCache      ? options.use_cache
     : tier == Tier::kMemcache ? options.use_memcache
                               : options.use_datastore) = value;
    return options;
  }
};

// The first answer wins: the call's option, the context's policy, the client's default, true. The class is asked by the
// default policy only.
TEST_F(Policies, TheFirstAnswerWins) {
  using Answer = std::optional<bool>;
  enum class Policy { kDefault, kTrue, kFalse, kNoOpinion };
  const auto make = [](Policy p) -> ndb::FlagPolicy {
    switch (p) {
      case Policy::kDefault:
        return nullptr;
      case Policy::kTrue:
        return true;
      case Policy::kFalse:
        return false;
      case Policy::kNoOpinion:
        return [](const ndb::Key&) -> std::optional<bool> { return std::nullopt; };
    }
    return nullptr;
  };
  struct Row {
    Answer option;
    Policy policy;
    bool class_refuses;
    Answer client;
    bool expected;
  };
  const std::vector<Row> rows = {
      {std::nullopt, Policy::kDefault, false, std::nullopt, true},  // nobody has an opinion
      {std::nullopt, Policy::kDefault, false, false, false},        // the client's default
      {std::nullopt, Policy::kDefault, true, std::nullopt, false},  // the class
      {std::nullopt, Policy::kDefault, true, true, false},          // the class beats the client
      {std::nullopt, Policy::kTrue, true, false, true},             // a policy beats both
      {std::nullopt, Policy::kFalse, false, true, false},
      {std::nullopt, Policy::kNoOpinion, true, std::nullopt, true},  // a policy replaces the default one whole
      {std::nullopt, Policy::kNoOpinion, true, false, false},
      {true, Policy::kFalse, true, false, true},  // an option beats everything
      {false, Policy::kTrue, false, true, false},
      {true, Policy::kDefault, true, false, true},
  };
  for (const Tier tier : {Tier::kCache, Tier::kMemcache, Tier::kDatastore}) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      SCOPED_TRACE("tier " + std::to_string(static_cast<int>(tier)) + ", row " + std::to_string(i));
      ndb::ClientOptions with = options();
      (tier == Tier::kCache      ? with.use_cache
       : tier == Tier::kMemcache ? with.use_memcache
                                 : with.use_datastore) = row.client;
      const ndb::Client client(with);
      const auto scope = client.context();
      set_policy(tier, make(row.policy));
      const ndb::Key key = row.class_refuses ? ndb::key<Refusing>("x") : ndb::key<Plain>("x");
      // Memcache is special: a class that keeps its kind out of it cannot be overruled, see the next test.
      if (tier == Tier::kMemcache && row.class_refuses) continue;
      EXPECT_EQ(decide(key, option(tier, row.option), tier), row.expected);
    }
  }
}

// Writes of such a kind do not invalidate memcache, so nothing that the Datastore stores may be read from there.
TEST_F(Policies, AClassKeepsItsKindOutOfMemcache) {
  const ndb::Client client = this->client();
  const auto scope = client.context();
  const ndb::Key key = ndb::key<Refusing>("x");
  ndb::get_context().set_memcache_policy(true);
  EXPECT_FALSE(decide(key, {.use_datastore = true}, Tier::kMemcache));
  EXPECT_TRUE(decide(key, {.use_datastore = false}, Tier::kMemcache));  // what lives in memcache alone may
  EXPECT_THROW(key.get<Refusing>({.use_memcache = true, .use_datastore = true}), ndb::BadArgumentError);
}

TEST_F(Policies, PoliciesAreAskedWithTheKey) {
  const ndb::Client client = this->client();
  const auto scope = client.context();
  ndb::get_context().set_cache_policy([](const ndb::Key& key) { return key.kind() != "Account"; });
  EXPECT_FALSE(decide(ndb::Key("Account", ndb::id("a")), {}, Tier::kCache));
  EXPECT_TRUE(decide(ndb::Key("Other", ndb::id("a")), {}, Tier::kCache));
  // A policy may fall back to the default one.
  ndb::get_context().set_cache_policy([](const ndb::Key& key) { return ndb::Context::default_cache_policy(key); });
  EXPECT_FALSE(decide(ndb::key<Refusing>("x"), {.use_datastore = true}, Tier::kCache));
  ndb::get_context().set_cache_policy(nullptr);
  EXPECT_TRUE(ndb::get_context().get_cache_policy().is_default());
  EXPECT_TRUE(decide(ndb::key<Asking>("yes"), {}, Tier::kCache));
  EXPECT_FALSE(decide(ndb::key<Asking>("no"), {}, Tier::kCache));
  EXPECT_TRUE(decide(ndb::key<Asking>("no"), {}, Tier::kMemcache));
}

TEST_F(Policies, DefaultPoliciesReadTheClass) {
  const ndb::Key refusing("Refusing", ndb::id("x")), plain("Plain", ndb::id("x")), unknown("NoClass", ndb::id("x"));
  EXPECT_EQ(ndb::Context::default_cache_policy(refusing), false);
  EXPECT_EQ(ndb::Context::default_memcache_policy(refusing), false);
  EXPECT_EQ(ndb::Context::default_datastore_policy(refusing), false);
  EXPECT_EQ(ndb::Context::default_memcache_timeout_policy(refusing), 30s);
  for (const ndb::Key& key : {plain, unknown, ndb::Key()}) {
    EXPECT_EQ(ndb::Context::default_cache_policy(key), std::nullopt);
    EXPECT_EQ(ndb::Context::default_memcache_policy(key), std::nullopt);
    EXPECT_EQ(ndb::Context::default_datastore_policy(key), std::nullopt);
    EXPECT_EQ(ndb::Context::default_memcache_timeout_policy(key), std::nullopt);
  }
}

TEST_F(Policies, TimeoutsResolveInTheSameOrder) {
  struct Row {
    std::optional<ndb::Timeout> option;
    std::optional<int> policy;
    ndb::Key key;
    std::optional<ndb::Timeout> client;
    std::chrono::seconds expected;
  };
  const ndb::Key plain("Plain", ndb::id("x")), refusing("Refusing", ndb::id("x")), asking("Asking", ndb::id("yes"));
  const std::vector<Row> rows = {
      {std::nullopt, std::nullopt, plain, std::nullopt, 0s},
      {std::nullopt, std::nullopt, plain, 24h, 24h},
      {std::nullopt, std::nullopt, refusing, 24h, 30s},
      {std::nullopt, std::nullopt, asking, 24h, 60s},
      {std::nullopt, 5, refusing, 24h, 5s},
      {7, 5, refusing, 24h, 7s},
      {0, 5, refusing, 24h, 0s},
      {ndb::Timeout(2min), 5, plain, std::nullopt, 120s},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(i);
    ndb::ClientOptions with = options();
    with.memcache_timeout = rows[i].client;
    const ndb::Client client(with);
    const auto scope = client.context();
    if (rows[i].policy) ndb::get_context().set_memcache_timeout_policy(*rows[i].policy);
    const ndb::Context::Impl& impl = impl_of(ndb::get_context());
    const auto policy = impl.decide(impl.qualify(rows[i].key).value(),
                                    {.use_memcache = true, .use_datastore = false, .memcache_timeout = rows[i].option});
    ASSERT_TRUE(policy.ok()) << policy.status();
    // The client's default is spread over the last tenth of the time-out.
    EXPECT_LE(policy->timeout, rows[i].expected);
    EXPECT_GE(policy->timeout, rows[i].expected == 24h ? rows[i].expected * 9 / 10 : rows[i].expected);
  }
}

TEST_F(Policies, TheClientsTimeoutIsSpread) {
  ndb::ClientOptions with = options();
  with.memcache_timeout = 24h;
  const ndb::Client client(with);
  const auto scope = client.context();
  const ndb::Context::Impl& impl = impl_of(ndb::get_context());
  std::set<std::chrono::seconds> timeouts;
  for (int i = 1; i <= 100; ++i) {
    const ndb::Key key = impl.qualify(ndb::Key("Plain", ndb::id(i))).value();
    EXPECT_EQ(impl.decide(key, {})->timeout, impl.decide(key, {})->timeout) << "reads of one key share a batch";
    timeouts.insert(impl.decide(key, {})->timeout);
  }
  EXPECT_GT(timeouts.size(), 90u);
}

TEST_F(Policies, BadOptionsAreNamed) {
  const ndb::Client client = this->client();
  const auto scope = client.context();
  Plain entity = Plain::make({.name = "n"}, ndb::id("x"));
  struct Row {
    ndb::Options options;
    std::string says;
  };
  const std::vector<Row> rows = {
      {{.memcache_timeout = -1}, "memcache_timeout"},
      {{.memcache_timeout = 1500ms}, "memcache_timeout"},
      {{.deadline = 0ms}, "deadline"},
      {{.deadline = 301s}, "deadline"},
      {{.retries = -1}, "retries"},
      {{.use_cache = false, .use_memcache = false, .use_datastore = false}, "no tier is left"},
  };
  for (const Row& row : rows) {
    const absl::Status get = entity.key().get_async<Plain>(row.options).try_get().status();
    const absl::Status put = entity.put_async(row.options).try_get().status();
    const absl::Status erase = entity.key().delete_async(row.options).try_get();
    for (const absl::Status& status : {get, put, erase}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << row.says;
      EXPECT_THAT(std::string(status.message()), HasSubstr(row.says));
    }
  }
  EXPECT_THROW(entity.put({.memcache_timeout = -1}), ndb::BadValueError);
  EXPECT_THROW(entity.put({.retries = -1}), ndb::BadArgumentError);
  EXPECT_FALSE(entity.key().get<Plain>());  // none of them wrote anything
}

}  // namespace
