// The HTTP interface as its users meet it: requests with JSON and protobuf bodies, and what comes back.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "front_door/socket.h"
#include "local_datastore/datastore_client.h"
#include "ndb/local_datastore.h"

namespace ndb::testing {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Http : public ::testing::Test {
 protected:
  HttpReply call(const std::string& method, const std::string& body, const std::string& headers = "") const {
    return ask(address_, "POST", "/v1/projects/test-project:" + method, body, headers);
  }

  std::unique_ptr<LocalDatastore> server_ = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  const std::string address_ = server_->address();
  DatastoreClient client_{*server_};
};

const std::string kProtobuf = "Content-Type: application/x-protobuf\r\n";

TEST_F(Http, EveryRequestHasItsAnswer) {
  ASSERT_TRUE(client_.commit({upsert(entity(key("K", "there")))}).ok());
  const std::string lookup = "/v1/projects/test-project:lookup";
  const std::string commit = "/v1/projects/test-project:commit";
  const auto commit_of = [](const std::string& operation, const std::string& name) {
    return R"({"mode": "NON_TRANSACTIONAL", "mutations": [{")" + operation +
           R"(": {"key": {"path": [{"kind": "K", "name": ")" + name + R"("}]}}}]})";
  };
  const std::string deep = R"({"keys":)" + std::string(5000, '[') + std::string(5000, ']') + "}";
  const struct {
    std::string verb, target, body, headers;
    int code;
    std::string says;
  } cases[] = {
      {"GET", "/", "", "", 200, "Ok"},
      {"GET", "/?from=a+browser", "", "", 200, "Ok"},
      {"HEAD", "/", "", "", 200, ""},
      {"PUT", "/", "", "", 405, "UNIMPLEMENTED"},
      {"GET", "/nothing", "", "", 404, R"("status":"NOT_FOUND")"},
      {"GET", "/reset", "", "", 405, "POST alone"},
      {"GET", lookup, "", "", 405, "POST alone"},
      {"GET", "/v1/projects/test-project/indexes", "", "", 200, "{}"},
      {"GET", "/v1/projects/test-project/indexes/one", "", "", 404, "There is no index with the id"},
      {"GET", "/v1/projects/test-project/indexes?pageSize=10&alt=json&", "", "", 200, "{}"},
      {"GET", "/v1/projects/test-project/indexes?pageSize=ten", "", "", 400, "page_size"},
      {"GET", "/v1/projects/test-project/indexes?pagesize=10", "", "", 400, "pagesize"},
      {"GET", "/v1/projects/test-project/indexes?pageToken=%zz", "", "", 400, "visible ASCII"},
      {"GET", "/v1/projects/test-project/indexes?\xff=1", "", "", 400, "visible ASCII"},
      {"POST", "/v1/projects/test-project/indexes", "{}", "", 405, "GET alone"},
      {"POST", "/v1/projects/test-project:fly", "{}", "", 404, "There is nothing at"},
      {"POST", "/v1/projects/:lookup", "{}", "", 404, "There is nothing at"},
      {"POST", "/v1/projects/a/b:lookup", "{}", "", 404, "There is nothing at"},
      {"POST", "/v1/projects/%zz:lookup", "{}", "", 404, "There is nothing at"},
      {"POST", "/v1/projects/%ff:lookup", "{}", "", 404, "There is nothing at"},
      {"POST", "/v1/projects/%4:lookup", "{}", "", 404, "There is nothing at"},
      {"POST", "/shutdown", "", "", 501, "part of another program"},
      {"POST", lookup, "", "", 400, "at least one key"},
      {"POST", lookup, "{", "", 400, "Invalid JSON payload received"},
      {"POST", lookup, R"({"keyz": []})", "", 400, "keyz"},
      {"POST", lookup, deep, "", 400, "INVALID_ARGUMENT"},
      {"POST", lookup, "\xff\xfe", "", 400, "INVALID_ARGUMENT"},
      {"POST", lookup, "{}", "Content-Encoding: br\r\n", 415, "Content-Encoding gzip or without"},
      {"POST", lookup, "{}", "Content-Type: text/plain;charset=UTF-8\r\n", 415, "Send the body as application/json"},
      {"POST", lookup, "{}", "Content-Type: Multipart/Form-Data; boundary=x\r\n", 415, "application/json"},
      {"POST", lookup, "{}", "Content-Type: application/x-www-form-urlencoded\r\n", 400, "at least one key"},
      {"POST", lookup, "not a message", kProtobuf, 400, "not a valid google.datastore.v1.LookupRequest"},
      {"POST", commit, commit_of("insert", "there"), "", 409, R"("status":"ALREADY_EXISTS")"},
      {"POST", commit, commit_of("update", "not there"), "", 404, R"("status":"NOT_FOUND")"},
      {"POST", commit, commit_of("upsert", "there"), "Content-Type: application/json\r\n", 200, "mutationResults"},
      {"POST", commit, R"({"mode": "TRANSACTIONAL"})", "", 400, "requires a transaction"},
      {"POST", "/v1/projects/example.com%3Aproject:lookup", R"({"keys": [{"path": [{"kind": "K", "name": "n"}]}]})", "",
       200, R"("projectId":"example.com:project")"},
      {"POST", "/v1/projects/example.com:project:lookup", R"({"keys": [{"path": [{"kind": "K", "name": "n"}]}]})", "",
       200, R"("projectId":"example.com:project")"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.verb + " " + test.target + " " + test.body.substr(0, 100));
    if (test.verb == "HEAD") {
      Socket socket(address_);
      socket.send(http_request(test.verb, test.target, "", "Connection: close\r\n"));
      EXPECT_THAT(socket.rest(), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), Not(HasSubstr("Ok"))));
      continue;
    }
    const HttpReply reply = ask(address_, test.verb, test.target, test.body, test.headers);
    EXPECT_EQ(reply.code, test.code) << reply.body;
    EXPECT_THAT(reply.body, HasSubstr(test.says));
    EXPECT_THAT(reply.head, Not(HasSubstr("Access-Control-Allow-Origin")));
    EXPECT_EQ(reply.head.find("Allow: ") != std::string::npos, test.code == 405);
  }
}

