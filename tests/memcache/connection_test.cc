// A connection to servers that send invalid answers, too much, or too slowly: it fails in bounded time and memory.

#include "memcache/transport/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <deque>
#include <future>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"
#include "gateway_fixture.h"
#include "lying_server.h"
#include "memcache/transport/resolve.h"
#include "memcache/transport/server_report.h"
#include "support/memcached_server.h"

namespace ndb::memcache {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kName = "k";

class ConnectionTest : public ::testing::Test {
 protected:
  // The connection's result when it asks for the item `k`: its value, "absent", "too large" or "failed".
  std::string ask(LyingServer::Lie lie) {
    LyingServer server(std::move(lie));
    const Address address = *parse_address(server.address());
    Connection connection(address, config_);
    const std::uint64_t epoch = connection.epoch();
    std::string found = "absent";
    const std::string_view names[] = {kName};
    const bool ok = connection.ask(names) && connection.fetch(names, [&](std::size_t, const Item& item) {
      found = item.too_large ? "too large" : std::string(item.body);
    });
    EXPECT_EQ(connection.epoch() == epoch, ok);
    return ok ? found : "failed";
  }
  template <class Use>
  auto with(const std::string& answer, Use use) {
    LyingServer server({.answer = answer});
    const Address address = *parse_address(server.address());
    Connection connection(address, config_);
    return use(connection);
  }

