// The stub against a server that answers from a script.
#include "datastore/stub.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/channel.h"
#include "base/strings.h"
#include "datastore/fake_server.h"
#include "google/datastore/v1/datastore.pb.h"

namespace ndb::datastore {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// An RPC without its types. Its call sends a request with no more than a database.
struct RpcRow {
  std::string name;
  bool retried_by_default;
  std::function<void(Stub&, const std::string&, const CallOptions&, std::function<void(absl::Status)>)> call;
};

template <class Request, class Response>
RpcRow row(std::string name, bool retried, void (Stub::*function)(Request, const CallOptions&, Done<Response>)) {
  const auto call = [function](Stub& stub, const std::string& database, const CallOptions& options,
                               std::function<void(absl::Status)> done) {
    Request request;
    request.set_database_id(database);
    (stub.*function)(std::move(request), options,
                     [done = std::move(done)](const absl::StatusOr<Response>& response) { done(response.status()); });
  };
  return {std::move(name), retried, call};
}

const std::vector<RpcRow>& rpcs() {
  static const std::vector<RpcRow> kRows = {
      row("Lookup", true, &Stub::lookup),
      row("RunQuery", true, &Stub::run_query),
      row("RunAggregationQuery", true, &Stub::run_aggregation_query),
      row("BeginTransaction", true, &Stub::begin_transaction),
      row("Commit", false, &Stub::commit),
      row("Rollback", false, &Stub::rollback),
      row("AllocateIds", true, &Stub::allocate_ids),
      row("ReserveIds", true, &Stub::reserve_ids),
  };
  return kRows;
}

const RpcRow& rpc(std::string_view name) {
  for (const RpcRow& candidate : rpcs()) {
    if (candidate.name == name) return candidate;
  }
  ADD_FAILURE() << "no RPC " << name;
  return rpcs().front();
}

absl::Status call(Stub& stub, const RpcRow& rpc, const CallOptions& options = {}, const std::string& database = {}) {
  std::promise<absl::Status> promise;
  rpc.call(stub, database, options, [&](absl::Status status) { promise.set_value(std::move(status)); });
  return promise.get_future().get();
}

absl::StatusOr<wire::LookupResponse> lookup(Stub& stub, wire::LookupRequest request) {
  std::promise<absl::StatusOr<wire::LookupResponse>> promise;
  stub.lookup(std::move(request), {}, [&](auto response) { promise.set_value(std::move(response)); });
  return promise.get_future().get();
}

std::string header(const Received& call, const std::string& name) {
  const auto [begin, end] = call.headers.equal_range(name);
  if (begin == end) return "(absent)";
  return std::next(begin) == end ? begin->second : "(more than one)";
}

FakeServer::Script always(grpc::StatusCode code) {
  return [code](int, const Received&) { return Answer{.status = grpc::Status(code, "scripted")}; };
}

Answer never(int, const Received&) { return {.never = true}; }

class StubTest : public testing::Test {
 protected:
  StubConfig config() {
    return {.project = "p",
            .channels = {.open = [channel = std::make_shared<ndb::Channel>(
                                      server_.in_process())] { return Channels::List{channel}; },
                         .address = "the.address:1",
                         .hint = "the hint"},
            .backoff = {.initial = milliseconds(1), .maximum = milliseconds(2)}};
  }