TEST_F(Http, ErrorsHaveTheShapeOfGooglesApis) {
  const HttpReply json = call("lookup", "{}");
  EXPECT_THAT(json.head, HasSubstr("Content-Type: application/json"));
  google::protobuf::Struct error;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json.body, &error).ok()) << json.body;
  const auto& fields = error.fields().at("error").struct_value().fields();
  EXPECT_EQ(fields.at("code").number_value(), 400);
  EXPECT_EQ(fields.at("status").string_value(), "INVALID_ARGUMENT");
  EXPECT_EQ(fields.at("message").string_value(), "A lookup must have at least one key.");

  const HttpReply protobuf = call("lookup", "", kProtobuf);
  EXPECT_THAT(protobuf.head, HasSubstr("Content-Type: application/x-protobuf"));
  // google.rpc.Status{code: 3, message: ...}
  EXPECT_EQ(protobuf.body, std::string("\x08\x03\x12\x24") + "A lookup must have at least one key.");
}

TEST_F(Http, TheContentTypeHasNoCase) {
  for (const char* type :
       {"Application/X-Protobuf", "APPLICATION/X-PROTOBUF;charset=x", "application/x-protobuf\t; a=b"}) {
    const HttpReply reply = call("lookup", "not a message", std::string("Content-Type: ") + type + "\r\n");
    EXPECT_THAT(reply.head, HasSubstr("Content-Type: application/x-protobuf\r\n")) << type;
    EXPECT_THAT(reply.body, HasSubstr("not a valid google.datastore.v1.LookupRequest")) << type;
  }
}

// The clients of all Google APIs add these on their own.
TEST_F(Http, SystemParametersAreTaken) {
  for (const char* parameter : {"$alt=json%3Benum-encoding=int", "$.xgafv=2", "access_token=x", "oauth_token=x",
                                "callback=x", "uploadType=x", "upload_protocol=x", "key=x", "alt=json", "fields=x",
                                "prettyPrint=false", "quotaUser=x", "userProject=x", "$apiVersion=x"}) {
    const std::string query = std::string("?") + parameter;
    EXPECT_EQ(ask(address_, "GET", "/v1/projects/p/indexes" + query).code, 200) << parameter;
    EXPECT_EQ(ask(address_, "POST", "/v1/projects/p:runQuery" + query, R"({"query": {"kind": [{"name": "K"}]}})").code,
              200)
        << parameter;
  }
  const auto body_with = [&](const std::string& parameter) {
    return ask(address_, "POST", "/v1/projects/p:runQuery?" + parameter, R"({"query": {"kind": [{"name": "K"}]}})")
        .body;
  };
  EXPECT_THAT(body_with("$alt=json%3Benum-encoding=int"), HasSubstr(R"("moreResults":3)"));
  EXPECT_THAT(body_with("prettyPrint=true"), HasSubstr("{\n"));
  v1::RunQueryResponse response;
  EXPECT_TRUE(response.ParseFromString(body_with("alt=proto")));
}

