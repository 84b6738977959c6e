// `ndb serve` and memcached are stopped, so that they keep their connections and answer nothing. Every call ends with
// its deadline; how soon is measured by a clock that jumps in the tests of deadlines.
#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ndb/ndb.h"
#include "support/memcached_server.h"
#include "tools/ndb_program.h"

namespace ndb::testing {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class Item : public Model<Item> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class StoppedTest : public ::testing::Test {
 protected:
  StoppedTest() : datastore_({"serve", "--host-port=127.0.0.1:0"}) {
    for (std::string line = datastore_.line(); line != "Dev App Server is now running"; line = datastore_.line()) {
      if (line.starts_with("export ")) address_ = line.substr(line.find('=') + 1);
      if (line.empty()) {
        ADD_FAILURE() << "the server ended";
        break;
      }
    }
    client_.emplace(client(5s));
    const auto scope = client_->context();
    Item::make({.n = 1}, id(1)).put();
    scope->clear_cache();
    EXPECT_EQ(Item::get_by_id(1)->n, 1);  // memcache has it
  }
  ~StoppedTest() override { datastore_.signal(SIGCONT); }

  // A memcached that works is not waited for in vain within 5 s, however busy the machine is.
  Client client(std::chrono::milliseconds memcache_timeout) const {
    ClientOptions options;
    options.project = "stopped";
    options.emulator_host = address_;
    options.memcached_hosts = {memcached_.address()};
    options.memcache_connect_timeout = options.memcache_io_timeout = memcache_timeout;
    return Client(options);
  }

  // How `call` ends in a request with a deadline.
  Error outcome(std::chrono::milliseconds deadline, const std::function<void()>& call) const {
    const auto scope = client_->context({.deadline = deadline});
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    return Error(absl::OkStatus());
  }
  // After a write of 2 whose outcome may be unknown, and which may still be applied: no cache shows what is older than
  // what the Datastore had.
  void expect_coherent() const {
    const auto scope = client_->context();
    const auto stored = [] { return Item::get_by_id(1, {.use_cache = false, .use_memcache = false})->n; };
    const std::int64_t before = stored(), cached = Item::get_by_id(1)->n, after = stored();
    EXPECT_LE(before, cached);
    EXPECT_LE(cached, after);
  }

  MemcachedServer memcached_;
  Command datastore_;
  std::string address_;
  std::optional<Client> client_;
};

const std::vector<std::pair<const char*, std::function<void()>>>& calls() {
  static const std::vector<std::pair<const char*, std::function<void()>>> all = {
      {"get", [] { Item::get_by_id(2); }},
      {"put", [] { Item::make({.n = 2}, id(1)).put(); }},
      {"query", [] { Item::query().fetch(10); }},
      {"transaction", [] {
         transaction([] {
           Item item = Item::get_by_id(1);
           item.edit().n = 2;
           item.put();
         });
       }}};
  return all;
}

TEST_F(StoppedTest, CallsEndByTheirDeadlineWithoutTheDatastore) {
  datastore_.pause();
  for (const auto& [name, call] : calls()) {
    const Error error = outcome(300ms, call);
    EXPECT_EQ(error.status().code(), StatusCode::kDeadlineExceeded) << name << ": " << error.what();
    EXPECT_THAT(error.what(), HasSubstr("the deadline of the context, 300 ms")) << name;
  }
  datastore_.signal(SIGCONT);
  expect_coherent();
}

TEST_F(StoppedTest, AMemcachedThatIsStoppedKeepsWritesOutAndLetsReadsPass) {
  client_.emplace(client(50ms));
  memcached_.pause();
  for (const auto& [name, call] : calls()) {
    const Error error = outcome(60s, call);
    const std::string what = error.what();
    if (name == std::string("get") || name == std::string("query")) {
      EXPECT_TRUE(error.status().ok()) << name << ": " << what;
    } else {
      EXPECT_EQ(error.status().code(), StatusCode::kUnavailable) << name << ": " << what;
      EXPECT_THAT(what, HasSubstr(memcached_.address())) << name;
    }
  }
  memcached_.resume();
  const auto scope = client_->context();
  EXPECT_EQ(Item::get_by_id(1, {.use_cache = false, .use_memcache = false})->n, 1);
}

TEST_F(StoppedTest, CallsEndByTheirDeadlineWithoutEither) {
  memcached_.pause();
  datastore_.pause();
  for (const auto& [name, call] : calls()) {
    const Error error = outcome(300ms, call);
    EXPECT_FALSE(error.status().ok()) << name;
  }
  memcached_.resume();
  datastore_.signal(SIGCONT);
  expect_coherent();
}

}  // namespace
}  // namespace ndb::testing
