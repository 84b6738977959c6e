// `ndb export` and `ndb import`: an import restores what was exported, and errors have a line number.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "local_datastore/datastore_client.h"
#include "tools/ndb_program.h"

namespace {

using namespace ndb::testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

v1::Key in(const std::string& name_space, v1::Key key) {
  key.mutable_partition_id()->set_namespace_id(name_space);
  return key;
}

struct Outcome {
  int code;
  std::string says;
};

// A server with a folder for files.
class Transfer : public ::testing::Test {
 protected:
  Transfer() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~Transfer() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::vector<std::string> arguments(std::vector<std::string> given) const {
    given.push_back("--host=" + address_);
    if (std::none_of(given.begin(), given.end(), [](const auto& one) { return one.starts_with("--project"); })) {
      given.push_back(std::string("--project=") + kProject);
    }
    return given;
  }

  Outcome ndb(std::vector<std::string> given) const {
    Command command(arguments(std::move(given)));
    std::string says = command.rest();
    return {command.exit_code(), std::move(says)};
  }

  std::string exported(std::vector<std::string> given = {}) const {
    given.insert(given.begin(), {"export", path("exported")});
    const Outcome outcome = ndb(std::move(given));
    EXPECT_EQ(outcome.code, 0) << outcome.says;
    return read_file(path("exported"));
  }

  Outcome import_text(const std::string& text, std::vector<std::string> given = {}) const {
    write_file(path("lines"), text);
    given.insert(given.begin(), {"import", path("lines")});
    return ndb(std::move(given));
  }