TEST_F(Http, AnEntityWithEveryTypeOfValueGoesThroughJson) {
  const std::string properties = R"({
    "null": {"nullValue": null},
    "yes": {"booleanValue": true},
    "least": {"integerValue": "-9223372036854775808"},
    "real": {"doubleValue": 0.1},
    "nan": {"doubleValue": "NaN", "excludeFromIndexes": true},
    "infinite": {"doubleValue": "-Infinity"},
    "when": {"timestampValue": "2026-11-22T10:15:00.123456Z"},
    "key": {"keyValue": {"partitionId": {"projectId": "test-project", "namespaceId": "ns"},
                         "path": [{"kind": "Parent", "id": "9007199254740993"}, {"kind": "Child", "name": "x"}]}},
    "text": {"stringValue": "d\u00e9j\u00e0 \ud83d\ude00 \"quoted\"\n", "meaning": 15},
    "blob": {"blobValue": "AAH/gA==", "excludeFromIndexes": true},
    "place": {"geoPointValue": {"latitude": -90, "longitude": 0.5}},
    "inner": {"entityValue": {"properties": {"a.b": {"integerValue": "1"}}}},
    "list": {"arrayValue": {"values": [{"integerValue": "1"}, {"stringValue": ""}, {"nullValue": null}]}},
    "empty": {"arrayValue": {}}
  })";
  const std::string stored = R"({"key": {"path": [{"kind": "K", "name": "all"}]}, "properties": )" + properties + "}";
  const HttpReply written =
      call("commit", R"({"mode": "NON_TRANSACTIONAL", "mutations": [{"upsert": )" + stored + "}]}");
  ASSERT_EQ(written.code, 200) << written.body;

  const HttpReply read = call("lookup", R"({"keys": [{"path": [{"kind": "K", "name": "all"}]}]})");
  ASSERT_EQ(read.code, 200) << read.body;
  v1::LookupResponse response;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(read.body, &response).ok()) << read.body;
  ASSERT_EQ(response.found_size(), 1) << read.body;
  v1::Entity wanted;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(stored, &wanted).ok());
  wanted.mutable_key()->mutable_partition_id()->set_project_id("test-project");
  MessageDifferencer compare;
  google::protobuf::util::DefaultFieldComparator nan_is_nan;
  nan_is_nan.set_treat_nan_as_equal(true);
  compare.set_field_comparator(&nan_is_nan);
  EXPECT_TRUE(compare.Compare(response.found(0).entity(), wanted)) << read.body;
  // gRPC returns the same.
  const auto over_grpc = client_.lookup({key("K", "all")});
  EXPECT_TRUE(compare.Compare(over_grpc->found(0).entity(), wanted));
}

TEST_F(Http, ProtobufBodiesAreAnsweredInProtobuf) {
  v1::CommitRequest commit;
  commit.set_project_id("another, which the path overrides");
  commit.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
  *commit.add_mutations() = insert(entity(key("K"), {{"n", integer(7)}}));
  const HttpReply reply = call("commit", commit.SerializeAsString(), kProtobuf);
  ASSERT_EQ(reply.code, 200) << reply.body;
  EXPECT_THAT(reply.head, HasSubstr("Content-Type: application/x-protobuf\r\n"));
  v1::CommitResponse response;
  ASSERT_TRUE(response.ParseFromString(reply.body));
  EXPECT_EQ(client_.number(response.mutation_results(0).key()), 7);
}

