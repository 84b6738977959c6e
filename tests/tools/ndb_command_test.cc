// The `ndb` command from a user's point of view: a program with arguments, output and an exit code.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "front_door/socket.h"
#include "local_datastore/datastore_client.h"
#include "ndb/ndb.h"
#include "tools/ndb_program.h"

namespace {

using ::ndb::testing::ask;
using ::ndb::testing::Command;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class Note : public ndb::Model<Note> {
 public:
  struct Properties {
    std::string text{};
  };
  NDB_MODEL(text)
};

// A server on a free port. SIGTERM or SIGINT ends it.
class Server {
 public:
  explicit Server(std::vector<std::string> arguments = {}, std::vector<std::string> environment = {})
      : command_(with_port(std::move(arguments)), std::move(environment)) {
    greeting_ = command_.line();
    export_ = command_.line();
    running_ = command_.line();
    if (const std::size_t equals = export_.find('='); equals != std::string::npos)
      address_ = export_.substr(equals + 1);
  }
  ndb::Client client() const {
    return ndb::Client({.emulator_host = address_, .memcached_hosts = std::vector<std::string>{}});
  }
  int stop(int signal) {
    command_.signal(signal);
    return wait();
  }
  void signal(int signal) const { command_.signal(signal); }
  void stop_reading() { command_.close_output(); }
  int wait() {
    end_ = command_.rest();
    return command_.exit_code();
  }

  std::string greeting_, export_, running_, address_, end_;

 private:
  static std::vector<std::string> with_port(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"serve", "--host-port=127.0.0.1:0"});
    return arguments;
  }
  Command command_;
};

TEST(Serve, AnnouncesItselfServesAndStops) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Server server;
    EXPECT_THAT(server.greeting_, AllOf(HasSubstr(server.address_), HasSubstr("in memory")));
    EXPECT_THAT(server.export_, MatchesRegex("export DATASTORE_EMULATOR_HOST=127\\.0\\.0\\.1:[1-9][0-9]*"));
    EXPECT_EQ(server.running_, "Dev App Server is now running");
    const ndb::Client client = server.client();
    {
      const auto scope = client.context();
      Note::make({.text = "kept"}, ndb::id("n")).put();
    }
    {
      const auto scope = client.context();
      const Note note = Note::get_by_id("n");
      ASSERT_TRUE(note);
      EXPECT_EQ(note->text, "kept");
    }
    EXPECT_EQ(server.stop(signal), 0);
    EXPECT_THAT(server.end_, HasSubstr(signal == SIGTERM ? "SIGTERM" : "SIGINT"));
  }
}

TEST(Serve, KeepsItsDataInAFolder) {
  std::string folder = std::filesystem::temp_directory_path() / "ndb_command_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  for (const bool again : {false, true}) {
    Server server({"--data-dir", folder + "/data", "--fsync", "interval"});
    EXPECT_THAT(server.greeting_, HasSubstr(folder));
    const ndb::Client client = server.client();
    {
      const auto scope = client.context();
      const Note note = Note::get_by_id("n");
      EXPECT_EQ(static_cast<bool>(note), again);
      Note::make({.text = "kept"}, ndb::id("n")).put();
    }
    EXPECT_EQ(server.stop(SIGTERM), 0);
  }
  std::filesystem::remove_all(folder);
}

TEST(Serve, EndsWhenAskedOverHttp) {
  Server server;
  EXPECT_EQ(ask(server.address_, "POST", "/shutdown").code, 200);
  EXPECT_EQ(server.wait(), 0);
  EXPECT_THAT(server.end_, HasSubstr("SIGTERM"));
}

