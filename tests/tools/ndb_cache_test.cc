// `ndb cache`, while programs use the same memcached servers and the same Datastore.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "memcache/gateway.h"
#include "memcache/protocol/record.h"
#include "ndb/local_datastore.h"
#include "ndb/ndb.h"
#include "support/memcached_server.h"
#include "tools/ndb_program.h"

namespace ndb::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

struct Ran {
  std::string output;
  int code = 0;
};

class CacheCommandTest : public ::testing::Test {
 protected:
  static LocalDatastore& datastore() {
    static const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0"});
    return *server;
  }

  ClientOptions options(std::vector<std::string> servers) const {
    return {.project = project_,
            .channel = datastore().channel(),
            .memcached_hosts = std::move(servers),
            .memcache_connect_timeout = 5s,
            .memcache_io_timeout = 5s};
  }
  static memcache::Config config(std::string server) {
    return {.servers = {std::move(server)}, .connect_timeout = 5s, .io_timeout = 5s};
  }
  Key key(std::string_view kind, const Id& id, std::string_view where = "") const {
    return {kind, id, Partition{.project = project_, .database = "", .namespace_ = std::string(where)}};
  }

  static Ran run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "cache");
    Command command(std::move(arguments));
    std::string output = command.rest();
    return {std::move(output), command.exit_code()};
  }
  // Runs it with the servers of this test.
  Ran ndb_cache(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--memcached", memcached_.address(), "--project=" + project_, "--emulator-host",
                                       datastore().address()});
    return run(std::move(arguments));
  }
  std::string show(const Key& key) const {
    Ran ran = ndb_cache({"show", key.urlsafe()});
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.output, StartsWith(cat(key.to_string(), "\n  at ", memcached_.address(), " as ",
                                           memcache::record_name(key.bytes()), "\n  ")));
    return ran.output;
  }

  // Writes like a program that does not know memcache.
  void write_behind(const std::vector<Key>& keys, const std::string& text) const {
    const Client client(options({}));
    const auto scope = client.context();
    std::vector<Entity> entities;
    entities.reserve(keys.size());
    for (const Key& one : keys) entities.push_back(Entity::make(one, {{"text", text}}));
    put_multi(entities);
  }
  // The texts that a new context of a client with memcache reads.
  std::vector<std::string> texts(const std::vector<Key>& keys) const {
    const auto scope = client_.context();
    std::vector<std::string> texts;
    for (const Entity& entity : get_multi<Entity>(keys)) texts.push_back(entity["text"].as_string());
    return texts;
  }
  std::string text(const Key& key) const { return texts({key})[0]; }
  // Leaves "old" in memcache, and "new" in the Datastore.
  void make_stale(const std::vector<Key>& keys) const {
    write_behind(keys, "old");
    texts(keys);
    write_behind(keys, "new");
    ASSERT_THAT(texts(keys), Each("old"));
  }

  void plant(const Key& key, std::uint32_t flags, const std::string& body) const {
    const std::string head = cat("set ", memcache::record_name(key.bytes()), ' ', flags, " 0 ", body.size(), "\r\n");
    ASSERT_EQ(memcached_.command(head + body), "STORED\r\n");
  }
  void plant(const Key& key, const memcache::Record& record) const {
    const auto [flags, body] = memcache::encode(record, key.bytes(), 4096);
    plant(key, flags, body);
  }

  const std::string project_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const MemcachedServer memcached_;  // one per test: each remembers a list of servers
  const Client client_{options({memcached_.address()})};
};

TEST_F(CacheCommandTest, ShowsTheEntityThatIsServed) {
  const Key ada = key("Account", id("ada"), "eu");
  {
    const auto scope = client_.context();
    Entity::make(ada, {{"age", 36}, {"name", "Ada"}}).put();
  }
  for (int i = 0; i < 2; ++i) {  // the first read fills, and the second one waits until it is done
    const auto scope = client_.context();
    ada.get<Entity>();
  }
  EXPECT_THAT(show(ada),
              AllOf(HasSubstr("VALUE: the entity as of version "), HasSubstr("read from the Datastore at 20"),
                    HasSubstr(" bytes, in a record of "), HasSubstr("; served until somebody writes"),
                    HasSubstr("\n    age: 36\n    name: \"Ada\"\n")));

  // The same record by its path.
  const Ran by_path = ndb_cache({"show", "Account:ada", "--namespace=eu"});
  EXPECT_EQ(by_path.output.substr(0, by_path.output.find('(')), "Key");
  EXPECT_THAT(by_path.output, AllOf(StartsWith(ada.to_string()), HasSubstr("age: 36")));
}

