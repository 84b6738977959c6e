// The port: it recognises protocols, and clients that are slow, greedy or invalid do not block others.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "front_door/socket.h"
#include "local_datastore/datastore_client.h"
#include "ndb/error.h"
#include "ndb/local_datastore.h"

namespace ndb::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string kSettings("\0\0\0\4\0\0\0\0\0", 9);  // an empty frame of HTTP/2's settings

std::shared_ptr<grpc::Channel> connect_to(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

class Door : public ::testing::Test {
 protected:
  void expect_service() const {
    EXPECT_EQ(ask(address_, "GET", "/").body, "Ok");
    DatastoreClient client(connect_to(address_));
    EXPECT_TRUE(client.commit({upsert(entity(key("K", "n")))}).ok());
  }

  std::unique_ptr<LocalDatastore> server_ =
      LocalDatastore::start({.host_port = "127.0.0.1:0", .lock_timeout = std::chrono::milliseconds(1)});
  const std::string address_ = server_->address();
};

TEST_F(Door, GrpcAndHttpShareThePort) { expect_service(); }

TEST_F(Door, NothingThatAClientSendsEndsTheServer) {
  const std::string lookup = "POST /v1/projects/p:lookup HTTP/1.1\r\nHost: test\r\n";
  const struct {
    const char* name;
    std::string sent, answer;
  } cases[] = {
      {"nothing at all", "", ""},
      {"zeros", std::string(1000, '\0'), "HTTP/1.1 400 "},
      {"bytes of all values", "\xff\xfe\xfd\x80\x01\x02", "HTTP/1.1 400 "},
      {"TLS where there is none", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "HTTP/1.1 400 "},
      {"words", "hello there\r\n\r\n", "HTTP/1.1 400 "},
      {"half of a word", "PR", ""},
      {"half of a head", "GET / HTTP/1.1\r\nHost: te", ""},
      {"half of a body", lookup + "Content-Length: 100\r\n\r\n{\"keys\"", ""},
      {"half of a chunk", lookup + "Transfer-Encoding: chunked\r\n\r\n64\r\n{", ""},
      {"no chunk", lookup + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400 "},
      {"a length that is none", lookup + "Content-Length: -1\r\n\r\n", "HTTP/1.1 400 "},
      {"two lengths", lookup + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "HTTP/1.1 400 "},
      {"a head without end", "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x'), "HTTP/1.1 431 "},
      {"many fields",
       "GET / HTTP/1.1\r\n" +
           [] {
             std::string fields;
             for (int i = 0; i < 20'000; ++i) fields += "X: y\r\n";
             return fields;
           }(),
       "HTTP/1.1 431 "},
      {"a version of the future", "GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400 "},
      {"half of HTTP/2's preface", kPreface.substr(0, 10), ""},
  };
  for (const auto& [name, sent, answer] : cases) {
    SCOPED_TRACE(name);
    Socket socket(address_);
    socket.send(sent);
    socket.end_sending();
    const std::string got = socket.rest();
    EXPECT_EQ(got.substr(0, answer.size()), answer);
    EXPECT_EQ(got.starts_with("HTTP/1.1"), !answer.empty()) << got;
  }
  // gRPC itself handles HTTP/2; it must survive what follows the preface.
  Socket socket(address_);
  socket.send(kPreface + std::string(1000, '\xff'));
  socket.rest();
  expect_service();
}

TEST_F(Door, BodiesThatAreTooLargeAreRefusedUnread) {
  const std::string head = "POST /v1/projects/p:commit HTTP/1.1\r\nHost: test\r\n";
  const std::string says = "Request payload size exceeds the limit: 10485760 bytes.";
  {
    SCOPED_TRACE("a length");
    Socket socket(address_);
    socket.send(head + "Content-Length: 18446744073709551615\r\n\r\n");
    const HttpReply reply = read_reply(socket);
    EXPECT_EQ(reply.code, 400);
    EXPECT_THAT(reply.body, HasSubstr(says));
  }
  {
    SCOPED_TRACE("a length that is kept");
    Socket socket(address_);
    ASSERT_TRUE(socket.send(head + "Content-Length: 12000000\r\n\r\n"));
    ASSERT_TRUE(socket.send(std::string(12'000'000, ' ')));
    EXPECT_THAT(socket.rest(), HasSubstr(says));
  }
  {
    SCOPED_TRACE("chunks");
    Socket socket(address_);
    ASSERT_TRUE(socket.send(head + "Transfer-Encoding: chunked\r\n\r\n"));
    const std::string chunk = "100000\r\n" + std::string(0x100000, ' ') + "\r\n";
    for (int i = 0; i < 11; ++i) ASSERT_TRUE(socket.send(chunk));
    EXPECT_THAT(socket.rest(), HasSubstr(says));
  }
  {
    SCOPED_TRACE("gRPC");
    DatastoreClient client(connect_to(address_));
    const auto reply = client.commit({upsert(entity(key("K", "n"), {{"p", text(std::string(11 << 20, 'x'))}}))});
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(reply.status.error_message(), says);
  }
  expect_service();
}

// More of them than there are HTTP workers.
TEST_F(Door, SlowClientsBlockNobody) {
  const std::string post = "POST /v1/projects/test-project:lookup HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\n";
  std::vector<Socket> slow;
  for (int i = 0; i < 40; ++i) {
    for (const std::string& begun : {std::string(), std::string("P"), std::string("GET / HT"), post, kPreface}) {
      slow.emplace_back(address_);
      ASSERT_TRUE(slow.back().send(begun));
    }
  }
  expect_service();
  // A request that was begun can be completed.
  slow[3].send(R"({"keys": [{"path": [{"kind": "K", "name": "x"}]}]})"
               "  ");
  EXPECT_EQ(read_reply(slow[3]).code, 200);
  server_->shutdown();
  EXPECT_EQ(slow[0].rest(), "");
}

TEST_F(Door, ManyConnectionsOfOneClientLockNobodyOut) {
  rlimit files{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  std::vector<Socket> silent;
  for (int i = 0; i < 700; ++i) silent.emplace_back(address_);
  expect_service();
  EXPECT_EQ(silent.front().rest(), "");  // it was closed to make room
}

// As above, but with the preface of gRPC, after which a connection belongs to gRPC.
TEST_F(Door, GrpcConnectionsWithoutCallsLockNobodyOut) {
  const auto channel = connect_to(address_);
  DatastoreClient client(channel);
  EXPECT_TRUE(client.commit({upsert(entity(key("K", "n")))}).ok());
  std::vector<Socket> silent;
  for (int i = 0; i < 300; ++i) {
    silent.emplace_back(address_);
    ASSERT_TRUE(silent.back().send(kPreface + kSettings));
  }
  silent.front().rest();  // closed to make room, as the oldest unverified connection
  expect_service();
  // A client that has made a call stays: the channel has not lost its connection.
  EXPECT_EQ(channel->GetState(false), GRPC_CHANNEL_READY);
  EXPECT_TRUE(client.commit({upsert(entity(key("K", "n")))}).ok());
}

TEST_F(Door, TheFirstBytesMayComeOneByOne) {
  Socket http(address_);
  for (const char c : http_request("GET", "/")) http.send({&c, 1});
  EXPECT_EQ(read_reply(http).body, "Ok");
  Socket http2(address_);
  for (const char c : kPreface + kSettings) http2.send({&c, 1});
  EXPECT_EQ(http2.bytes(4).substr(3), "\4");  // the server's settings
}

TEST(DoorAddress, IsOfThisMachineUnlessMeantOtherwise) {
  const struct {
    LocalDatastore::Options options;
    std::string says;  // empty: it listens
  } cases[] = {
      {{.host_port = "127.0.0.1:0"}, ""},
      {{.host_port = "localhost:0"}, ""},
      {{.host_port = "0.0.0.0:0"}, "--allow-unauthenticated"},
      {{.host_port = "[::]:0"}, "--allow-unauthenticated"},
      {{.host_port = "0.0.0.0:0", .auth_token = "secret"}, ""},
      {{.host_port = "0.0.0.0:0", .allow_unauthenticated = true}, ""},
      {{.host_port = "127.0.0.1"}, "choose a free port as host:port"},
      {{.host_port = "127.0.0.1:x"}, "\"127.0.0.1:x\""},
      {{.host_port = "::1:8081"}, "[::1]:8081"},
      {{.host_port = "::1"}, "[::1]:8081"},
      {{.host_port = "127.0.0.1:0", .auth_token = "two words"}, "visible ASCII"},
      {{.host_port = "127.0.0.1:0", .tls_cert = "cert.pem"}, "a certificate and its key"},
      {{.host_port = "127.0.0.1:0", .tls_cert = "no-cert.pem", .tls_key = "no-key.pem"}, "\"no-cert.pem\""},
  };
  for (const auto& [options, says] : cases) {
    SCOPED_TRACE(options.host_port + " " + says);
    try {
      const auto server = LocalDatastore::start(options);
      EXPECT_EQ(says, "") << "it listens on " << server->address();
      EXPECT_THAT(server->address(), StartsWith(options.host_port.substr(0, options.host_port.rfind(':') + 1)));
      EXPECT_EQ(ask(server->address(), "GET", "/").body, "Ok");
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(says));
      EXPECT_NE(says, "") << error.what();
    }
  }
  const auto first = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  EXPECT_THROW(
      try { LocalDatastore::start({.host_port = first->address()}); } catch (const Error& error) {
        EXPECT_THAT(error.what(), AllOf(HasSubstr(first->address()), HasSubstr("choose a free port")));
        throw;
      },
      Error);
}

}  // namespace
}  // namespace ndb::testing
