// A store with damaged files does not start as if nothing had been committed; a store whose last write was interrupted
// does start.
#include <gmock/gmock.h>
#include <rocksdb/db.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "local_datastore/datastore_client.h"
#include "local_datastore/storage/kv_store.h"
#include "local_datastore/storage/store_files.h"
#include "ndb/error.h"
#include "support/random_test.h"

namespace ndb::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kCommits = 150;

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const fs::path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

// The folder of a server that was killed: a copy, made while the server runs.
class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "ndb-damage-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    victim_ = folder_ / "victim";
    const auto server = start(folder_ / "source");
    DatastoreClient client(*server);
    for (int i = 1; i <= kCommits; ++i) {
      ASSERT_TRUE(client.commit({upsert(entity(key("K", i), {{"text", text(std::string(100, 'x'))}}))}).ok());
    }
    copy(folder_ / "source", folder_ / "killed");
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::unique_ptr<LocalDatastore> start(const fs::path& directory, bool accept_damaged_log = false) {
    return LocalDatastore::start({.data_dir = directory.string(),
                                  .accept_damaged_log = accept_damaged_log,
                                  .fsync = LocalDatastore::Fsync::kInterval});
  }
  static void copy(const fs::path& from, const fs::path& to) {
    fs::remove_all(to);
    fs::copy(from, to);
  }
  // A fresh copy, to be damaged.
  const fs::path& fresh() {
    copy(folder_ / "killed", victim_);
    return victim_;
  }
  // The copy's file whose name contains this; of several manifests, the current one.
  fs::path file(const std::string& name) const {
    if (name == "MANIFEST") {
      const std::string current = read(victim_ / "CURRENT");
      return victim_ / current.substr(0, current.size() - 1);
    }
    for (const auto& entry : fs::directory_iterator(victim_)) {
      if (entry.path().filename().string().find(name) != std::string::npos) return entry.path();
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }

  // The number of entities, which must be the first ones. -1 if it cannot be read.
  static int count(LocalDatastore& server) {
    DatastoreClient client(server);
    v1::Query query;
    query.add_kind()->set_name("K");
    const auto reply = client.run(query);
    if (!reply.ok()) return -1;
    int n = 0;
    for (const v1::EntityResult& result : reply->batch().entity_results()) {
      EXPECT_EQ(result.entity().key().path(0).id(), ++n);
    }
    return n;
  }

  // The error of a server that does not start; empty if it starts.
  std::string refusal() {
    try {
      start(victim_);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(victim_.string()));
      return error.what();
    }
    return "";
  }

  // Flips some bits of a file.
  static void flip(const fs::path& file, std::mt19937_64& random) {
    std::string bytes = read(file);
    for (std::uint64_t n = 1 + random() % 4; n > 0; --n) {
      bytes[random() % bytes.size()] ^= static_cast<char>(1U << random() % 8);
    }
    write(file, bytes);
  }

  fs::path folder_;
  fs::path victim_;
};

TEST_F(DamageTest, AKilledServerLosesNoAcknowledgedCommit) {
  fresh();
  EXPECT_EQ(count(*start(victim_)), kCommits);
}

TEST_F(DamageTest, FlippedBitsInTheLogAreFound) {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 40; ++round) {
    fresh();
    flip(file(".log"), random);
    if (const std::string why = refusal(); !why.empty()) {
      EXPECT_THAT(why, HasSubstr("is damaged"));
      EXPECT_THAT(why, HasSubstr("--accept-damaged-log"));
    } else {  // the end of a block is not used
      EXPECT_EQ(count(*start(victim_)), kCommits);
    }
  }
  const int kept = count(*start(victim_, true));
  EXPECT_GE(kept, 0);
  EXPECT_LE(kept, kCommits);
}