TEST_F(CacheCommandTest, ShowsWhatOtherReadsAndWritesLeave) {
  const Key gone = key("Account", id("gone")), fresh = key("Account", id("fresh")), own = key("Account", id("own"));
  {
    const auto scope = client_.context();
    const Key read[] = {gone};
    for (int i = 0; i < 2; ++i) {
      get_multi<Entity>(read);
      scope->clear_cache();
    }
    Entity::make(fresh, {}).put();
    Entity::make(own, {{"here", true}}).put({.use_datastore = false});
  }
  EXPECT_THAT(show(gone), AllOf(HasSubstr("NEG: known not to exist as of version "), HasSubstr("; served until 20"),
                                HasSubstr(" (in ")));
  EXPECT_THAT(show(fresh), HasSubstr("EMPTY: nothing; the next reader may fill it with version "));
  EXPECT_THAT(show(own),
              AllOf(HasSubstr("CACHED: an entity that lives in memcache alone; "), HasSubstr("\n    here: true\n")));
  EXPECT_THAT(show(key("Account", id("never"))), HasSubstr("ABSENT: nothing"));
}

TEST_F(CacheCommandTest, ShowsWriters) {
  const auto gateway = *memcache::Gateway::make(config(memcached_.address()));
  const Key busy = key("Account", id("busy"));
  const memcache::LockRequest request{.key = busy};
  const auto one = gateway->lock({&request, 1}, 60s);
  EXPECT_THAT(show(busy), AllOf(HasSubstr("LOCK: 1 writer; not served and not filled"),
                                HasSubstr("\n    a writer, protected until 20"), Not(HasSubstr("contended"))));
  const auto two = gateway->lock({&request, 1}, 60s);
  EXPECT_THAT(show(busy), HasSubstr("LOCK: 2 writers;"));
  ASSERT_TRUE(gateway->invalidate({&busy, 1}).ok());
  EXPECT_THAT(show(busy), AllOf(HasSubstr("LOCK: 2 writers;"), HasSubstr("\n    contended until 20")));
  plant(busy, {.state = memcache::State::kLock, .version = 7, .holders = {{.token = 1, .deadline = 1000}}});
  EXPECT_THAT(show(busy), AllOf(HasSubstr("has version 7 or later"), HasSubstr("until 1970-01-01T00:16:40Z ("),
                                HasSubstr(" ago)")));
}

TEST_F(CacheCommandTest, ShowsRecordsByTheirBytes) {
  using memcache::State;
  const Key some = key("Account", id("some"));
  const WallTime then{1000s};
  const auto in_an_hour = static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(Clock::system().now().time_since_epoch()).count() + 3600);
  const struct {
    memcache::Record record;
    std::string says;
  } cases[] = {
      {{.state = State::kEmpty, .version = 5, .token = 1},
       "EMPTY: nothing; the next reader may fill it with version 5 or later\n"},
      {{.state = State::kNeg, .version = 5, .read_time = then},
       "NEG: known not to exist as of version 5, read from the Datastore at 1970-01-01T00:16:40Z ("},
      {{.state = State::kNeg, .version = 5, .expiry = 1000}, "; expired at 1970-01-01T00:16:40Z ("},
      {{.state = State::kValue, .version = 5, .expiry = in_an_hour}, "; served until 20"},
      {{.state = State::kValue, .version = 5, .payload = std::string(9000, 'x')},
       "9000 bytes, compressed to a record of "},
      {{.state = State::kValue, .version = 5, .payload = "x"}, "\n    cannot be decoded: "},
      {{.state = State::kCached, .version = 5, .token = 1},
       "readers of the Datastore may fill it with version 5 or later\n"},
      {{.state = State::kLock, .version = 5, .contended_until = 1000},
       "LOCK: no writers; not served and not filled; what comes next has version 5 or later\n    contended until "
       "1970-01-01T00:16:40Z ("},
  };
  for (const auto& [record, says] : cases) {
    plant(some, record);
    EXPECT_THAT(show(some), HasSubstr(says));
  }

  plant(some, 1, "not ours");
  EXPECT_THAT(show(some), HasSubstr("FOREIGN: 8 bytes of another format"));
  auto [flags, body] = memcache::encode(cases[0].record, some.bytes(), 4096);
  ++body.back();
  plant(some, flags, body);
  EXPECT_THAT(show(some), HasSubstr("CORRUPT: "));
}