  Config config_{.io_timeout = std::chrono::seconds(5), .max_item_size = 100'000};
};

TEST_F(ConnectionTest, ReadsMemcachedsAnswers) {
  EXPECT_EQ(ask({.answer = "END\r\n"}), "absent");
  EXPECT_EQ(ask({.answer = "VALUE k 0 3 17\r\nabc\r\nEND\r\n"}), "abc");
  EXPECT_EQ(ask({.answer = "VALUE k 4294967295 0 18446744073709551615\r\n\r\nEND\r\n"}), "");
  EXPECT_EQ(ask({.answer = cat("VALUE k 0 100000 1\r\n", std::string(100'000, 'x'), "\r\nEND\r\n")}).size(), 100'000u);
  EXPECT_EQ(ask({.answer = "VALUE k 0 14 1\r\nEND\r\nVALUE k 1\r\nEND\r\n"}), "END\r\nVALUE k 1");
}

// A server with a higher item limit than the client's is not faulty. Its item is skipped and not kept.
TEST_F(ConnectionTest, ReadsPastItemsThatAreTooLarge) {
  EXPECT_EQ(ask({.answer = cat("VALUE k 0 100001 1\r\n", std::string(100'001, 'x'), "\r\nEND\r\n")}), "too large");
  EXPECT_EQ(ask({.answer = cat("VALUE k 0 5000000 1\r\n", std::string(5'000'000, 'x'), "\r\nEND\r\n")}), "too large");
}

TEST_F(ConnectionTest, RefusesAnswersThatMemcachedNeverSends) {
  for (const std::string& answer :
       std::vector<std::string>{"\r\n",
                                "\n",
                                "END\n",
                                "END \r\n",
                                "end\r\n",
                                "OK\r\n",
                                "ERROR\r\n",
                                "SERVER_ERROR busy\r\n",
                                "VERSION\r\n",
                                "VERSION 1.6.18\r\n",
                                "STAT pid 1\r\n",
                                "STORED\r\n",
                                "17\r\n",
                                "VALUE\r\n",
                                "VALUE \r\n",
                                "VALUE k\r\n",
                                "VALUE k 0\r\n",
                                "VALUE k 0 1\r\n",
                                "VALUE k 0 1 \r\nx\r\nEND\r\n",
                                "VALUE k 0 -1 1\r\n",
                                "VALUE k 0 +1 1\r\nx\r\nEND\r\n",
                                "VALUE k 0 0x1 1\r\n",
                                "VALUE k 0 18446744073709551615 1\r\nxx",
                                "VALUE k 0 18446744073709551614 1\r\nxx",
                                "VALUE k 0 18446744073709551616 1\r\n",
                                "VALUE k 0 9223372036854775807 1\r\n",
                                "VALUE k 0 2000000000 1\r\n",
                                "VALUE k 4294967296 1 1\r\nx\r\nEND\r\n",
                                "VALUE k 0 1 1 1\r\nx\r\nEND\r\n",
                                "VALUE  k 0 1 1\r\nx\r\nEND\r\n",
                                "VALUE k 0 1 1\r\nxyz\r\nEND\r\n",
                                "VALUE other 0 1 1\r\nx\r\nEND\r\n",
                                "VALUE k 0 1 1\r\nx\r\nVALUE k 0 1 1\r\nx\r\nEND\r\n",
                                cat("VALUE ", std::string(300, 'k'), " 0 1 1\r\nx\r\nEND\r\n"),
                                cat("VALUE ", std::string(100'000, 'k'), " 0 1 1\r\n"),
                                std::string(100'000, 'y'),
                                std::string("VALUE k\0 0 1 1\r\nx\r\nEND\r\n", 25)}) {
    EXPECT_EQ(ask({.answer = answer, .repeated = {}, .hangs_up = true}), "failed") << quoted(answer);
  }
}

// The announced length alone costs nothing.
TEST_F(ConnectionTest, AllocatesWhatHasArrived) {
  config_.max_item_size = std::size_t{1} << 30;
  const std::size_t before = mallinfo2().arena + mallinfo2().hblkhd;
  EXPECT_EQ(ask({.answer = "VALUE k 0 1000000000 1\r\nxxx", .repeated = {}, .hangs_up = true}), "failed");
  EXPECT_LT(mallinfo2().arena + mallinfo2().hblkhd, before + (std::size_t{64} << 20));
}

// Each piece comes in time, but the whole answer does not.
TEST_F(ConnectionTest, AnAnswerThatDripsIsTooLate) {
  config_.io_timeout = milliseconds(20);
  EXPECT_EQ(ask({.answer = "VALUE k 0 90000 1\r\n", .repeated = "x", .pause = milliseconds(1)}), "failed");
  EXPECT_EQ(ask({.answer = {}, .repeated = "E", .pause = milliseconds(1)}), "failed");
  EXPECT_EQ(ask({.answer = "VALUE k 0 900000 1\r\n", .repeated = "x", .pause = milliseconds(1)}), "failed");
  EXPECT_EQ(ask({}), "failed");
}

TEST_F(ConnectionTest, AnAnswerWithoutEndFails) {
  EXPECT_EQ(ask({.answer = {}, .repeated = "VALUE k 0 1 1\r\nx\r\n"}), "failed");
  EXPECT_EQ(ask({.answer = {}, .repeated = std::string(10'000, 'y')}), "failed");
  config_.io_timeout = milliseconds(50);
  EXPECT_EQ(ask({.answer = "VALUE k 0 1000000000 1\r\n", .repeated = std::string(10'000, 'y')}), "failed");
}

TEST_F(ConnectionTest, OtherCommandsBelieveNoMoreThanThat) {
  const auto store = [&](const std::string& answer) {
    return with(answer, [](Connection& c) { return c.store(kName, {.verb = Verb::kSet, .body = "x"}); });
  };
  EXPECT_EQ(store("STORED\r\n"), true);
  EXPECT_EQ(store("NOT_STORED\r\n"), false);
  EXPECT_EQ(store("SERVER_ERROR object too large for cache\r\n"), false);
  EXPECT_EQ(store("SERVER_ERROR out of memory storing object\r\n"), false);
  for (const char* answer :
       {"STORED?\r\n", "VERSION\r\n", "SERVER_ERROR\r\n", "CLIENT_ERROR bad data chunk\r\n", "DELETED\r\n"}) {
    EXPECT_EQ(store(answer), std::nullopt) << answer;
  }
  const auto add = [&](const std::string& answer) {
    return with(answer, [](Connection& c) { return c.add_number(kName, -1); });
  };
  EXPECT_EQ(add("18446744073709551615\r\n").value, ~std::uint64_t{0});
  EXPECT_EQ(add("NOT_FOUND\r\n").outcome, Sum::Outcome::kAbsent);
  EXPECT_EQ(add("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n").outcome, Sum::Outcome::kNotANumber);
  for (const char* answer : {"18446744073709551616\r\n", "-1\r\n", "\r\n", "1 \r\n", "VERSION\r\n"}) {
    EXPECT_EQ(add(answer).outcome, Sum::Outcome::kNoAnswer) << answer;
  }
  EXPECT_EQ(with("VERSION\r\n", [](Connection& c) { return c.remove(kName); }), std::nullopt);
  EXPECT_EQ(with("OK, later\r\n", [](Connection& c) { return c.flush_all(); }), std::nullopt);
}

TEST_F(ConnectionTest, StatisticsAreBounded) {
  const auto stats = [&](LyingServer::Lie lie) {
    LyingServer server(std::move(lie));
    const Address address = *parse_address(server.address());
    Connection connection(address, config_);
    return connection.stats("settings");
  };
  const auto some = stats({.answer = "STAT a 1\r\nSTAT b two words\r\nSTAT c \r\nEND\r\n"});
  ASSERT_TRUE(some);
  EXPECT_EQ(some->at("a"), "1");
  EXPECT_EQ(some->at("b"), "two words");
  EXPECT_EQ(some->at("c"), "");
  std::string many;
  for (int i = 0; i < 2000; ++i) many += cat("STAT s", i, " 1\r\n");
  for (const std::string& answer : {cat("STAT a ", std::string(5000, 'x'), "\r\nEND\r\n"), many + "END\r\n",
                                    std::string("VERSION\r\n"), std::string("STAT\r\nSTAT\r\nEND\r\n")}) {
    EXPECT_FALSE(stats({.answer = answer, .repeated = {}, .hangs_up = true})) << answer.substr(0, 40);
  }
  EXPECT_FALSE(stats({.answer = {}, .repeated = "STAT pid 1\r\n"}));
}

// A gateway whose servers all behave this way serves nothing, locks nothing, and says so.
TEST_F(ConnectionTest, AGatewayBypassesAServerWithInvalidAnswers) {
  config_.io_timeout = milliseconds(50);
  config_.ring_check = RingCheck::kWarn;
  for (const LyingServer::Lie& lie :
       {LyingServer::Lie{.answer = "VERSION\r\n"}, LyingServer::Lie{.answer = {}, .repeated = "STAT pid 1\r\n"},
        LyingServer::Lie{.answer = "VALUE ndbr:ring 0 18446744073709551615 1\r\n"},
        LyingServer::Lie{.answer = {}, .repeated = std::string(1000, '\0')}}) {
    LyingServer server(lie);
    Config config = config_;
    config.servers = {server.address()};
    const std::unique_ptr<Gateway> gateway = *Gateway::make(config);
    const Key key = make_key("ada");
    const ReadRequest requests[] = {{.key = key}, {.key = key, .cached_only = true}};
    for (const ReadResult& result : gateway->read(requests)) EXPECT_EQ(result.outcome, ReadOutcome::kBypass);
    const LockRequest lock{.key = key};
    EXPECT_TRUE(absl::IsUnavailable(gateway->lock({&lock, 1}, std::chrono::seconds(10))[0].status()));
    EXPECT_TRUE(absl::IsUnavailable(gateway->put_cached(key, "x", {})));
    EXPECT_FALSE(gateway->server_stats()[0].answers);
  }
}

TEST_F(ConnectionTest, SpeaksToUnixSocketsAndByName) {
  testing::MemcachedServer server;
  const std::string address = server.address();
  const std::string port = address.substr(address.rfind(':'));
  for (const std::string& text : {address, "localhost" + port}) {
    const Address parsed = *parse_address(text);
    Connection connection(parsed, config_);
    EXPECT_EQ(connection.store(kName, {.verb = Verb::kSet, .body = text}), true) << text;
  }
  for (const char* nowhere : {"/no/such/socket", "127.0.0.1:1", "no-such-host.invalid:11211"}) {
    const Address parsed = *parse_address(nowhere);
    Connection connection(parsed, config_);
    EXPECT_EQ(connection.remove(kName), std::nullopt);
    EXPECT_EQ(connection.blame(), Connection::Blame::kServer);
  }
}

// Servers that are silent are waited for together: these answer only when all of them have been asked.
TEST(ServerReports, AreAskedForAtOnce) {
  constexpr std::size_t kServers = 8;
  Mutex mutex;
  Condition changed;
  std::size_t asked = 0;
  bool over = false;
  std::deque<LyingServer> servers;
  Config config{.io_timeout = std::chrono::seconds(20)};
  for (std::size_t i = 0; i < kServers; ++i) {
    const auto wait_for_the_others = [&] {
      const MutexLock lock(mutex);
      ++asked;
      changed.notify_all();
      while (asked < kServers && !over) changed.wait(mutex);
    };
    servers.emplace_back(LyingServer::Lie{.answer = "STAT version 1.6\r\nEND\r\n", .before = wait_for_the_others});
    config.servers.push_back(servers.back().address());
  }
  const std::vector<ServerStats> reports = reports_of(**Cluster::make(config));
  {
    const MutexLock lock(mutex);
    over = true;
    changed.notify_all();
  }
  ASSERT_EQ(reports.size(), kServers);
  for (std::size_t i = 0; i < kServers; ++i) {
    EXPECT_TRUE(reports[i].answers);
    EXPECT_EQ(reports[i].address, config.servers[i]);
  }
}

// A resolver has time-outs of its own, of many seconds. Nobody waits for it longer than for a connection.
std::promise<void>& released() {
  static std::promise<void> released;
  return released;
}
TEST(Resolve, KeepsTheTime) {
  const Address name{.host = "memcached.example"};
  Addresses found;
  const Lookup silent = [](const char*, const char*, const addrinfo*, addrinfo**) {
    static const std::shared_future<void> end = released().get_future().share();
    end.wait();
    return EAI_AGAIN;
  };
  EXPECT_EQ(resolve(name, Deadline(milliseconds(1)), found, silent), Transfer::kTimedOut);
  // However often it is tried, the threads that wait stay few.
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(resolve(name, Deadline(milliseconds(0)), found, silent), Transfer::kTimedOut);
  }
  const Lookup forbidden = [](const char*, const char*, const addrinfo*, addrinfo**) {
    ADD_FAILURE() << "one more thread";
    return EAI_AGAIN;
  };
  EXPECT_EQ(resolve(name, Deadline(std::chrono::seconds(20)), found, forbidden), Transfer::kTimedOut);
  EXPECT_EQ(resolve({.host = "127.0.0.1"}, Deadline(milliseconds(0)), found, forbidden), Transfer::kDone);
  ASSERT_NE(found, nullptr);

  released().set_value();
  const Lookup unknown = [](const char*, const char*, const addrinfo*, addrinfo**) { return EAI_NONAME; };
  while (resolve(name, Deadline(std::chrono::seconds(20)), found, unknown) == Transfer::kTimedOut) {
    std::this_thread::yield();  // until those threads are gone
  }
  EXPECT_EQ(found, nullptr);
  EXPECT_EQ(resolve({.host = "localhost"}, Deadline(std::chrono::seconds(20)), found), Transfer::kDone);
  EXPECT_NE(found, nullptr);
}

}  // namespace
}  // namespace ndb::memcache