  std::string folder_ = std::filesystem::temp_directory_path() / "ndb_transfer_test.XXXXXX";
  std::unique_ptr<ndb::LocalDatastore> server_ = ndb::LocalDatastore::start({.host_port = "127.0.0.1:0"});
  std::string address_ = server_->address();
  DatastoreClient datastore_{*server_};
};

std::vector<v1::Mutation> one_of_everything() {
  v1::Value timestamp, blob, point, nested, far;
  timestamp.mutable_timestamp_value()->set_seconds(-1);
  timestamp.mutable_timestamp_value()->set_nanos(123456000);
  blob.set_blob_value(std::string("\0\xff", 2));
  point.mutable_geo_point_value()->set_latitude(-0.0);
  point.mutable_geo_point_value()->set_longitude(179.99);
  *nested.mutable_entity_value() = entity(key("Part"), {{"deep", array({integer(1), unindexed(text("x"))})}});
  far = key_value(key("Elsewhere", 1));
  far.mutable_key_value()->mutable_partition_id()->set_project_id("another-project");
  v1::Value marked = integer(7);
  marked.set_meaning(15);
  const Properties everything = {
      {"int", integer(INT64_MIN)},
      {"big", integer(9007199254740993)},
      {"reals", array({real(0.1), real(-0.0), real(std::nan("")), real(-std::numeric_limits<double>::infinity())})},
      {"text", text("\xe2\x82\xac \"\\\n")},
      {"odd \"name\"\n\\", boolean(true)},
      {"null", null()},
      {"unset", v1::Value()},
      {"empty", array({})},
      {"time", timestamp},
      {"blob", unindexed(blob)},
      {"point", point},
      {"nested", nested},
      {"near", key_value(key("Parent", 1, "Child", "x"))},
      {"far", far},
      {"nothing", key_value(v1::Key())},
      {"marked", marked},
  };
  return {upsert(entity(key("Thing", 9007199254740993), everything)),
          upsert(entity(key("Thing", -5, "Child", "na/me"), everything)),
          upsert(entity(in("tenant", key("Thing", "a")), everything)),
          upsert(entity(in("tenant", key("Empty", "\n")), {})),
          upsert(entity(in("other-tenant", key("Other", 1)), {{"v", key_value(in("tenant", key("Thing", "a")))}}))};
}

TEST_F(Transfer, CopiesADatabaseExactly) {
  ASSERT_TRUE(datastore_.commit(one_of_everything()).ok());
  const std::string original = exported();
  EXPECT_EQ(std::count(original.begin(), original.end(), '\n'), 5);
  EXPECT_THAT(import_text(original, {"--project=copy", "--database=second"}).says,
              HasSubstr("ndb: imported 5 entities from " + path("lines")));
  EXPECT_EQ(exported({"--project", "copy", "--database", "second"}), original);
  EXPECT_EQ(exported(), original);
  EXPECT_FALSE(std::filesystem::exists(path("exported.partial")));
}

TEST_F(Transfer, WritesAndReadsStandardStreams) {
  ASSERT_TRUE(datastore_.commit({upsert(entity(key("K", "a"), {{"n", integer(1)}}))}).ok());
  const std::string line = R"({"key":{"path":[{"kind":"K","name":"a"}]},"properties":{"n":{"integerValue":"1"}}})";
  for (const bool dash : {false, true}) {
    Command out(arguments(dash ? std::vector<std::string>{"export", "-"} : std::vector<std::string>{"export"}));
    EXPECT_THAT(out.rest(), AllOf(HasSubstr(line + "\n"), HasSubstr("ndb: exported 1 entities as of ")));
    EXPECT_EQ(out.exit_code(), 0);
  }
  write_file(path("in"), line);
  Command in(arguments({"import", "/dev/stdin", "--database=second"}), {}, path("in"));
  EXPECT_THAT(in.rest(), HasSubstr("imported 1 entities from /dev/stdin"));
  Command dash(arguments({"import", "--database=third"}), {}, path("in"));
  EXPECT_THAT(dash.rest(), HasSubstr("imported 1 entities from stdin"));
  EXPECT_EQ(exported({"--database=third"}), line + "\n");
}

// The file is a pipe, so the export stops in the middle while everything changes.
TEST_F(Transfer, ExportsAreAsOfOneTime) {
  constexpr int kEntities = 1500;
  for (int i = 0; i < kEntities; i += 500) {
    std::vector<v1::Mutation> mutations;
    for (int n = i; n < i + 500; ++n) {
      mutations.push_back(
          upsert(entity(in(n % 2 == 0 ? "" : "n", key("K", n + 1)), {{"v", unindexed(text(std::string(1000, 'x')))}})));
    }
    ASSERT_TRUE(datastore_.commit(mutations).ok());
  }
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  Command command(arguments({"export", path("pipe")}));
  std::ifstream pipe(path("pipe"));
  std::string line;
  std::set<std::string> lines;
  ASSERT_TRUE(std::getline(pipe, line));
  lines.insert(line);
  for (int i = 0; i < kEntities; i += 500) {
    std::vector<v1::Mutation> mutations;
    for (int n = i; n < i + 500; ++n) {
      const v1::Key old = in(n % 2 == 0 ? "" : "n", key("K", n + 1));
      mutations.push_back(n % 3 == 0 ? upsert(entity(old, {{"v", text("new")}})) : erase(old));
    }
    ASSERT_TRUE(datastore_.commit(mutations).ok());
  }
  while (std::getline(pipe, line)) lines.insert(line);
  EXPECT_EQ(lines.size(), kEntities);
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [](const auto& one) { return one.size() > 1000; }), kEntities);
  command.rest();
  EXPECT_EQ(command.exit_code(), 0);
}