TEST_F(CacheCommandTest, TakesKeysAsPeopleWriteThem) {
  const struct {
    std::string text;
    Key means;
  } cases[] = {
      {"Account:ada", key("Account", id("ada"))},
      {"Account:42", key("Account", id(42))},
      {"Account:-42", key("Account", id(-42))},
      {"Account:name=42", key("Account", id("42"))},
      {"Account:name=name=x", key("Account", id("name=x"))},
      {"Account:42nd", key("Account", id("42nd"))},
      {"Account:-", key("Account", id("-"))},
      {"Parent:1/Child:x", Key("Child", id("x"), key("Parent", id(1)))},
      {"Page:http:%2F%2fa.org%2F50%25", key("Page", id("http://a.org/50%"))},
      {"a%3Ab:c", key("a:b", id("c"))},
      {key("Account", id("ada"), "eu").urlsafe(), key("Account", id("ada"), "eu")},
  };
  for (const auto& [text, means] : cases) {
    SCOPED_TRACE(text);
    EXPECT_THAT(ndb_cache({"show", text}).output, StartsWith(means.to_string() + "\n"));
  }
  const Ran elsewhere = ndb_cache({"show", "Account:ada", "--database", "d", "--namespace", "n"});
  EXPECT_THAT(elsewhere.output, HasSubstr("database='d', namespace='n')"));
}

TEST_F(CacheCommandTest, LookingLeavesNothingBehind) {
  const MemcachedServer untouched;
  EXPECT_EQ(run({"show", "Account:ada", "--project=p", "--memcached", untouched.address()}).code, 0);
  EXPECT_EQ(run({"stats", "--memcached", untouched.address()}).code, 0);
  EXPECT_EQ(untouched.stat("total_items"), 0);
}

TEST_F(CacheCommandTest, FlushesKeys) {
  const std::vector<Key> keys = {key("Account", id("ada")), key("Account", id("bob")), key("Account", id(7))};
  make_stale(keys);
  const Ran ran = ndb_cache({"flush", "Account:ada", keys[2].urlsafe()});
  EXPECT_EQ(ran.output, "invalidated 2 records\n");
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(show(keys[0]), HasSubstr("EMPTY"));
  EXPECT_EQ(texts(keys), (std::vector<std::string>{"new", "old", "new"}));
  EXPECT_EQ(ndb_cache({"flush", "Account:bob"}).output, "invalidated 1 record\n");
  EXPECT_EQ(text(keys[1]), "new");
}

// A flush invalidates and does not delete: the lock of a writer stays.
TEST_F(CacheCommandTest, FlushingLeavesWritersTheirLocks) {
  const auto gateway = *memcache::Gateway::make(config(memcached_.address()));
  const Key busy = key("Account", id("busy"));
  const memcache::LockRequest request{.key = busy};
  ASSERT_TRUE(gateway->lock({&request, 1}, 60s)[0].ok());
  EXPECT_EQ(ndb_cache({"flush", "Account:busy"}).code, 0);
  EXPECT_THAT(show(busy), AllOf(HasSubstr("LOCK: 1 writer;"), HasSubstr("contended until")));
}

TEST_F(CacheCommandTest, FlushesOneKindInOneNamespace) {
  std::vector<Key> accounts;
  for (int i = 1; i <= 500; ++i) accounts.push_back(key("Account", id(i)));  // one batch, and then some
  accounts.push_back(key("Account", id("ada")));
  accounts.emplace_back("Account", id("child"), key("Account", id(1)));
  const Key abroad = key("Account", id("ada"), "eu"), other = key("Note", id("ada"));
  std::vector<Key> all = accounts;
  all.insert(all.end(), {abroad, other});
  make_stale(all);

  const Ran ran = ndb_cache({"flush", "--kind", "Account"});
  EXPECT_EQ(ran.output, "invalidated 502 records\n");
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(texts(accounts), Each("new"));
  EXPECT_EQ(text(abroad), "old");
  EXPECT_EQ(text(other), "old");

  EXPECT_EQ(ndb_cache({"flush", "--kind=Account", "--namespace=eu"}).output, "invalidated 1 record\n");
  EXPECT_EQ(text(abroad), "new");
  EXPECT_EQ(text(other), "old");
  EXPECT_EQ(ndb_cache({"flush", "--kind=None"}).output, "invalidated 0 records\n");
}