  FakeServer server_;
};

TEST_F(StubTest, KnowsEveryRpcOfTheService) {
  const auto* service = google::datastore::v1::LookupRequest::descriptor()->file()->FindServiceByName("Datastore");
  ASSERT_EQ(static_cast<std::size_t>(service->method_count()), rpcs().size());
  const auto stub = make_stub(config());
  for (int i = 0; i < service->method_count(); ++i) {
    server_.play({});
    EXPECT_EQ(call(*stub, rpc(service->method(i)->name())), absl::OkStatus());
    ASSERT_EQ(server_.received().size(), 1u);
    EXPECT_EQ(server_.received()[0].path, cat("/", service->full_name(), "/", service->method(i)->name()));
  }
}

TEST_F(StubTest, NamesProjectAndDatabaseInRequestAndHeaders) {
  struct {
    std::string project, database, routing, prefix;
  } const cases[] = {
      {"p", "", "project_id=p", "projects/p"},
      {"p", "d", "project_id=p&database_id=d", "projects/p/databases/d"},
      {"example.com:p-1", "a b&c", "project_id=example.com%3Ap-1&database_id=a%20b%26c",
       "projects/example.com%3Ap-1/databases/a%20b%26c"},
      {"\xc3\xa4\n", "", "project_id=%C3%A4%0A", "projects/%C3%A4%0A"},
  };
  for (const auto& c : cases) {
    StubConfig named = config();
    named.project = c.project;
    const auto stub = make_stub(std::move(named));
    for (const RpcRow& rpc : rpcs()) {
      SCOPED_TRACE(cat(rpc.name, " to ", c.project, "/", c.database));
      server_.play({});
      EXPECT_EQ(call(*stub, rpc, {}, c.database), absl::OkStatus());
      ASSERT_EQ(server_.received().size(), 1u);
      const Received received = server_.received()[0];
      EXPECT_EQ(header(received, "x-goog-request-params"), c.routing);
      EXPECT_EQ(header(received, "google-cloud-resource-prefix"), c.prefix);
      EXPECT_THAT(header(received, "x-goog-api-client"), HasSubstr("grpc/"));
      wire::ReserveIdsRequest request;  // all requests have both fields at these numbers
      ASSERT_TRUE(request.ParseFromString(received.request));
      EXPECT_EQ(request.project_id(), c.project);
      EXPECT_EQ(request.database_id(), c.database);
    }
  }
}

TEST_F(StubTest, KeysAndEntitiesPassAsTheyAre) {
  const std::string junk("\xff\x00\x01 not a message", 17);
  const std::string large(6 << 20, 'x');  // over gRPC's default limit of 4 MiB
  wire::LookupResponse answer;
  answer.add_found()->set_entity(junk);
  answer.add_found()->set_entity(large);
  answer.add_deferred(junk);
  server_.play([&](int, const Received&) { return Answer{.response = answer.SerializeAsString()}; });
  const auto channels = make_channels({.emulator_host = server_.address()});
  ASSERT_EQ(channels.status(), absl::OkStatus());
  const auto stub = make_stub({.project = "p", .channels = *channels});
  wire::LookupRequest request;
  request.add_keys(junk);
  const auto response = lookup(*stub, request);
  ASSERT_EQ(response.status(), absl::OkStatus());
  EXPECT_EQ(response->SerializeAsString(), answer.SerializeAsString());
  wire::LookupRequest received;
  ASSERT_TRUE(received.ParseFromString(server_.received()[0].request));
  ASSERT_EQ(received.keys_size(), 1);
  EXPECT_EQ(received.keys(0), junk);
}

// Every RPC, every code: two failures, then success.
TEST_F(StubTest, RetriesWhatTheServiceConfigAllowsOrTheCallerAsksFor) {
  const auto stub = make_stub(config());
  for (const RpcRow& rpc : rpcs()) {
    for (int code = 1; code <= 16; ++code) {
      const bool transient = code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::DEADLINE_EXCEEDED;
      const std::size_t by_default = transient && rpc.retried_by_default ? 3u : 1u;
      struct {
        std::optional<int> retries;
        std::size_t attempts;
      } const cases[] = {{std::nullopt, by_default},
                         {0, 1},
                         {1, transient ? 2u : 1u},
                         {2, transient ? 3u : 1u},
                         {9, transient ? 3u : 1u}};
      for (const auto& c : cases) {
        SCOPED_TRACE(cat(rpc.name, ", code ", code, ", retries ", c.retries.value_or(-1)));
        server_.play([code](int number, const Received&) {
          return number < 2 ? Answer{.status = grpc::Status(static_cast<grpc::StatusCode>(code), "scripted")}
                            : Answer{};
        });
        const absl::Status status = call(*stub, rpc, {.retries = c.retries});
        EXPECT_EQ(server_.received().size(), c.attempts);
        if (c.attempts == 3) {
          EXPECT_EQ(status, absl::OkStatus());
        } else {
          EXPECT_EQ(static_cast<int>(status.code()), code);
          EXPECT_THAT(std::string(status.message()), testing::StartsWith(rpc.name));
          EXPECT_THAT(std::string(status.message()), HasSubstr("scripted"));
        }
      }
    }
  }
}

TEST_F(StubTest, EveryAttemptCarriesTheSameRequestAndHeaders) {
  const auto stub = make_stub(config());
  server_.play([](int number, const Received&) {
    return number < 3 ? Answer{.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "")} : Answer{};
  });
  wire::LookupRequest request;
  request.add_keys("k");
  ASSERT_EQ(lookup(*stub, request).status(), absl::OkStatus());
  const auto received = server_.received();
  ASSERT_EQ(received.size(), 4u);
  for (const Received& attempt : received) {
    EXPECT_EQ(attempt.request, received[0].request);
    EXPECT_EQ(header(attempt, "x-goog-request-params"), "project_id=p");
  }
}