TEST_F(Transfer, ChoosesNamespacesAndKinds) {
  std::vector<v1::Mutation> mutations;
  for (const std::string name_space : {"", "n"}) {
    for (const std::string kind : {"A", "B", "C"}) {
      mutations.push_back(upsert(entity(in(name_space, key(kind, name_space + kind)))));
    }
  }
  ASSERT_TRUE(datastore_.commit(mutations).ok());
  const std::string all = exported();
  const struct {
    std::vector<std::string> options;
    std::vector<std::string> names;
  } cases[] = {
      {{}, {"A", "B", "C", "nA", "nB", "nC"}},
      {{"--namespace="}, {"A", "B", "C"}},
      {{"--namespace", "n"}, {"nA", "nB", "nC"}},
      {{"--kind=B"}, {"B", "nB"}},
      {{"--kind=C", "--kind=A", "--namespace=n", "--namespace="}, {"nA", "nC", "A", "C"}},
      {{"--kind=Nothing"}, {}},
      {{"--kind=__kind__"}, {}},
  };
  int database = 0;
  for (const auto& [options, names] : cases) {
    SCOPED_TRACE(::testing::PrintToString(options));
    std::set<std::string> expected(names.begin(), names.end()), found, imported;
    const auto names_in = [](const std::string& lines) {
      std::set<std::string> out;
      for (std::size_t at = 0; (at = lines.find("\"name\":\"", at)) != std::string::npos; at += 8) {
        out.insert(lines.substr(at + 8, lines.find('"', at + 8) - at - 8));
      }
      return out;
    };
    EXPECT_EQ(names_in(exported(options)), expected);
    const std::string target = "--database=copy-" + std::to_string(++database);
    std::vector<std::string> given = options;
    given.push_back(target);
    const Outcome outcome = import_text(all, given);
    EXPECT_EQ(outcome.code, 0) << outcome.says;
    EXPECT_EQ(outcome.says.find("left out") == std::string::npos, expected.size() == 6);
    EXPECT_EQ(names_in(exported({target})), expected);
  }
}

std::string line_of(int id, const std::string& value) {
  return R"({"key":{"path":[{"kind":"K","id":")" + std::to_string(id) + R"("}]},"properties":{"n":)" + value + "}}\n";
}
std::string number_line(int id, int n) { return line_of(id, R"({"integerValue":")" + std::to_string(n) + "\"}"); }

TEST_F(Transfer, ManyLinesOfOneKeyEndWithTheLast) {
  std::mt19937_64 random(std::random_device{}());
  std::string lines;
  std::vector<int> last(40, -1);
  for (int n = 0; n < 2000; ++n) {
    const std::size_t id = random() % last.size();
    last[id] = n;
    lines += number_line(static_cast<int>(id) + 1, n);
  }
  EXPECT_THAT(import_text(lines).says, HasSubstr("imported 2000 entities"));
  for (std::size_t id = 0; id < last.size(); ++id) {
    EXPECT_EQ(datastore_.number(key("K", static_cast<std::int64_t>(id) + 1)), last[id]);
  }
}

TEST_F(Transfer, NamesTheLineThatIsWrong) {
  std::string many;
  for (int i = 1; i <= 700; ++i) many += number_line(i, i);
  const std::string long_text = line_of(701, R"({"stringValue":")" + std::string(1501, 'x') + "\"}");
  const struct {
    std::string lines;
    std::string says;
    int imported;
  } cases[] = {
      {many + "{}\n" + number_line(999, 999), "line 701: key: the entity has no key", 700},
      {number_line(1, 1) + "\r\n\n" + "{\"key\":\n", "line 4: this is no JSON", 1},
      {many + long_text + number_line(999, 999), "line 701: Commit: ", 700},
      {many + line_of(702, R"({"geoPointValue":{"latitude":91,"longitude":0}})"), "latitude outside", 700},
      {number_line(1, 1) + R"({"key":{"path":[{"kind":"__K__","id":"1"}]}})", "line 2: Commit: The kind", 1},
      {number_line(1, 1) + R"({"key":{"partitionId":{"projectId":"x"},"path":[{"kind":"K","id":"1"}]}})",
       "line 2: Commit: mismatched projects", 1},
      {std::string(33 << 20, ' ') + "{}", "line 1: is longer than any entity", 0},
  };
  int database = 0;
  for (const auto& [lines, says, imported] : cases) {
    SCOPED_TRACE(says);
    const std::string target = "--database=d" + std::to_string(++database);
    const Outcome outcome = import_text(lines, {target});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.says, AllOf(HasSubstr(says), HasSubstr("imported " + std::to_string(imported) + " entities")));
    const std::string there = exported({target});
    EXPECT_EQ(std::count(there.begin(), there.end(), '\n'), imported);
  }
}

