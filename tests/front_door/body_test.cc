// Where a request ends, how its body is encoded, and how much memory it may take.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "front_door/gzip.h"
#include "front_door/socket.h"
#include "local_datastore/datastore_client.h"
#include "ndb/local_datastore.h"

namespace ndb::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kLookup = "/v1/projects/test-project:lookup";
const std::string kKeys = R"({"keys": [{"path": [{"kind": "K", "id": "1"}]}]})";
const std::string kProtobuf = "Content-Type: application/x-protobuf\r\n";

class Body : public ::testing::Test {
 protected:
  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  const std::string address_ = server_->address();
  DatastoreClient client_{*server_};
};

// One program may read it as a body, another as the next request; neither may be guessed.
TEST_F(Body, AmbiguousRequestLengthsAreRefused) {
  ASSERT_TRUE(client_.commit({upsert(entity(key("K", 1)))}).ok());
  const std::string hidden = "POST /reset HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\nContent-Length: 0\r\n\r\n";
  const std::string chunk = "0\r\n\r\n";
  for (const std::string& fields : {
           std::string("Transfer-Encoding: xchunked\r\n\r\n"),
           std::string("Transfer-Encoding: identity\r\n\r\n"),
           std::string("Transfer-Encoding: \r\n\r\n"),
           std::string("Transfer-Encoding: \"chunked\"\r\n\r\n"),
           std::string("Transfer-Encoding:\vchunked\r\n\r\n"),
           std::string("Transfer-Encoding: chunked, identity\r\n\r\n") + chunk,
           std::string("Transfer-Encoding: gzip, chunked\r\n\r\n") + chunk,
           std::string("Transfer-Encoding: chunked;q=1\r\n\r\n") + chunk,
           std::string("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n") + chunk,
           std::string("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n") + chunk,
           std::string("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n") + chunk,
           std::string("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n") + chunk,
           std::string("Content-Length: 0\r\nTransfer-Encoding: xchunked\r\n\r\n"),
           std::string("Transfer-Encoding : chunked\r\n\r\n") + chunk,
           std::string("Transfer-Encoding\r\n : chunked\r\n\r\n") + chunk,
           std::string("Transfer-Encoding:\r\n chunked\r\n\r\n") + chunk,
           std::string("X: y\r\n\tContent-Length: 0\r\n\r\n"),
           std::string("Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
           std::string("Content-Length: 0, 5\r\n\r\n"),
           std::string("Content-Length: +0\r\n\r\n"),
           std::string("Content-Length: 0x0\r\n\r\n"),
           std::string("Content-Length: \r\n\r\n"),
           std::string("Host: localhost\r\nContent-Length: 0\r\n\r\n"),
           std::string("X: y\nContent-Length: 0\r\n\r\n"),
           std::string("Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n"),
           std::string("Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n"),
           std::string("Transfer-Encoding: chunked\r\n\r\n00000000000000000000000000000000\n\r\n"),
           std::string("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"),
       }) {
    SCOPED_TRACE(fields);
    Socket socket(address_);
    socket.send("POST " + kLookup + " HTTP/1.1\r\nHost: localhost\r\n" + fields + hidden);
    socket.end_sending();
    const std::string got = socket.rest();
    EXPECT_THAT(got, AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Connection: close\r\n")));
    EXPECT_THAT(got, Not(HasSubstr("HTTP/1.1 200")));
  }
  Socket old(address_);
  old.send("POST " + kLookup + " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + hidden);
  EXPECT_THAT(old.rest(), StartsWith("HTTP/1.1 400 "));
  Socket nobody(address_);
  nobody.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(nobody.rest(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(client_.lookup({key("K", 1)})->found_size(), 1) << "a /reset in a body was executed";
}

TEST_F(Body, MayBeInGzip) {
  const auto ask_in_gzip = [&](const std::string& body, const std::string& coding = "gzip") {
    return ask(address_, "POST", kLookup, body, "Content-Encoding: " + coding + "\r\n");
  };
  const std::string packed = local::gzip(kKeys);
  EXPECT_THAT(ask_in_gzip(packed).body, HasSubstr("missing"));
  EXPECT_THAT(ask_in_gzip(packed, "X-GZip").body, HasSubstr("missing"));
  EXPECT_THAT(ask_in_gzip(local::gzip(kKeys.substr(0, 9)) + local::gzip(kKeys.substr(9))).body, HasSubstr("missing"));
  EXPECT_EQ(ask_in_gzip(packed, "gzip, gzip").code, 415);
  for (const std::string& broken : {kKeys, packed.substr(0, packed.size() - 1), packed.substr(0, 12), packed + "x"}) {
    const HttpReply reply = ask_in_gzip(broken);
    EXPECT_EQ(reply.code, 400);
    EXPECT_THAT(reply.body, HasSubstr("not whole, valid gzip"));
  }
  // Ten kilobytes that inflate to ten megabytes.
  const HttpReply bomb = ask_in_gzip(local::gzip(std::string((10 << 20) + 1, ' ')));
  EXPECT_EQ(bomb.code, 400);
  EXPECT_THAT(bomb.body, HasSubstr("Request payload size exceeds the limit: 10485760 bytes."));
  EXPECT_EQ(ask_in_gzip(local::gzip(std::string(10 << 20, ' '))).code, 400);  // no JSON, but not too large
}

TEST_F(Body, IsCompressedForClientsThatAcceptGzip) {
  ASSERT_TRUE(client_.commit({upsert(entity(key("K", 1), {{"p", unindexed(text(std::string(5000, 'x')))}}))}).ok());
  const struct {
    std::string accepts;
    bool packed;
  } cases[] = {{"gzip", true},      {"deflate, GZIP;q=0.5", true}, {"br;q=1.0, x-gzip", true}, {"", false},
               {"identity", false}, {"gzip;q=0", false},           {"gzip;q=0.000", false},    {"br", false}};
  for (const auto& [accepts, packed] : cases) {
    SCOPED_TRACE(accepts);
    const HttpReply reply = ask(address_, "POST", kLookup, kKeys, "Accept-Encoding: " + accepts + "\r\n");
    EXPECT_EQ(reply.head.find("Content-Encoding: gzip\r\n") != std::string::npos, packed);
    EXPECT_THAT(reply.head, HasSubstr("Vary: Accept-Encoding\r\n"));
    const std::string body = packed ? local::gunzip(reply.body, 1 << 20).value_or("") : reply.body;
    EXPECT_THAT(body, HasSubstr(std::string(5000, 'x')));
  }
  EXPECT_THAT(ask(address_, "GET", "/", "", "Accept-Encoding: gzip\r\n").head, Not(HasSubstr("Content-Encoding")));
}

// Announced bytes take no memory; received ones do.
TEST_F(Body, OnlyReceivedBytesCountAgainstTheMemory) {
  std::vector<Socket> silent;
  for (int i = 0; i < 100; ++i) {
    silent.emplace_back(address_).send(
        "POST " + kLookup + " HTTP/1.1\r\nHost: localhost\r\n" +
        (i % 2 == 0 ? "Content-Length: 10485760\r\n\r\n{" : "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"));
  }
  const std::string large = kKeys + std::string(200'000, ' ');
  EXPECT_EQ(ask(address_, "POST", kLookup, large).code, 200);
  std::vector<Socket> at_once;
  for (int i = 0; i < 60; ++i) {
    at_once.emplace_back(address_).send("POST " + kLookup +
                                        " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  }
  for (Socket& socket : at_once) socket.send("30\r\n" + kKeys + "\r\n0\r\n\r\n");
  ASSERT_EQ(kKeys.size(), 0x30U);
  for (Socket& socket : at_once) EXPECT_EQ(read_reply(socket).code, 200);
}

// Unfinished bodies take all memory for requests: a complete request is still served.
TEST_F(Body, AStalledRequestIsDroppedWhenMemoryIsShort) {
  std::vector<Socket> stuck;
  const std::string most(10'000'000, ' ');
  for (int i = 0; i < 60; ++i) {
    stuck.emplace_back(address_).send("POST " + kLookup +
                                      " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10485760\r\n\r\n");
    ASSERT_TRUE(stuck.back().send(most));
  }
  EXPECT_EQ(ask(address_, "POST", kLookup, kKeys + std::string(200'000, ' ')).code, 200);
  EXPECT_EQ(stuck.front().rest(), "");
}

// Two bytes become an object of a hundred. The messages of a request that no method accepts are never made.
TEST_F(Body, ElementsAreCountedBeforeTheyAreMade) {
  const auto repeated = [](std::string_view piece, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += piece;
    return out;
  };
  const std::string empty_values = repeated(std::string_view("\x0a\x00", 2), 4'000'000);  // of an ArrayValue
  const auto within = [](char tag, const std::string& bytes) {
    std::string out(1, tag);
    for (std::size_t size = bytes.size();; size >>= 7) {
      out.push_back(static_cast<char>((size & 0x7F) | (size > 0x7F ? 0x80 : 0)));
      if (size <= 0x7F) break;
    }
    return out + bytes;
  };
  const struct {
    const char* name;
    std::string method, body, headers, says;
  } cases[] = {
      {"mutations", "commit", "\x28\x02" + repeated(std::string_view("\x32\x00", 2), 5'200'000), kProtobuf,
       "too many mutations"},
      {"keys", "lookup", repeated(std::string_view("\x1a\x00", 2), 20'000), kProtobuf, "too many keys"},
      {"mutations in JSON", "commit", R"({"mutations": [{})" + repeated(",{}", 3'000'000) + "]}", "",
       "too many mutations"},
      // Commit.mutations[0].upsert.properties{}.array_value.values
      {"values", "commit",
       within('\x32', within('\x22', within('\x1a', within('\x12', "\x4a" + within('\x00', empty_values).substr(1))))),
       kProtobuf, "too many messages"},
      {"unknown fields", "lookup", repeated("\x78\x01", 4'000'000), kProtobuf, "too many messages"},
      {"unknown groups", "lookup", repeated("\x7b\x7c", 4'000'000), kProtobuf, "too many messages"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    const HttpReply reply = ask(address_, "POST", "/v1/projects/p:" + test.method, test.body, test.headers);
    EXPECT_EQ(reply.code, 400);
    EXPECT_THAT(reply.body, HasSubstr(test.says));
  }
  // Over gRPC too.
  std::vector<v1::Key> keys(20'000, key("K", 1));
  EXPECT_THAT(client_.lookup(keys).status.error_message(), HasSubstr("too many keys"));
  // As many values as the largest valid request has.
  const auto many =
      client_.commit({upsert(entity(key("K", 2), {{"p", array(std::vector<v1::Value>(100'000, unindexed(null())))}}))});
  EXPECT_TRUE(many.ok()) << many.status.error_message();
}

}  // namespace
}  // namespace ndb::testing