// In the last block a record that is too long looks like one that was cut off.
TEST_F(DamageTest, EachBitOfALengthCounts) {
  fresh();
  const std::string path = file(".log");
  std::string whole = read(path);
  std::vector<std::size_t> lengths;  // where records have theirs
  std::size_t end = 0;
  while (lengths.size() < 10) {
    lengths.push_back(end + 4);
    end += 7 + static_cast<unsigned char>(whole[end + 4]) + 256U * static_cast<unsigned char>(whole[end + 5]);
  }
  ASSERT_LT(end, std::size_t{32} << 10);
  whole.resize(end);  // the last block is the first one, then
  write(path, whole);
  ASSERT_TRUE(local::check_record_file(path, true).ok());
  for (const std::size_t at : {lengths.front(), lengths[lengths.size() / 2], lengths.back()}) {
    for (std::size_t bit = 0; bit < 16; ++bit) {
      std::string bytes = whole;
      bytes[at + bit / 8] ^= static_cast<char>(1U << bit % 8);
      write(path, bytes);
      EXPECT_FALSE(local::check_record_file(path, true).ok()) << "bit " << bit << " of the length at " << at;
    }
  }
}

TEST_F(DamageTest, ATornEndIsCut) {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 12; ++round) {
    fresh();
    const fs::path log = file(".log");
    const std::uint64_t size = fs::file_size(log);
    fs::resize_file(log, round == 0 ? size - 1 : random() % size);
    const auto server = start(victim_);
    const int kept = count(*server);
    EXPECT_LT(kept, kCommits);
    if (round == 0) {
      EXPECT_EQ(kept, kCommits - 1);
    }
    DatastoreClient client(*server);
    EXPECT_TRUE(client.commit({upsert(entity(key("K", kept + 1)))}).ok());
    EXPECT_EQ(count(*server), kept + 1);
  }
}

TEST_F(DamageTest, AnEndOfZerosIsCut) {
  fresh();
  const fs::path log = file(".log");
  write(log, read(log) + std::string(100'000, '\0'));
  EXPECT_EQ(count(*start(victim_)), kCommits);
}

// The log that a manifest's last records are about is gone: without them the store would be as before.
TEST_F(DamageTest, AManifestWithoutItsEndIsFound) {
  {
    start(folder_ / "killed");
  }  // which makes tables of what was in the log
  for (const std::uint64_t missing : {1U, 3U, 20U, 40U}) {
    fresh();
    fs::resize_file(file("MANIFEST"), fs::file_size(file("MANIFEST")) - missing);
    EXPECT_THAT(refusal(), HasSubstr("is damaged at byte")) << missing;
  }
}

TEST_F(DamageTest, AMissingFileIsFound) {
  {
    start(folder_ / "killed");
  }  // which makes tables of what was in the log
  for (const char* name : {".log", ".sst", "MANIFEST", "CURRENT"}) {
    SCOPED_TRACE(name);
    fresh();
    fs::remove(file(name));
    EXPECT_THAT(refusal(), HasSubstr("is damaged"));
  }
}

// A store with several logs that hold 1000 to 1039 in their order. RocksDB starts a new log when the memtable is full,
// and here it does not write the memtables to tables.
std::vector<fs::path> make_logs(const fs::path& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 64 << 10;
  options.max_write_buffer_number = 40;
  options.min_write_buffer_number_to_merge = 39;
  options.avoid_flush_during_shutdown = true;
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, directory.string(), &db).ok());
  const std::unique_ptr<rocksdb::DB> owner(db);
  for (int i = 1000; i < 1040; ++i) {
    EXPECT_TRUE(db->Put({}, std::to_string(i), std::string(10'000, 'x')).ok());
  }
  std::vector<fs::path> logs;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".log") logs.push_back(entry.path().filename());
  }
  std::sort(logs.begin(), logs.end());
  return logs;
}

// How many of them there are, from the first one on.
int count_in_logs(const fs::path& directory, bool accept_damaged_log) {
  const auto store = local::KvStore::open({.data_dir = directory.string(), .accept_damaged_log = accept_damaged_log});
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return -1;
  auto cursor = (*store)->cursor();
  int n = 0;
  for (cursor.seek(""); cursor.valid(); cursor.next()) EXPECT_EQ(cursor.key(), std::to_string(1000 + n++));
  return n;
}

TEST_F(DamageTest, AGapBetweenLogsIsFound) {
  const fs::path source = folder_ / "logs";
  const std::vector<fs::path> logs = make_logs(source);
  ASSERT_GE(logs.size(), 4u);
  copy(source, victim_);
  EXPECT_EQ(count_in_logs(victim_, false), 40);
  const auto expect_refused = [&](const fs::path& next) {
    const auto store = local::KvStore::open({.data_dir = victim_.string()});
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(store.status().message()), AllOf(HasSubstr(next), HasSubstr("--accept-damaged-log")));
    const int kept = count_in_logs(victim_, true);
    EXPECT_GT(kept, 0);
    EXPECT_LT(kept, 40);
  };
  for (std::size_t i = 1; i + 1 < logs.size(); ++i) {
    SCOPED_TRACE(logs[i]);
    copy(source, victim_);
    fs::remove(victim_ / logs[i]);
    expect_refused(logs[i + 1]);
    copy(source, victim_);
    fs::resize_file(victim_ / logs[i], fs::file_size(victim_ / logs[i]) - 5);
    expect_refused(logs[i + 1]);
  }
}

