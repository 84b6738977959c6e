// What a web page in its user's browser may do with the port, and that programs are not mistaken for a page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "front_door/socket.h"
#include "ndb/error.h"
#include "ndb/local_datastore.h"

namespace ndb::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kQuery = R"({"query": {"kind": [{"name": "K"}]}})";
const std::string kBrowser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0\r\n";

// A request whose headers are all given by the test.
HttpReply send(const std::string& address, const std::string& line, const std::string& headers,
               const std::string& body = "") {
  Socket socket(address);
  socket.send(line + " HTTP/1.1\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return read_reply(socket);
}

std::unique_ptr<LocalDatastore> start(LocalDatastore::Options options = {}) {
  options.host_port = options.host_port.empty() ? "127.0.0.1:0" : options.host_port;
  return LocalDatastore::start(options);
}

TEST(Access, AHostThatIsNotThisMachineIsRefused) {
  const struct {
    LocalDatastore::Options options;
    std::vector<std::string> own, foreign;
  } cases[] = {
      {{},
       {"localhost", "localhost:1234", "LocalHost.", "127.0.0.1", "127.5.6.7:80", "[::1]:8081", "db.localhost", "db"},
       {"evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1",
        "[fe80::1]", "", "localhost:8081@evil.example", "evil.example#localhost", "service.internal",
        "localhost evil.example"}},
      {{.allowed_hosts = {"Db.Example.com"}}, {"db.example.com:8081"}, {"example.com", "x.db.example.com"}},
      {{.host_port = "0.0.0.0:0", .allow_unauthenticated = true},
       {"localhost", "10.0.0.1:8081", "db", "host.docker.internal", "db.default.svc.cluster.local"},
       {"evil.example", "local.evil.example"}},
      // A client that sends the token is not a page.
      {{.auth_token = "s3cret"}, {"evil.example"}, {}},
  };
  for (const auto& [options, own, foreign] : cases) {
    const auto server = start(options);
    const auto code = [&](const std::string& host) {
      return send(server->address(), "POST /v1/projects/p:runQuery",
                  "Host: " + host + "\r\nAuthorization: Bearer s3cret\r\n", kQuery)
          .code;
    };
    for (const std::string& host : own) EXPECT_EQ(code(host), 200) << host;
    for (const std::string& host : foreign) EXPECT_EQ(code(host), 403) << host;
  }
}

TEST(Access, TheHostOfAWholeUrlCounts) {
  const auto server = start();
  EXPECT_EQ(send(server->address(), "GET http://localhost/", "Host: evil.example\r\n").body, "Ok");
  EXPECT_EQ(send(server->address(), "GET http://localhost", "Host: localhost\r\n").body, "Ok");
  EXPECT_EQ(send(server->address(), "GET http://evil.example/", "Host: localhost\r\n").code, 403);
  EXPECT_EQ(
      send(server->address(), "POST http://localhost/v1/projects/p:runQuery?alt=json", "Host: localhost\r\n", kQuery)
          .code,
      200);
}

TEST(Access, PagesOfOtherSitesAreRefused) {
  const auto server = start();
  const std::string host = "Host: " + server->address() + "\r\n";
  for (const std::string& line :
       {std::string("POST /v1/projects/p:runQuery"), std::string("POST /reset"),
        std::string("GET /v1/projects/p/indexes"), std::string("OPTIONS /v1/projects/p:lookup")}) {
    for (const char* page : {"Origin: http://evil.example\r\n", "Origin: null\r\n", "Origin: http://localhost:3000\r\n",
                             "Origin: http://localhost:3000\r\nOrigin: http://127.0.0.1\r\n", "Origin: \r\n"}) {
      const HttpReply reply = send(server->address(), line, host + kBrowser + page, kQuery);
      EXPECT_EQ(reply.code, 403) << line << page;
      EXPECT_THAT(reply.head, Not(HasSubstr("Access-Control-")));
    }
  }
  // Some browsers say only that it is another site.
  EXPECT_EQ(
      send(server->address(), "POST /v1/projects/p:runQuery", host + "Sec-Fetch-Site: cross-site\r\n", kQuery).code,
      403);
  // A page that was loaded from this server is of the same site.
  EXPECT_EQ(send(server->address(), "POST /v1/projects/p:runQuery",
                 host + kBrowser + "Origin: http://" + server->address() + "\r\n", kQuery)
                .code,
            200);
}

TEST(Access, PagesThatAreNamedMayAsk) {
  const std::string preflight =
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-goog-api-format-version\r\n"
      "Access-Control-Request-Private-Network: true\r\n";
  for (const bool all : {false, true}) {
    const auto server = start({.cors_origins = {all ? "*" : "http://UI.example:3000/"}});
    const std::string page = "Host: localhost\r\nOrigin: http://ui.example:3000\r\n" + kBrowser;
    const HttpReply asked = send(server->address(), "OPTIONS /v1/projects/p:lookup", page + preflight);
    EXPECT_EQ(asked.code, 204);
    EXPECT_THAT(asked.head, AllOf(HasSubstr("Access-Control-Allow-Origin: http://ui.example:3000\r\n"),
                                  HasSubstr("Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"),
                                  HasSubstr("Access-Control-Allow-Headers: x-goog-api-format-version\r\n"),
                                  HasSubstr("Access-Control-Allow-Private-Network: true\r\n")));
    for (const char* body : {kQuery.c_str(), "{"}) {  // errors too
      EXPECT_THAT(
          send(server->address(), "POST /v1/projects/p:runQuery", page, body).head,
          AllOf(HasSubstr("Access-Control-Allow-Origin: http://ui.example:3000\r\n"), HasSubstr("Vary: Origin\r\n")));
    }
    EXPECT_EQ(send(server->address(), "GET /", "Host: localhost\r\nOrigin: https://ui.example:3000\r\n").code,
              all ? 200 : 403);
  }
  for (const char* wrong : {"ui.example", "http://", "ftp://ui.example", "http://ui.example/path", ""}) {
    EXPECT_THROW(start({.cors_origins = {wrong}}), Error) << wrong;
  }
  EXPECT_THROW(start({.allowed_hosts = {"db.example.com:8081"}}), Error);
}

// What Google's test helpers and command-line programs send, and what a page can send without a preflight.
TEST(Access, ACommandNeedsAHeaderThatNoPageSendsUnasked) {
  const auto server = start();
  const struct {
    std::string headers;
    int code;
  } cases[] = {
      {"User-Agent: Java/17.0.9\r\nAccept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\n"
       "Connection: keep-alive\r\nContent-type: application/x-www-form-urlencoded\r\n",
       200},
      {"User-Agent: python-requests/2.28.1\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n", 200},
      {"User-Agent: curl/7.88.1\r\nAccept: */*\r\n", 200},
      {"User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n", 200},
      {"User-Agent: node\r\nAccept: */*\r\nSec-Fetch-Mode: cors\r\n", 200},
      {kBrowser + "X-Ndb-Command: 1\r\n", 200},
      {"X-Ndb-Command: 1\r\n", 200},
      {"", 403},
      {kBrowser, 403},
      {kBrowser + "Content-Type: application/x-www-form-urlencoded\r\n", 403},
      {"User-Agent: curl/7.88.1\r\nContent-Type: text/plain\r\n", 415},
  };
  for (const auto& [headers, code] : cases) {
    const HttpReply reply = send(server->address(), "POST /reset", "Host: localhost:8081\r\n" + headers);
    EXPECT_EQ(reply.code, code) << headers << reply.body;
    EXPECT_EQ(reply.body.find("X-Ndb-Command: 1") != std::string::npos, code == 403);
  }
}

}  // namespace
}  // namespace ndb::testing