TEST_F(Transfer, SaysWhichFileFailed) {
  ASSERT_TRUE(datastore_.commit({upsert(entity(key("K", 1)))}).ok());
  const struct {
    std::vector<std::string> arguments;
    std::string says;
  } cases[] = {
      {{"export", path("nowhere/file")}, "cannot write " + path("nowhere/file") + ".partial: No such file"},
      {{"export", "/dev/full"}, "cannot write /dev/full: No space left"},
      {{"import", path("missing")}, "cannot read " + path("missing") + ": No such file"},
      {{"import", folder_}, "cannot be read: Is a directory"},
  };
  for (const auto& [arguments, says] : cases) {
    const Outcome outcome = ndb(arguments);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.says, HasSubstr(says));
  }
  EXPECT_FALSE(std::filesystem::exists(path("nowhere")));
}

// A Datastore that records its requests.
class Recorder final : public v1::Datastore::Service {
 public:
  grpc::Status Commit(grpc::ServerContext*, const v1::CommitRequest* request, v1::CommitResponse* response) override {
    const std::lock_guard lock(mutex_);
    commits_.push_back(*request);
    for (int i = 0; i < request->mutations_size(); ++i) response->add_mutation_results();
    return grpc::Status::OK;
  }
  grpc::Status ReserveIds(grpc::ServerContext*, const v1::ReserveIdsRequest* request,
                          v1::ReserveIdsResponse*) override {
    const std::lock_guard lock(mutex_);
    reserved_.insert(reserved_.end(), request->keys().begin(), request->keys().end());
    return grpc::Status::OK;
  }

  std::mutex mutex_;
  std::vector<v1::CommitRequest> commits_;
  std::vector<v1::Key> reserved_;
};

TEST_F(Transfer, ImportsWithinTheLimitsAndReservesIds) {
  Recorder recorder;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.SetMaxReceiveMessageSize(64 << 20);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&recorder);
  const auto server = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);

  std::string lines =
      R"({"key":{"path":[{"kind":"A","id":"5"},{"kind":"B","name":"b"},{"kind":"C","id":"6"}]},"properties":{}})"
      "\n"
      R"({"key":{"path":[{"kind":"A","name":"a"}]},"properties":{}})"
      "\n";
  const std::string megabyte(1 << 20, 'x');
  for (int i = 1; i <= 20; ++i) lines += line_of(i, R"({"stringValue":")" + megabyte + "\"}");
  for (int i = 21; i <= 620; ++i) lines += number_line(i, i);
  const Outcome outcome = import_text(lines);
  EXPECT_EQ(outcome.code, 0) << outcome.says;
  server->Shutdown();

  const std::lock_guard lock(recorder.mutex_);  // for what its threads have noted
  int mutations = 0;
  for (const v1::CommitRequest& commit : recorder.commits_) {
    EXPECT_LE(commit.mutations_size(), 500);
    EXPECT_LE(commit.ByteSizeLong(), 10 << 20);
    for (const v1::Mutation& mutation : commit.mutations()) EXPECT_TRUE(mutation.has_upsert());
    mutations += commit.mutations_size();
  }
  EXPECT_EQ(mutations, 622);
  EXPECT_EQ(recorder.commits_.size(), 4U);
  std::set<std::string> reserved, expected;
  for (const v1::Key& one : recorder.reserved_) reserved.insert(one.SerializeAsString());
  expected.insert(key("A", 5).SerializeAsString());
  expected.insert(key("A", 5, "B", "b", "C", 6).SerializeAsString());
  for (int i = 1; i <= 620; ++i) expected.insert(key("K", i).SerializeAsString());
  EXPECT_EQ(reserved, expected);
}

}  // namespace
