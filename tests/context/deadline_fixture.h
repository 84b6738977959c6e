// A Datastore in memory whose RPCs hang, are slow, or fail, by a clock that jumps: so tests of deadlines depend on no
// machine's speed.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context/client_core.h"
#include "model/entity_wire.h"
#include "ndb/ndb.h"
#include "support/jumping_clock.h"
#include "tasklet/event_loop.h"

namespace ndb::testing {

enum class Fault {
  kNone,
  kHang,          // no answer; the RPC ends by its deadline or when it is cancelled, and was not executed
  kHangExecuted,  // likewise, but it was executed
  kSlow,          // executed and answered after kSlowness
  kVanish,        // UNAVAILABLE at once, every time
};
inline constexpr std::chrono::milliseconds kSlowness{400};

// Belongs to the thread that made it, on whose event loop it waits.
class FaultyDatastore final : public datastore::Stub {
 public:
  Fault fault = Fault::kNone;
  RpcMethod where = RpcMethod::kLookup;  // the RPC that has the fault
  int cancelled = 0;                     // RPCs, on the wire
  std::map<RpcMethod, int> calls;
  std::map<std::string, std::string> entities;  // by the bytes of the key

#define NDB_FAKE(function, Name, idempotent)                                                     \
  void function(wire::Name##Request request, const datastore::CallOptions& options,              \
                datastore::Done<wire::Name##Response> done) override {                           \
    run<wire::Name##Response>(RpcMethod::k##Name, options, std::move(done),                      \
                              [this, request = std::move(request)] { return answer(request); }); \
  }
  NDB_DATASTORE_RPCS(NDB_FAKE)
#undef NDB_FAKE

 private:
  static constexpr std::chrono::seconds kDefaultDeadline{60};

  // One call that waits. Ends once.
  template <class Response>
  struct Call {
    datastore::Done<Response> done;
    std::optional<std::stop_callback<std::function<void()>>> stop;
    void end(absl::StatusOr<Response> response) {
      if (done == nullptr) return;
      EventLoop::current().started();  // the loop counts on it again, and finds the answer in its inbox
      std::exchange(done, nullptr)(std::move(response));
    }
  };

  template <class Response>
  void run(RpcMethod method, const datastore::CallOptions& options, datastore::Done<Response> done,
           std::function<Response()> execute) {
    ++calls[method];
    const Fault here = method == where ? fault : Fault::kNone;
    if (here == Fault::kNone) return done(execute());
    if (here == Fault::kVanish) return done(absl::UnavailableError("connection refused"));
    EventLoop& loop = EventLoop::current();
    loop.finished();  // nothing happens outside of this thread, so that the clock may jump
    auto call = std::make_shared<Call<Response>>();
    call->done = std::move(done);
    if (here == Fault::kHangExecuted) execute();
    if (here == Fault::kSlow) {
      loop.call_at(loop.now() + kSlowness, [call, execute] {
        if (call->done != nullptr) call->end(execute());
      });
    }
    loop.call_at(loop.now() + options.deadline.value_or(kDefaultDeadline),
                 [call] { call->end(absl::DeadlineExceededError("no answer")); });
    if (options.stop.stop_possible()) {
      call->stop.emplace(options.stop, [this, weak = std::weak_ptr(call)] {
        ++cancelled;
        if (const auto one = weak.lock()) one->end(absl::CancelledError("cancelled"));
      });
    }
  }

  static std::string key_only(const std::string& key) {
    return std::string("\x0A") + static_cast<char>(key.size()) + key;
  }
  wire::LookupResponse answer(const wire::LookupRequest& request) {
    wire::LookupResponse response;
    for (const std::string& key : request.keys()) {
      const auto found = entities.find(key);
      auto& result = found != entities.end() ? *response.add_found() : *response.add_missing();
      result.set_entity(found != entities.end() ? found->second : key_only(key));
      result.set_version(version_);
    }
    return response;
  }
  wire::CommitResponse answer(const wire::CommitRequest& request) {
    wire::CommitResponse response;
    ++version_;
    for (const wire::Mutation& mutation : request.mutations()) {
      if (!mutation.delete_().empty()) {
        entities.erase(mutation.delete_());
      } else {
        entities[detail::entity_key(mutation.upsert())->bytes()] = mutation.upsert();
      }
      response.add_mutation_results()->set_version(version_);
    }
    return response;
  }
  // One result per batch, and always a further batch.
  wire::RunQueryResponse answer(const wire::RunQueryRequest&) {
    wire::RunQueryResponse response;
    wire::QueryResultBatch& batch = *response.mutable_batch();
    batch.set_entity_result_type(wire::EntityResult::FULL);
    batch.set_more_results(wire::QueryResultBatch::NOT_FINISHED);
    batch.set_end_cursor("c" + std::to_string(++cursor_));
    for (const auto& [key, entity] : entities) {
      wire::EntityResult& result = *batch.add_entity_results();
      result.set_entity(entity);
      result.set_version(version_);
      break;
    }
    return response;
  }
  wire::RunAggregationQueryResponse answer(const wire::RunAggregationQueryRequest&) { return {}; }
  wire::BeginTransactionResponse answer(const wire::BeginTransactionRequest&) {
    wire::BeginTransactionResponse response;
    response.set_transaction("t");
    return response;
  }
  wire::RollbackResponse answer(const wire::RollbackRequest&) { return {}; }
  wire::AllocateIdsResponse answer(const wire::AllocateIdsRequest&) { return {}; }
  wire::ReserveIdsResponse answer(const wire::ReserveIdsRequest&) { return {}; }

  std::int64_t version_ = 100;
  int cursor_ = 0;
};

// A client on a FaultyDatastore, without memcache.
class DeadlineTest : public ::testing::Test {
 protected:
  using ms = std::chrono::milliseconds;
  static constexpr ms kDeadline{200};
  static constexpr ms kSlack{50};

  DeadlineTest() {
    auto core = std::make_shared<Client::Core>();
    auto stub = std::make_unique<FaultyDatastore>();
    store_ = stub.get();
    core->stub = std::move(stub);
    core->partition = {.project = "p", .database = "", .namespace_ = ""};
    core->options.cache_entries = core->options.cache_bytes = SIZE_MAX;
    client_.emplace(detail::ClientAccess::make(std::move(core)));
  }

  // How long `body` takes by the clock, and how it ends.
  std::pair<ms, absl::Status> outcome(const std::function<void()>& body) {
    const Monotonic began = clock_.monotonic();
    absl::Status status;
    try {
      body();
    } catch (const Error& error) {
      status = error.status();
    }
    return {std::chrono::ceil<ms>(clock_.monotonic() - began), status};
  }
  void at(ms when, std::function<void()> callback) {
    EventLoop& loop = EventLoop::current();
    loop.call_at(loop.now() + when, std::move(callback));
  }
  void fault(RpcMethod where, Fault what) {
    store_->where = where;
    store_->fault = what;
  }

  JumpingClock clock_;
  FaultyDatastore* store_ = nullptr;
  std::optional<Client> client_;
};

}  // namespace ndb::testing
