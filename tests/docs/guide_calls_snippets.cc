// The code of the chapters of docs/guide.md on calls: futures, tasklets, transactions, clients. See guide_snippets.cc.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "docs/guide_fixture.h"

namespace guide {

// ---- Futures, tasklets, transactions

TEST_F(GuideInContext, Futures) {
  const ndb::TierCounts& counts = ndb::get_context().counts();
  {
    // [futures]
    ndb::Future<Account> ada = Account::get_by_id_async("ada");
    ndb::Future<Account> bob = Account::get_by_id_async("bob");
    std::int64_t total = ada.get()->age + bob.get()->age;  // one batch to memcache, one Lookup
    // [/futures]
    EXPECT_EQ(total, 77);
    EXPECT_EQ(counts.memcache_reads, 1u);
    EXPECT_EQ(counts.lookups, 1u);
    EXPECT_EQ(counts.lookup_keys, 2u);
  }
  {
    // [multi]
    std::vector<ndb::Key> keys{ndb::key<Account>("ada"), ndb::key<Account>("bob"), ndb::key<Account>("ada")};
    std::vector<Account> accounts = ndb::get_multi<Account>(keys);  // in the order of the keys; a key may occur twice
    for (Account& account : accounts) account.edit().age += 1;
    std::vector<ndb::Key> written = ndb::put_multi(accounts);
    ndb::delete_multi(keys);
    // [/multi]
    EXPECT_EQ(written, keys);
  }
  {
    const std::vector<ndb::Key> keys{ndb::key<Account>("ada"), ndb::key<Account>("bad")};
    ndb::Entity::make(keys[1], {{"age", "forty"}, {"name", "Bad"}}).put();
    ndb::get_context().clear_cache();
    std::size_t errors = 0;
    // [try_get_multi]
    for (const absl::StatusOr<Account>& account : ndb::try_get_multi<Account>(keys)) {
      if (account.ok()) continue;
      std::cerr << account.status() << '\n';  // names the entity
      ++errors;
    }
    // [/try_get_multi]
    EXPECT_EQ(errors, 1u);
    keys[1].delete_();
  }
  // [try_get]
  absl::StatusOr<Account> found = Account::get_by_id_async("ada").try_get();
  if (!found.ok()) std::cerr << found.status() << '\n';
  // [/try_get]
  EXPECT_TRUE(found.ok());
}

TEST_F(GuideInContext, Tasklets) {
  Account::make({.name = "Cyd", .employer = ada_}, ndb::id("cyd")).put({.use_cache = false});
  Account::make({.name = "Dee", .employer = ada_}, ndb::id("dee")).put({.use_cache = false});
  const std::uint64_t before = ndb::get_context().counts().lookups;
  // [tasklets]
  auto name_of_employer = [](std::string_view id) {
    Account account = Account::get_by_id(id);
    return account->employer ? account->employer->get<Account>()->name : "";
  };
  ndb::Tasklet<std::string> cyd = ndb::tasklet([&] { return name_of_employer("cyd"); });
  ndb::Tasklet<std::string> dee = ndb::tasklet([&] { return name_of_employer("dee"); });
  std::cout << cyd.get() << ", " << dee.get() << '\n';  // two Lookups in all, and not four
  // [/tasklets]
  EXPECT_EQ(cyd.get(), "Ada");
  EXPECT_EQ(ndb::get_context().counts().lookups - before, 2u);

  // [map]
  std::vector<std::string> ids{"cyd", "dee"};
  std::vector<std::string> names = ndb::map(ids, name_of_employer);
  // [/map]
  EXPECT_THAT(names, ElementsAre("Ada", "Ada"));
}

TEST_F(GuideInContext, Transactions) {
  Wallet::make({.coins = 100}, ndb::id("mine")).put();
  Wallet::make({.coins = 0}, ndb::id("yours")).put();
  // [transaction]
  std::int64_t left = ndb::transaction([] {
    Wallet mine = Wallet::get_by_id("mine");
    Wallet yours = Wallet::get_by_id("yours");
    if (mine->coins < 10) throw ndb::Rollback("not enough");  // undone quietly; transaction() gives 0
    mine.edit().coins -= 10;
    yours.edit().coins += 10;
    mine.put();
    yours.put();
    ndb::get_context().call_on_commit([] { std::cout << "paid\n"; });
    return mine->coins;
  });
  // [/transaction]
  EXPECT_EQ(left, 90);
  EXPECT_EQ(Wallet::get_by_id("yours")->coins, 10);

  // [transaction_options]
  ndb::transaction([] { Wallet::get_by_id("mine"); }, {.retries = 5, .read_only = true});
  ndb::transaction(
      [] {
        ndb::transaction([] { Wallet::get_by_id("mine"); }, {.propagation = ndb::Propagation::kAllowed});  // joins
        ndb::non_transactional([] { Wallet::make({.coins = 1}, ndb::id("log")).put(); });  // is not undone
        throw ndb::Rollback("");
      },
      {.deadline = std::chrono::seconds(10)});
  // [/transaction_options]
  EXPECT_TRUE(Wallet::get_by_id("log"));
  EXPECT_THAT(message_of<ndb::BadRequestError>([] { ndb::transaction([] { ndb::transaction([] {}); }); }),
              HasSubstr("kAllowed"));
}

// ---- Raw memcache, errors

TEST_F(GuideInContext, PutIf) {
  // [put_if]
  Account fresh = Account::get_by_id("ada", {.max_staleness = std::chrono::seconds(5)});
  fresh.edit().age += 1;
  try {
    fresh.put_if(ndb::version_of(fresh));
  } catch (const ndb::ConflictError&) {
    // Somebody else has written it since. No cache serves the old value now: read it again.
  }
  // [/put_if]
  EXPECT_EQ(Account::get_by_id("ada", {.use_cache = false, .use_memcache = false})->age, 37);
  EXPECT_THROW(fresh.put_if(1), ndb::ConflictError);
}

TEST_F(GuideInContext, RawMemcache) {
  // [raw_memcache]
  ndb::Context& context = ndb::get_context();
  context.memcache_set("greeting", "hello", 60);
  std::optional<std::string> greeting = context.memcache_get("greeting");
  context.memcache_add("greeting", "no");  // false: it is there already
  std::optional<std::uint64_t> visits = context.memcache_incr("visits", 1, 0);

  if (auto item = context.memcache_gets("greeting")) {
    context.memcache_cas("greeting", item->value + " again", item->token);  // unless it was changed meanwhile
  }
  // [/raw_memcache]
  EXPECT_EQ(greeting, "hello");
  EXPECT_EQ(visits, 1u);
  EXPECT_EQ(context.memcache_get("greeting"), "hello again");
}

TEST_F(GuideInContext, Errors) {
  // [errors]
  try {
    Account::make({.name = std::string(2000, 'x')}, ndb::id("long")).put();
  } catch (const ndb::BadValueError& error) {
    std::cerr << error.what() << '\n';  // names the property, its size and the limit
  } catch (const ndb::Error& error) {
    if (absl::IsUnavailable(error.status())) std::cerr << "try again: " << error.what() << '\n';
  }
  // [/errors]
  EXPECT_THAT(
      message_of<ndb::BadValueError>([] { Account::make({.name = std::string(2000, 'x')}, ndb::id("l")).put(); }),
      HasSubstr("\"name\""));
  // [log]
  ndb::set_log_sink([](ndb::Severity severity, std::string_view message) {
    if (severity != ndb::Severity::kInfo) std::clog << "ndb: " << message << '\n';
  });
  // [/log]
  ndb::set_log_sink({});
}

// Compiled and not run: gRPC runs in this process, and the children of this one could not use it.
[[maybe_unused]] void fork_first(const ndb::ClientOptions& options) {
  // [fork]
  ndb::Client client(options);  // connects nowhere yet
  if (const pid_t child = fork(); child == 0) {
    auto scope = client.context();  // the child's own connections, made now
    Account::make({.name = "Child"}, ndb::id("child")).put();
    _exit(0);
  }
  // [/fork]
}

TEST_F(Guide, Clients) {
  const std::string folder = ::testing::TempDir() + "ndb_guide_" + std::to_string(getpid());
  // [local_datastore]
  auto server = ndb::LocalDatastore::start({.data_dir = folder});
  ndb::Client client({.channel = server->channel()});
  // [/local_datastore]
  std::filesystem::remove_all(folder);
  const std::string host = memcached_->address();
  // [client_options]
  ndb::Client shop({.project = "shop",
                    .namespace_ = "eu",
                    .emulator_host = "localhost:8081",
                    .memcached_hosts = std::vector<std::string>{host},
                    .memcache_timeout = std::chrono::hours(24)});  // where no policy and no class says otherwise
  // [/client_options]
  EXPECT_EQ(client.project(), "local");
  EXPECT_EQ(shop.project(), "shop");
}

// [observer]
class Spans : public ndb::Observer {
 public:
  void begin(const ndb::SpanBegin& span) override {
    std::clog << "span " << span.id << " in " << span.parent << ": " << to_string(span.kind) << ' ' << span.name
              << " to " << span.server << ", " << span.keys << " keys\n";
  }
  void end(const ndb::SpanEnd& span) override {
    std::clog << "span " << span.id << ": " << absl::StatusCodeToString(span.code) << ", " << span.found << " found, "
              << span.time.count() << " ns\n";
  }
  ndb::RpcHeaders headers(const ndb::SpanBegin&) override {
    return {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
  }
};
// [/observer]

[[maybe_unused]] void set_observer() {
  // [set_observer]
  const ndb::Client traced({.observer = std::make_shared<Spans>()});
  // [/set_observer]
}

TEST_F(GuideInContext, Counts) {
  // [counts]
  Account::get_by_id("ada");
  const ndb::TierCounts& counts = ndb::get_context().counts();
  std::cout << counts.cache_hits << " from the context cache, " << counts.memcache_hits << " from memcache, "
            << counts.lookup_keys << " keys in " << counts.lookups << " Lookups\n";
  // [/counts]
  EXPECT_EQ(counts.lookup_keys, 1u);
  const ndb::Client& client = client_;
  // [stats]
  const ndb::DatastoreStats rpcs = client.datastore_stats();
  const ndb::RpcStats& lookups = rpcs[ndb::RpcMethod::kLookup];
  std::cout << lookups.calls() << " Lookups, " << lookups.failed() << " of them failed, in " << lookups.time.count()
            << " ns\n";
  ndb::for_each_stat(client.memcache_stats(), [](const auto& field, std::uint64_t value) {
    std::cout << field.name << ' ' << value << "  # " << field.help << '\n';
  });
  // [/stats]
  EXPECT_GT(lookups.calls(), 0u);
}

}  // namespace guide