TEST_F(DamageTest, FlippedBitsElsewhereAreNeverServed) {
  {
    start(folder_ / "killed");
  }
  std::mt19937_64 random(test_seed());
  for (const char* name : {"MANIFEST", "CURRENT", ".sst"}) {
    for (int round = 0; round < 15; ++round) {
      SCOPED_TRACE(name);
      fresh();
      flip(file(name), random);
      std::unique_ptr<LocalDatastore> server;
      try {
        server = start(victim_);
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(victim_.string()));
        continue;
      }
      const int read = count(*server);
      EXPECT_TRUE(read == kCommits || read == -1) << read;
    }
  }
}

// --- directories
// -------------------------------------------------------------------------------------------------------

TEST_F(DamageTest, FilesAreTheirOwnersAlone) {
  const fs::path nested = folder_ / "a" / "b" / "c";
  const auto server = start(nested);
  DatastoreClient client(*server);
  ASSERT_TRUE(client.commit({upsert(entity(key("K", 1)))}).ok());
  const auto mode = [](const fs::path& path) { return fs::status(path).permissions() & fs::perms::all; };
  for (const fs::path& made : {folder_ / "a", folder_ / "a" / "b", nested}) EXPECT_EQ(mode(made), fs::perms::owner_all);
  for (const auto& entry : fs::directory_iterator(nested)) {
    EXPECT_EQ(mode(entry.path()), fs::perms::owner_read | fs::perms::owner_write) << entry.path();
  }
}

TEST_F(DamageTest, FilesOfEarlierVersionsBecomeTheirOwnersAlone) {
  const fs::path directory = folder_ / "killed";
  for (const auto& entry : fs::directory_iterator(directory)) fs::permissions(entry.path(), fs::perms(0644));
  const auto server = start(directory);
  for (const auto& entry : fs::directory_iterator(directory)) {
    const bool data = entry.path().extension() == ".sst" || entry.path().extension() == ".log";
    const fs::perms others = fs::status(entry.path()).permissions() & fs::perms(0077);
    EXPECT_TRUE(!data || others == fs::perms::none) << entry.path();
  }
}

TEST_F(DamageTest, ADirectoryThatCannotBeUsedIsNamed) {
  write(folder_ / "file", "");
  for (const fs::path& directory : {folder_ / "file", folder_ / "file" / "below"}) {
    try {
      start(directory);
      ADD_FAILURE() << "started in " << directory;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(directory.string()));
    }
  }
}

}  // namespace
}  // namespace ndb::testing
