// Spans of RPCs against a server that answers from a script, and the headers that an observer adds.
#include "observe/tracer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/channel.h"
#include "base/log.h"
#include "base/strings.h"
#include "datastore/fake_server.h"
#include "datastore/stub.h"
#include "observe/recorder.h"

namespace ndb::testing {
namespace {

using datastore::Answer;
using datastore::Channels;
using datastore::Received;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HeaderRecorder final : public Recorder {
 public:
  RpcHeaders headers(const SpanBegin& attempt) override {
    EXPECT_EQ(attempt.kind, SpanKind::kRpcAttempt);
    return {{"traceparent", cat("00-0123456789abcdef0123456789abcdef-", attempt.attempt, "-01")}};
  }
};

class Adds final : public Observer {
 public:
  explicit Adds(RpcHeaders headers) : headers_(std::move(headers)) {}
  void begin(const SpanBegin&) override {}
  void end(const SpanEnd&) override {}
  RpcHeaders headers(const SpanBegin&) override { return headers_; }

 private:
  const RpcHeaders headers_;
};

class TracerTest : public ::testing::Test {
 protected:
  std::unique_ptr<datastore::Stub> stub(std::shared_ptr<Observer> observer) {
    return datastore::make_stub(
        {.project = "p",
         .channels = {.open = [channel =
                                   std::make_shared<Channel>(server_.in_process())] { return Channels::List{channel}; },
                      .address = "the.address:1"},
         .backoff = {.initial = std::chrono::milliseconds(1), .maximum = std::chrono::milliseconds(2)},
         .tracer = observe::Tracer::make(std::move(observer))});
  }
  static absl::Status lookup(datastore::Stub& stub) {
    wire::LookupRequest request;
    request.add_keys("k");
    std::promise<absl::Status> ended;
    stub.lookup(std::move(request), {},
                [&](const absl::StatusOr<wire::LookupResponse>& response) { ended.set_value(response.status()); });
    return ended.get_future().get();
  }
  static std::vector<std::string> traceparents(const std::vector<Received>& calls) {
    std::vector<std::string> values;
    for (const Received& call : calls) {
      const auto header = call.headers.find("traceparent");
      values.push_back(header == call.headers.end() ? "" : header->second);
    }
    return values;
  }

  datastore::FakeServer server_;
};

TEST_F(TracerTest, EachAttemptIsAChildOfItsRpcAndHasHeadersOfItsOwn) {
  server_.play([](int number, const Received&) {
    return number == 0 ? Answer{.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy")} : Answer{};
  });
  const auto recorder = std::make_shared<HeaderRecorder>();
  const auto client = stub(recorder);
  EXPECT_EQ(lookup(*client), absl::OkStatus());
  EXPECT_THAT(recorder->take(),
              ElementsAre("begin rpc Lookup keys=1", "begin rpc attempt Lookup keys=1 attempt=1 in rpc Lookup",
                          "end rpc attempt Lookup found=0 UNAVAILABLE",
                          "begin rpc attempt Lookup keys=1 attempt=2 in rpc Lookup",
                          "end rpc attempt Lookup found=0 OK", "end rpc Lookup found=0 OK"));
  EXPECT_THAT(recorder->take_servers(), ::testing::Each("the.address:1"));
  EXPECT_THAT(traceparents(server_.received()),
              ElementsAre("00-0123456789abcdef0123456789abcdef-1-01", "00-0123456789abcdef0123456789abcdef-2-01"));
  EXPECT_TRUE(recorder->all_ended());
}

TEST_F(TracerTest, AClientThatIsDestroyedEndsItsSpans) {
  server_.play([](int, const Received&) { return Answer{.never = true}; });
  const auto recorder = std::make_shared<Recorder>();
  auto client = stub(recorder);
  client->lookup({}, {}, [](const absl::StatusOr<wire::LookupResponse>&) {});
  server_.wait_for_calls(1);
  client = nullptr;
  EXPECT_THAT(recorder->take(),
              ElementsAre("begin rpc Lookup keys=0", "begin rpc attempt Lookup keys=0 attempt=1 in rpc Lookup",
                          "end rpc attempt Lookup found=0 CANCELLED", "end rpc Lookup found=0 CANCELLED"));
  EXPECT_TRUE(recorder->all_ended());
}

// gRPC would end the program for some of these.
TEST_F(TracerTest, HeadersThatCannotBeSentAreLeftOut) {
  const RpcHeaders bad[] = {
      {{"", "v"}},
      {{"Traceparent", "v"}},
      {{"trace parent", "v"}},
      {{":path", "v"}},
      {{"grpc-timeout", "1n"}},
      {{"x-goog-request-params", "v"}},
      {{"authorization", "v"}},
      {{"content-type", "v"}},
      {{"trace-bin", "v"}},
      {{"tracestate", "line\nbreak"}},
      {{"tracestate", std::string("zero\0", 5)}},
      {{"tracestate", "\xff"}},
      {{"tracestate", std::string(5000, 'x')}},
      {{std::string(5000, 'x'), "v"}},
  };
  for (const RpcHeaders& header : bad) {
    SCOPED_TRACE(header.front().first.substr(0, 30));
    server_.play({});
    std::vector<std::string> lines;
    set_log_sink([&lines](Severity, std::string_view line) { lines.push_back(std::string(line)); });
    // Those before a bad one are sent.
    const auto client = stub(std::make_shared<Adds>(RpcHeaders{{"traceparent", "kept"}, header.front()}));
    EXPECT_EQ(lookup(*client), absl::OkStatus());
    EXPECT_EQ(lookup(*client), absl::OkStatus());
    set_log_sink(nullptr);
    ASSERT_EQ(lines.size(), 1) << "logged once in ten seconds";
    EXPECT_THAT(lines[0], HasSubstr("left out"));
    const std::vector<Received> calls = server_.received();
    EXPECT_THAT(traceparents(calls), ::testing::Each("kept"));
    for (const auto& sent : calls.back().headers) {
      EXPECT_NE(std::pair(sent.first, sent.second), header.front());
    }
  }
}

TEST(Tracer, ThereIsNoneWithoutAnObserver) {
  EXPECT_EQ(observe::Tracer::make(nullptr), nullptr);
  observe::Span span;
  span.end(absl::StatusCode::kOk, "");  // does nothing
  EXPECT_FALSE(span);
  EXPECT_EQ(span.id(), 0);
}

TEST(Tracer, NamesOfKinds) {
  EXPECT_EQ(to_string(SpanKind::kRpc), "rpc");
  EXPECT_EQ(to_string(SpanKind::kRpcAttempt), "rpc attempt");
  EXPECT_EQ(to_string(SpanKind::kMemcacheBatch), "memcache batch");
}

}  // namespace
}  // namespace ndb::testing
