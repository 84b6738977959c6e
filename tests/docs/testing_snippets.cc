// The code of the guide's chapter on testing an application, as in guide_snippets.cc. Public headers only.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using ::testing::IsEmpty;

// The application under test.
class Basket : public ndb::Model<Basket> {
 public:
  struct Properties {
    std::int64_t apples = 0;
    ndb::Timestamp changed{};
  };
  NDB_MODEL(apples, changed)
};

std::int64_t add_apples(std::string_view id, std::int64_t count) {
  return ndb::transaction([&] {
    Basket basket = Basket::get_by_id(id);
    if (!basket) basket = Basket::make({}, ndb::id(id));
    basket.edit().apples += count;
    basket.put();
    return basket->apples;
  });
}

// [test_memcached]
class Memcached {  // a memcached on a socket of its own, which ends with the object
 public:
  Memcached() {
    std::string folder = std::filesystem::temp_directory_path() / "memcached.XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no folder for memcached's socket");
    folder_ = folder;
    start();
  }
  ~Memcached() {
    stop();
    std::filesystem::remove_all(folder_);
  }
  Memcached(const Memcached&) = delete;
  Memcached& operator=(const Memcached&) = delete;

  std::string address() const { return folder_ + "/socket"; }

  void start() {
    const std::string socket = address();
    const char* const arguments[] = {"memcached", "-o",   "temporary_ttl=400", "-s", socket.c_str(), "-u",
                                     "root",      nullptr};
    if (posix_spawnp(&process_, "memcached", nullptr, nullptr, const_cast<char**>(arguments), environ) != 0) {
      throw std::runtime_error("memcached is not installed");
    }
    while (!accepts()) {
      if (waitpid(process_, nullptr, WNOHANG) != 0) throw std::runtime_error("memcached has ended");
      std::this_thread::yield();
    }
  }
  void stop() {
    if (process_ < 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = -1;
    std::filesystem::remove(address());
  }

 private:
  bool accepts() const {
    sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
    address().copy(name.sun_path, sizeof name.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    close(fd);
    return connected;
  }

  std::string folder_;
  pid_t process_ = -1;
};
// [/test_memcached]

// [test_fixture]
class BasketTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    memcached_ = std::make_unique<Memcached>();
    datastore_ = ndb::LocalDatastore::start();  // in memory, without a port
  }
  static void TearDownTestSuite() {
    datastore_.reset();
    memcached_.reset();
  }

  // Each test has a project of its own, so tests do not see each other's entities.
  static ndb::Client make_client() {
    return ndb::Client({.project = ::testing::UnitTest::GetInstance()->current_test_info()->name(),
                        .channel = datastore_->channel(),
                        .memcached_hosts = std::vector<std::string>{memcached_->address()},
                        .memcache_io_timeout = std::chrono::seconds(5)});  // so that a busy machine changes no result
  }

  static inline std::unique_ptr<Memcached> memcached_;
  static inline std::unique_ptr<ndb::LocalDatastore> datastore_;
  const ndb::Client client_ = make_client();
};
// [/test_fixture]

// [test_scope]
TEST_F(BasketTest, ApplesAddUp) {
  {
    auto request = client_.context();
    EXPECT_EQ(add_apples("b", 2), 2);
  }
  auto next_request = client_.context();  // an empty context cache, as in the next request of a server
  EXPECT_EQ(Basket::get_by_id("b")->apples, 2);
}
// [/test_scope]

// [test_counts]
TEST_F(BasketTest, ReadsAreBatched) {
  auto scope = client_.context();
  const std::vector<ndb::Key> keys{ndb::key<Basket>("a"), ndb::key<Basket>("b"), ndb::key<Basket>("c")};
  ndb::get_multi<Basket>(keys);
  EXPECT_EQ(scope->counts().lookups, 1);  // one RPC, whatever the number of keys
}
// [/test_counts]

// [test_processes]
TEST_F(BasketTest, OtherProcessesSeeTheWrite) {
  const ndb::Client other_process = make_client();  // shares nothing with client_ but the servers
  auto scope = client_.context();
  add_apples("b", 1);
  auto other = other_process.context();  // current from now on
  EXPECT_EQ(Basket::get_by_id("b")->apples, 1);
}
// [/test_processes]

// [test_conflict]
TEST_F(BasketTest, AConflictRunsTheTransactionAgain) {
  auto optimistic = ndb::LocalDatastore::start({.concurrency = ndb::LocalDatastore::Concurrency::kOptimistic});
  const ndb::Client client({.channel = optimistic->channel(), .memcached_hosts = std::vector<std::string>{}});
  auto scope = client.context();
  int attempts = 0;
  ndb::transaction([&] {
    Basket basket = Basket::get_by_id("b");
    if (++attempts == 1) {            // somebody else is faster
      auto other = client.context();  // outside of the transaction
      Basket::make({.apples = 7}, ndb::id("b")).put();
    }
    if (!basket) basket = Basket::make({}, ndb::id("b"));
    basket.edit().apples += 1;
    basket.put();
  });
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(Basket::get_by_id("b")->apples, 8);
}
// [/test_conflict]

// [test_memcached_fails]
TEST_F(BasketTest, WorksWhenMemcachedIsDown) {
  auto scope = client_.context();
  add_apples("b", 1);
  memcached_->stop();
  EXPECT_EQ(Basket::get_by_id("b", {.use_cache = false})->apples, 1);  // from the Datastore
  EXPECT_THROW(add_apples("b", 1), ndb::Error);                        // without its lock nothing is written
  memcached_->start();
}
// [/test_memcached_fails]

// [test_datastore_fails]
TEST_F(BasketTest, SaysThatTheDatastoreIsDown) {
  auto datastore = ndb::LocalDatastore::start();
  const ndb::Client client({.channel = datastore->channel(), .memcached_hosts = std::vector<std::string>{}});
  auto scope = client.context();
  datastore->shutdown();
  EXPECT_THROW(add_apples("b", 1), ndb::Error);
}
// [/test_datastore_fails]

// [test_log]
TEST_F(BasketTest, LogsNothing) {
  std::mutex mutex;
  std::vector<std::string> lines;
  ndb::set_log_sink([&](ndb::Severity, std::string_view line) {  // any thread may log
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  });
  {
    auto scope = client_.context();
    add_apples("b", 1);
  }
  ndb::set_log_sink({});
  EXPECT_THAT(lines, IsEmpty());
}
// [/test_log]

TEST(RequiredIndexes, AreFoundByTests) {
  std::string folder = std::filesystem::temp_directory_path() / "indexes.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string file = folder + "/index.yaml";
  close(open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  {
    // [test_indexes]
    auto datastore = ndb::LocalDatastore::start({.index_file = file, .require_indexes = true});
    // [/test_indexes]
    const ndb::Client client({.channel = datastore->channel(), .memcached_hosts = std::vector<std::string>{}});
    auto scope = client.context();
    EXPECT_TRUE(Basket::query(Basket::apples == 1).fetch().empty());
    EXPECT_THROW(Basket::query(Basket::apples == 1).order(-Basket::changed).fetch(), ndb::Error);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