TEST_F(CacheCommandTest, FlushesAll) {
  const std::vector<Key> keys = {key("Account", id("ada")), key("Note", id(7), "eu")};
  make_stale(keys);
  const Ran ran = ndb_cache({"flush", "--all"});
  EXPECT_THAT(ran.output,
              AllOf(StartsWith("emptied 1 of 1 servers\n"), HasSubstr("\"evict\""), HasSubstr("Readers stay correct"),
                    HasSubstr("(P1)"), HasSubstr("(P2)"), HasSubstr("misses"), HasSubstr("in memcache alone is gone")));
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(show(keys[0]), HasSubstr("ABSENT"));
  EXPECT_THAT(texts(keys), Each("new"));
}

TEST_F(CacheCommandTest, FlushesTheServersThatAnswer) {
  const std::string dead = cat("127.0.0.1:", free_port());
  const MemcachedServer alive;
  const std::string servers = cat(alive.address(), ",", dead);
  std::vector<std::string> arguments = {"flush", "--project=p", "--memcached", servers};
  for (int i = 1; i <= 40; ++i) arguments.push_back(cat("Account:", i));
  const Ran keys = run(arguments);
  EXPECT_EQ(keys.code, 1);
  EXPECT_THAT(keys.output, AllOf(HasSubstr(cat("memcached server ", dead, " did not invalidate Key(")),
                                 HasSubstr("were not invalidated and may still be served")));
  const auto number_before = [&](std::string_view word) {
    const std::size_t end = keys.output.find(word);
    return std::stoi(keys.output.substr(keys.output.find_last_not_of("0123456789", end - 1) + 1));
  };
  EXPECT_GT(number_before(" records were not"), 0);
  EXPECT_EQ(std::stoi(keys.output.substr(keys.output.find("invalidated ") + 12)) + number_before(" records were not"),
            40);

  const Ran all = run({"flush", "--all", "--memcached", servers});
  EXPECT_EQ(all.code, 1);
  EXPECT_THAT(all.output, AllOf(HasSubstr("emptied 1 of 2 servers"),
                                HasSubstr(cat("memcached server ", dead, " did not confirm flush_all"))));
  const Ran show = run({"show", "--project=p", "--memcached", dead, "Account:ada"});
  EXPECT_EQ(show.code, 1);
  EXPECT_THAT(show.output, HasSubstr(cat("ndb: memcached server ", dead, " does not answer")));
}

// With another list of servers, the records that programs read may be on other servers.
TEST_F(CacheCommandTest, RefusesToFlushWithAnotherListOfServers) {
  const Key ada = key("Account", id("ada"));
  make_stale({ada});
  const MemcachedServer second;
  const std::string both = cat(memcached_.address(), " ", second.address());
  const Ran flush = run({"flush", ada.urlsafe(), "--memcached", both});
  EXPECT_EQ(flush.code, 1);
  EXPECT_THAT(flush.output, AllOf(HasSubstr("another list of servers (" + memcached_.address() + ")"),
                                  HasSubstr("invalidated 0 records\n"), HasSubstr("the same MEMCACHED_HOSTS")));
  EXPECT_EQ(text(ada), "old");
  EXPECT_THAT(run({"stats", "--memcached", both}).output,
              HasSubstr("warning: it is used with another list of servers"));
}

TEST_F(CacheCommandTest, DescribesServers) {
  const MemcachedServer careless({"-o", "temporary_ttl=30", "-I", "2m"});
  make_stale({key("Account", id("ada"))});
  const Ran ran = ndb_cache({"stats"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.output, AllOf(StartsWith(memcached_.address() + "\n  version 1."), HasSubstr(", up "),
                                HasSubstr("\n  2 items, "), HasSubstr(" of 67108864 bytes (0%)\n  hit ratio "),
                                HasSubstr(" items asked for), 0 evictions\n  temporary_ttl 400\n"),
                                HasSubstr("(ndbr:ring): " + memcached_.address() + "\n"), Not(HasSubstr("warning"))));

  const std::string dead = cat("127.0.0.1:", free_port());
  Command command({"cache", "stats"}, {cat("MEMCACHED_HOSTS=", careless.address(), ",", dead)});
  EXPECT_THAT(
      command.rest(),
      AllOf(HasSubstr(careless.address() + "\n  version"), HasSubstr("temporary_ttl 30\n"),
            HasSubstr("(ndbr:ring): none remembered\n"), HasSubstr("warning: write locks can be evicted"),
            HasSubstr("warning: it takes items of 2097152 bytes"), HasSubstr(dead + "\n  warning: it does not answer"),
            HasSubstr(cat("ndb: memcached server ", dead, " does not answer\n"))));
  EXPECT_EQ(command.exit_code(), 1);
}

}  // namespace
}  // namespace ndb::testing