// The first signal waits for the calls that are being answered, such as a commit that waits for a lock.
TEST(Serve, ASecondSignalEndsItAtOnce) {
  Server server({"--lock-timeout", "3600", "--transaction-timeout", "3600", "--transaction-idle-timeout", "3600"});
  const auto channel = grpc::CreateChannel(server.address_, grpc::InsecureChannelCredentials());
  ndb::testing::DatastoreClient client(channel);
  const auto key = ndb::testing::key("K", 1);
  ASSERT_TRUE(client.lookup(client.begin(), {key}).ok());
  ndb::testing::v1::CommitRequest request;
  request.set_project_id(ndb::testing::kProject);
  request.set_mode(ndb::testing::v1::CommitRequest::NON_TRANSACTIONAL);
  *request.add_mutations() = ndb::testing::upsert(ndb::testing::entity(key));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  ndb::testing::v1::CommitResponse response;
  grpc::Status status;
  const auto stub = ndb::testing::v1::Datastore::NewStub(channel);
  const auto waiting = stub->AsyncCommit(&context, request, &queue);
  waiting->Finish(&response, &status, nullptr);
  // What comes later on the same connection is answered: the server has the commit.
  ASSERT_TRUE(client.lookup({ndb::testing::key("K", 2)}).ok());
  server.signal(SIGTERM);
  EXPECT_EQ(server.stop(SIGINT), 1);
  EXPECT_THAT(server.end_, HasSubstr("ended at once by a second signal"));
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok));
  EXPECT_FALSE(status.ok());
}

TEST(Serve, AsksForTheTokenItWasGiven) {
  Server by_option({"--auth-token=s3cret"}, {"NDB_AUTH_TOKEN=another"});
  Server by_environment({}, {"NDB_AUTH_TOKEN=s3cret"});
  for (const Server* server : {&by_option, &by_environment}) {
    EXPECT_EQ(ask(server->address_, "POST", "/shutdown").code, 401);
    EXPECT_EQ(ask(server->address_, "POST", "/reset", "", "Authorization: Bearer s3cret\r\n").code, 200);
  }
}

TEST(Serve, SaysWhyItCannotStart) {
  Server server;
  ASSERT_FALSE(server.address_.empty());
  Command second({"serve", "--host-port", server.address_});
  EXPECT_THAT(second.rest(), HasSubstr(server.address_));
  EXPECT_EQ(second.exit_code(), 1);
  Command open({"serve", "--host-port=0.0.0.0:0"});
  EXPECT_THAT(open.rest(), AllOf(HasSubstr("--auth-token"), HasSubstr("--allow-unauthenticated")));
  EXPECT_EQ(open.exit_code(), 1);
}

// Some harnesses read its output only until it is running.
TEST(Serve, ContinuesWhenItsOutputIsClosed) {
  Server server({"--index-file=/no-folder/index.yaml"});  // so that queries make it write messages
  server.stop_reading();
  const std::string query = R"({"query": {"kind": [{"name": "K"}], "order": [{"property": {"name": "a"}}, )"
                            R"({"property": {"name": "b"}}]}})";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(server.address_, "POST", "/v1/projects/p:runQuery", query).code, 200);
  EXPECT_EQ(server.stop(SIGTERM), 0);
}

TEST(Serve, TellsWhichPagesMayAsk) {
  Server server({"--cors=http://ui.example", "--cors", "http://localhost:3000", "--allow-host=db.example.com"});
  for (const char* origin : {"http://ui.example", "http://localhost:3000", "http://evil.example"}) {
    const bool allowed = std::string(origin) != "http://evil.example";
    EXPECT_EQ(ask(server.address_, "GET", "/", "", std::string("Origin: ") + origin + "\r\n").code,
              allowed ? 200 : 403);
  }
  ndb::testing::Socket socket(server.address_);
  socket.send("GET / HTTP/1.1\r\nHost: db.example.com:8081\r\n\r\n");
  EXPECT_EQ(ndb::testing::read_reply(socket).code, 200);
  Command wrong({"serve", "--host-port=127.0.0.1:0", "--cors=ui.example"});
  EXPECT_THAT(wrong.rest(), HasSubstr("scheme://host:port"));
  EXPECT_NE(wrong.exit_code(), 0);
}