TEST_F(Http, AllMethodsAreThere) {
  const struct {
    std::string method, body, says;
  } cases[] = {
      {"commit",
       R"({"mode": "NON_TRANSACTIONAL", "mutations": [{"upsert": {"key": {"path": [{"kind": "K", "id": "1"}]}}}]})",
       "mutationResults"},
      {"lookup", R"({"keys": [{"path": [{"kind": "K", "id": "1"}]}]})", "found"},
      {"runQuery", R"({"query": {"kind": [{"name": "K"}]}})", "NO_MORE_RESULTS"},
      {"runAggregationQuery",
       R"({"aggregationQuery": {"nestedQuery": {"kind": [{"name": "K"}]}, "aggregations": [{"alias": "n", "count": {}}]}})",
       R"("integerValue":"1")"},
      {"allocateIds", R"({"keys": [{"path": [{"kind": "K"}]}]})", R"("id":")"},
      {"reserveIds", R"({"keys": [{"path": [{"kind": "K", "id": "5"}]}]})", "{}"},
  };
  for (const auto& [method, body, says] : cases) {
    SCOPED_TRACE(method);
    const HttpReply reply = call(method, body);
    EXPECT_EQ(reply.code, 200);
    EXPECT_THAT(reply.body, HasSubstr(says));
  }
  const HttpReply begun = call("beginTransaction", "{}");
  ASSERT_EQ(begun.code, 200) << begun.body;
  EXPECT_EQ(call("rollback", begun.body).code, 200) << begun.body;
}

// However many calls wait for the locks of a transaction, its commit, which arrives last, is answered first.
TEST_F(Http, WaitsForLocksDoNotBlockTheCommitThatReleasesThem) {
  const std::string key = R"({"path": [{"kind": "K", "id": "1"}]})";
  const std::string mutations = R"("mutations": [{"upsert": {"key": )" + key + "}}]";
  const HttpReply begun = call("beginTransaction", "{}");
  const std::string transaction = begun.body.substr(0, begun.body.rfind('}'));  // {"transaction":"..."
  ASSERT_EQ(call("lookup", R"({"readOptions": )" + begun.body + R"(, "keys": [)" + key + "]}").code, 200);
  std::vector<Socket> waiting;
  for (int i = 0; i < 40; ++i) {
    waiting.emplace_back(address_).send(http_request("POST", "/v1/projects/test-project:commit",
                                                     R"({"mode": "NON_TRANSACTIONAL", )" + mutations + "}"));
  }
  EXPECT_EQ(call("commit", transaction + ", " + mutations + "}").code, 200);
  for (Socket& socket : waiting) EXPECT_EQ(read_reply(socket).code, 200);
}

TEST_F(Http, ConnectionsAreKeptAndRequestsComeInAllForms) {
  Socket socket(address_);
  const std::string lookup = "/v1/projects/test-project:lookup";
  const std::string body = R"({"keys": [{"path": [{"kind": "K", "id": "1"}]}]})";
  // Two at once, then one in chunks, one that asks before it sends its body, and the last one.
  socket.send(http_request("GET", "/") + http_request("POST", lookup, body));
  EXPECT_EQ(read_reply(socket).body, "Ok");
  EXPECT_THAT(read_reply(socket).body, HasSubstr("missing"));
  socket.send("POST " + lookup + " HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n" +
              body.substr(0, 9) + "\r\n");
  socket.send("27\r\n" + body.substr(9) + "\r\n0\r\n\r\n");
  ASSERT_EQ(body.size(), 9 + 0x27);
  EXPECT_THAT(read_reply(socket).body, HasSubstr("missing"));
  socket.send("POST " + lookup + " HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(read_reply(socket).code, 100);
  socket.send(body);
  EXPECT_THAT(read_reply(socket).body, HasSubstr("missing"));
  socket.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(socket.rest(), AllOf(StartsWith("HTTP/1.0 200 OK\r\n"), HasSubstr("Ok")));
}

TEST(HttpShutdown, IsAnsweredAndThenDone) {
  std::promise<void> called;
  const auto server =
      LocalDatastore::start({.host_port = "127.0.0.1:0", .on_shutdown = [&called] { called.set_value(); }});
  EXPECT_EQ(ask(server->address(), "POST", "/shutdown").code, 200);
  called.get_future().wait();
  server->shutdown();
}

}  // namespace
}  // namespace ndb::testing