TEST_F(StubTest, OutcomeUnknownByCode) {
  const std::set<absl::StatusCode> unknown = {absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded,
                                              absl::StatusCode::kCancelled, absl::StatusCode::kUnknown,
                                              absl::StatusCode::kInternal};
  const auto stub = make_stub(config());
  for (int code = 1; code <= 16; ++code) {
    server_.play(always(static_cast<grpc::StatusCode>(code)));
    EXPECT_EQ(outcome_unknown(call(*stub, rpc("Commit"))), unknown.contains(static_cast<absl::StatusCode>(code)))
        << code;
  }
  EXPECT_FALSE(outcome_unknown(absl::OkStatus()));
}

// The first attempt may have been applied, and the second may fail for that very reason.
TEST_F(StubTest, OutcomeOfAResentCommitIsUnknownWhateverTheLastAnswer) {
  const auto stub = make_stub(config());
  server_.play([](int number, const Received&) {
    return Answer{.status = number == 0 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "")
                                        : grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "it is there")};
  });
  const absl::Status status = call(*stub, rpc("Commit"), {.retries = 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(outcome_unknown(status));
}

TEST_F(StubTest, DeadlineEndsACallThatIsNeverAnswered) {
  const auto stub = make_stub(config());
  for (const RpcRow& rpc : rpcs()) {
    server_.play(never);
    const absl::Status status = call(*stub, rpc, {.deadline = milliseconds(20)});
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(std::string(status.message()), HasSubstr("the.address:1"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("20 ms"));
  }
}

TEST_F(StubTest, RetriesEndWithTheDeadline) {
  const auto stub = make_stub(config());
  server_.play(always(grpc::StatusCode::UNAVAILABLE));
  const absl::Status status = call(*stub, rpc("Lookup"), {.deadline = milliseconds(100)});
  EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GT(server_.received().size(), 1u);
}

TEST_F(StubTest, DoesNotWaitForARetryThatWouldComeTooLate) {
  StubConfig slow = config();
  slow.backoff = {.initial = std::chrono::hours(1), .maximum = std::chrono::hours(2)};
  const auto stub = make_stub(std::move(slow));
  server_.play(always(grpc::StatusCode::UNAVAILABLE));
  const absl::Status status = call(*stub, rpc("Lookup"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the.address:1 is unavailable (the hint)"));
  EXPECT_EQ(server_.received().size(), 1u);
}

TEST_F(StubTest, RefusesInvalidArgumentsAndSendsNothing) {
  StubConfig no_project = config();
  no_project.project = "";
  StubConfig no_channel = config();
  no_channel.channels.open = nullptr;
  const auto refuses = [](const StubConfig& config, const CallOptions& options, const std::string& message) {
    const auto stub = make_stub(config);
    const absl::Status status = call(*stub, rpc("Commit"), options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_FALSE(outcome_unknown(status));
  };
  refuses(no_project, {}, "GOOGLE_CLOUD_PROJECT");
  refuses(no_channel, {}, "no channel");
  refuses(config(), {.deadline = milliseconds(0)}, "deadline is 0 ms");
  refuses(config(), {.deadline = milliseconds(-5)}, "deadline is -5 ms");
  refuses(config(), {.retries = -1}, "retries is -1");
  EXPECT_TRUE(server_.received().empty());
  EXPECT_EQ(call(*make_stub(config()), rpc("Lookup"), {.deadline = milliseconds::max()}), absl::OkStatus());
}

// Half of the calls wait for an answer, half for their next attempt.
TEST_F(StubTest, DestructionCancelsEveryCallOnce) {
  StubConfig slow = config();
  slow.backoff = {.initial = std::chrono::seconds(50), .maximum = std::chrono::seconds(50)};
  auto stub = make_stub(std::move(slow));
  server_.play([](int number, const Received&) {
    return number % 2 == 0 ? Answer{.never = true} : Answer{.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "")};
  });
  constexpr std::size_t kCalls = 40;
  std::atomic<std::size_t> cancelled = 0;
  std::atomic<std::size_t> other = 0;
  for (std::size_t i = 0; i < kCalls; ++i) {
    rpc("Lookup").call(*stub, {}, {},
                       [&](const absl::Status& status) { ++(absl::IsCancelled(status) ? cancelled : other); });
  }
  server_.wait_for_calls(kCalls);
  stub.reset();
  EXPECT_EQ(cancelled, kCalls);
  EXPECT_EQ(other, 0u);
}

// Those that wait for an answer, and those that wait for their next attempt.
TEST_F(StubTest, AStopCancelsCallsOnTheWire) {
  StubConfig slow = config();
  slow.backoff = {.initial = std::chrono::seconds(50), .maximum = std::chrono::seconds(50)};
  const auto stub = make_stub(std::move(slow));
  server_.play([](int number, const Received&) {
    return number % 2 == 0 ? Answer{.never = true} : Answer{.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "")};
  });
  std::stop_source stop;
  constexpr std::size_t kCalls = 10;
  std::vector<std::promise<absl::Status>> ended(kCalls);
  for (auto& one : ended) {
    rpc("Lookup").call(*stub, {}, {.stop = stop.get_token()}, [&](absl::Status s) { one.set_value(std::move(s)); });
  }
  server_.wait_for_calls(kCalls);
  stop.request_stop();
  for (auto& one : ended) {
    const absl::Status status = one.get_future().get();
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("Lookup: the call was cancelled"));
  }
  server_.play(never);
  const absl::Status late = call(*stub, rpc("Commit"), {.stop = stop.get_token()});
  EXPECT_TRUE(absl::IsCancelled(late)) << late;
  EXPECT_TRUE(outcome_unknown(late));
}

TEST_F(StubTest, AStopAfterTheAnswerDoesNothing) {
  const auto stub = make_stub(config());
  std::stop_source stop;
  EXPECT_EQ(call(*stub, rpc("Lookup"), {.stop = stop.get_token()}), absl::OkStatus());
  stop.request_stop();
  EXPECT_EQ(call(*stub, rpc("Lookup")), absl::OkStatus());
}

TEST_F(StubTest, MayBeDestroyedInsideDone) {
  auto stub = make_stub(config());
  server_.play([](int number, const Received&) { return number == 0 ? Answer{.never = true} : Answer{}; });
  std::promise<absl::Status> waiting;
  std::promise<absl::Status> answered;
  rpc("Commit").call(*stub, {}, {}, [&](absl::Status status) { waiting.set_value(std::move(status)); });
  server_.wait_for_calls(1);
  rpc("Lookup").call(*stub, {}, {}, [&](absl::Status status) {
    stub.reset();
    answered.set_value(std::move(status));
  });
  EXPECT_EQ(answered.get_future().get(), absl::OkStatus());
  EXPECT_TRUE(absl::IsCancelled(waiting.get_future().get()));
}

TEST_F(StubTest, CallsMadeWhileItIsDestroyedAreCancelled) {
  auto stub = make_stub(config());
  Stub* const plain = stub.get();
  server_.play(never);
  std::optional<absl::Status> second;
  rpc("Lookup").call(*plain, {}, {}, [&](const absl::Status&) {
    rpc("Lookup").call(*plain, {}, {}, [&](absl::Status status) { second = std::move(status); });
  });
  server_.wait_for_calls(1);
  stub.reset();
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(absl::IsCancelled(*second));
}

TEST_F(StubTest, ThreadsShareAStub) {
  const auto stub = make_stub(config());
  server_.play(
      [](int number, const Received& received) {  // the key comes back as an entity, at the second attempt or the first
        if (number % 3 == 0) return Answer{.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "")};
        wire::LookupRequest request;
        wire::LookupResponse response;
        if (request.ParseFromString(received.request)) response.add_found()->set_entity(request.keys(0));
        return Answer{.response = response.SerializeAsString()};
      });
  constexpr int kThreads = 4;
  constexpr int kCalls = 100;
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kCalls; ++i) {
          wire::LookupRequest request;
          request.add_keys(cat(t, "/", i));
          const auto response = lookup(*stub, request);
          if (response.ok() && response->found(0).entity() == cat(t, "/", i)) ++right;
        }
      });
    }
  }
  EXPECT_EQ(right, kThreads * kCalls);
}

}  // namespace
}  // namespace ndb::datastore