TEST(Serve, RequiresTheIndexesOfAFile) {
  std::string folder = std::filesystem::temp_directory_path() / "ndb_command_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string file = folder + "/index.yaml";
  Command without({"serve", "--host-port=127.0.0.1:0", "--require-indexes", "--index-file", file});
  EXPECT_THAT(without.rest(), AllOf(HasSubstr(file), HasSubstr("No such file")));
  EXPECT_EQ(without.exit_code(), 1);
  for (const bool required : {false, true}) {
    Server server(required ? std::vector<std::string>{"--index-file", file, "--require-indexes"}
                           : std::vector<std::string>{"--index-file", file});
    const ndb::Client client = server.client();
    {
      const auto scope = client.context();
      const auto query = ndb::query("Note").order(ndb::Order("b", true), ndb::Order("c", false));
      EXPECT_TRUE(query.keys(1).empty());
      if (required) {
        EXPECT_THROW(ndb::query("Note").order(ndb::Order("c", true), ndb::Order("b", false)).keys(1), ndb::Error);
      }
    }
    EXPECT_EQ(server.stop(SIGTERM), 0);
  }
  std::filesystem::remove_all(folder);
}

TEST(Arguments, InformationIsNoError) {
  const struct {
    std::vector<std::string> arguments;
    std::string says;
  } cases[] = {
      {{"help"}, "usage: ndb"},
      {{"--help"}, "usage: ndb"},
      {{"-h"}, "usage: ndb"},
      {{"serve", "--help"}, "usage: ndb"},
      {{"serve", "-h"}, "usage: ndb"},
      {{"cache", "-h"}, "usage: ndb"},
      {{"cache", "flush", "--help"}, "usage: ndb"},
      {{"export", "--help"}, "usage: ndb"},
      {{"import", "-h"}, "usage: ndb"},
      {{"--version"}, "ndb "},
  };
  for (const auto& [arguments, says] : cases) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    Command command(arguments);
    EXPECT_THAT(command.rest(), StartsWith(says));
    EXPECT_EQ(command.exit_code(), 0);
  }
}

TEST(Arguments, MistakesAreNamed) {
  const struct {
    std::vector<std::string> arguments;
    std::string says;
  } cases[] = {
      {{}, "no command"},
      {{"fly"}, "unknown command \"fly\""},
      {{"--verbose"}, "unknown command \"--verbose\""},
      {{"help", "serve"}, "takes no arguments"},
      {{"--version", "now"}, "takes no arguments"},
      {{"serve", "--port=1"}, "unknown option \"--port\""},
      {{"serve", "data"}, "unknown option \"data\""},
      {{"serve", "--host-port"}, "--host-port needs a value"},
      {{"serve", "--host-port="}, "--host-port needs a value"},
      {{"serve", "--host-port=127.0.0.1"}, "HOST:PORT"},
      {{"serve", "--host-port=:8081"}, "HOST:PORT"},
      {{"serve", "--host-port=::1:8081"}, "[::1]:8081"},
      {{"serve", "--host-port=::1"}, "[::1]:8081"},
      {{"serve", "--cors"}, "--cors needs a value"},
      {{"serve", "--allow-host="}, "--allow-host needs a value"},
      {{"serve", "--host-port=127.0.0.1:http"}, "HOST:PORT"},
      {{"serve", "--host-port=127.0.0.1:65536"}, "HOST:PORT"},
      {{"serve", "--data-dir"}, "--data-dir needs a value"},
      {{"serve", "--data-dir", "--in-memory"}, "--data-dir needs a value"},
      {{"serve", "--data-dir=d", "--in-memory"}, "cannot be used together"},
      {{"serve", "--in-memory=yes"}, "--in-memory takes no value"},
      {{"serve", "--allow-unauthenticated=yes"}, "--allow-unauthenticated takes no value"},
      {{"serve", "--tls-cert=cert.pem"}, "--tls-cert and --tls-key must be used together"},
      {{"serve", "--auth-token="}, "--auth-token needs a value"},
      {{"serve", "--data-dir=d", "--fsync=never"}, "--fsync must be always or interval"},
      {{"serve", "--concurrency=none"}, "--concurrency must be pessimistic or optimistic"},
      {{"serve", "--fsync=always"}, "has no effect without --data-dir"},
      {{"serve", "--accept-damaged-log"}, "has no effect without --data-dir"},
      {{"serve", "--lock-timeout=-1"}, "--lock-timeout must be a number of seconds"},
      {{"serve", "--lock-timeout=5s"}, "--lock-timeout must be a number of seconds"},
      {{"serve", "--transaction-timeout=nan"}, "--transaction-timeout must be a number of seconds"},
      {{"serve", "--transaction-idle-timeout"}, "--transaction-idle-timeout needs a value"},

      {{"serve", "--history=1e99"}, "--history must be a number of seconds"},
      {{"serve", "--history-bytes=32M"}, "--history-bytes must be a number of bytes"},
      {{"serve", "--require-indexes"}, "needs --index-file=FILE, or --data-dir"},
      {{"serve", "--require-indexes=yes", "--data-dir=d"}, "--require-indexes takes no value"},
      {{"serve", "--index-file"}, "--index-file needs a value"},
      {{"cache"}, "show, flush or stats"},
      {{"cache", "empty"}, "unknown command \"empty\""},
      {{"cache", "show"}, "name at least one KEY"},
      {{"cache", "show", "--all", "Account:ada"}, "cache show: unknown option \"--all\""},
      {{"cache", "show", "--kind=Account"}, "cache show: unknown option \"--kind\""},
      {{"cache", "stats", "Account:ada"}, "takes no KEY"},
      {{"cache", "stats", "--all"}, "cache stats: unknown option \"--all\""},
      {{"cache", "flush"}, "give either KEYs, or --kind, or --all"},
      {{"cache", "flush", "--all", "Account:ada"}, "give either KEYs, or --kind, or --all"},
      {{"cache", "flush", "--all", "--kind=Account"}, "give either KEYs, or --kind, or --all"},
      {{"cache", "flush", "--all=yes"}, "--all takes no value"},
      {{"cache", "flush", "--kind"}, "--kind needs a value"},
      {{"cache", "flush", "--kind="}, "--kind needs a value"},
      {{"cache", "stats", "--memcached"}, "--memcached needs a value"},
      {{"cache", "stats", "--memcached=,"}, "--memcached names no server"},
      {{"cache", "stats", "--memcached=localhost:http"}, "the port is not a number"},
      {{"cache", "stats"}, "give --memcached=HOSTS or set MEMCACHED_HOSTS"},
      {{"cache", "show", "--memcached=localhost", "Account:ada"}, "give --project=PROJECT"},
      {{"cache", "show", ""}, "KEY \"\" is neither a path"},
      {{"cache", "show", "Account"}, "KEY \"Account\" is neither a path, such as Account:ada"},
      {{"cache", "show", "Account:"}, "the name of a key is empty"},
      {{"cache", "show", ":ada"}, "the kind of a key is empty"},
      {{"cache", "show", "Account:0"}, "the id of a key of kind \"Account\" is 0"},
      {{"cache", "show", "Account:9223372036854775808"}, "a name of digits is written name=9223372036854775808"},
      {{"cache", "show", "Account:ada/Note"}, "the element \"Note\" has no id"},
      {{"cache", "show", "Account:ada/"}, "the element \"\" has no id"},
      {{"cache", "show", "Account:50%"}, "% itself is written %25"},
      {{"cache", "show", "Account:%-1"}, "two hexadecimal digits"},
      {{"export", "--kinds=A"}, "export: unknown option \"--kinds\""},
      {{"export", "--memcached=localhost"}, "export: unknown option \"--memcached\""},
      {{"export", "a", "b"}, "export: one FILE only; the second one is \"b\""},
      {{"import", ""}, "import: the name of the FILE is empty"},
      {{"import", "--kind="}, "--kind needs a value"},
      {{"import", "--namespace"}, "--namespace needs a value"},
  };
  for (const auto& [arguments, says] : cases) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    Command command(arguments);
    EXPECT_THAT(command.rest(), AllOf(HasSubstr(says), HasSubstr("`ndb help`")));
    EXPECT_EQ(command.exit_code(), 2);
  }
}

}  // namespace
