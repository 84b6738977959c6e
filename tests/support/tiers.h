// A fixture with real tiers: one memcached and one local Datastore per test program, and a project of its own per test.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "context/client_core.h"
#include "datastore/channel.h"
#include "ndb/local_datastore.h"
#include "ndb/ndb.h"
#include "support/memcached_server.h"
#include "support/take_core.h"

namespace ndb::testing {

// A stub that forwards requests after the functions that a test has set were called. They run on the caller's thread,
// before the request is sent, and may change it.
class ScriptedStub final : public ForwardingStub {
 public:
  using ForwardingStub::ForwardingStub;

  std::function<void(const wire::LookupRequest&)> on_lookup;
  // Called once, when the next Lookup or RunQuery has been answered and before its caller learns that. On the caller's
  // thread.
  std::function<void()> after_answer;
  // A status for the caller instead of the answer. The request is still executed if `apply` is set.
  struct Verdict {
    absl::Status status;
    bool apply = true;
  };
  std::function<Verdict(const wire::CommitRequest&)> on_commit;
  std::function<void(const wire::BeginTransactionRequest&)> on_begin;
  std::function<void(const wire::RollbackRequest&)> on_rollback;

  void lookup(wire::LookupRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::LookupResponse> done) override {
    if (on_lookup) on_lookup(request);
    hold<wire::LookupResponse>(std::move(done), [&](datastore::Done<wire::LookupResponse> then) {
      ForwardingStub::lookup(std::move(request), options, std::move(then));
    });
  }
  void run_query(wire::RunQueryRequest request, const datastore::CallOptions& options,
                 datastore::Done<wire::RunQueryResponse> done) override {
    hold<wire::RunQueryResponse>(std::move(done), [&](datastore::Done<wire::RunQueryResponse> then) {
      ForwardingStub::run_query(std::move(request), options, std::move(then));
    });
  }
  void commit(wire::CommitRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::CommitResponse> done) override {
    Verdict verdict = on_commit ? on_commit(request) : Verdict{};
    if (!verdict.apply) return done(std::move(verdict.status));
    ForwardingStub::commit(
        std::move(request), options,
        [done = std::move(done),
         status = std::move(verdict.status)](absl::StatusOr<wire::CommitResponse> response) mutable {
          done(status.ok() ? std::move(response) : absl::StatusOr<wire::CommitResponse>(std::move(status)));
        });
  }
  void begin_transaction(wire::BeginTransactionRequest request, const datastore::CallOptions& options,
                         datastore::Done<wire::BeginTransactionResponse> done) override {
    if (on_begin) on_begin(request);
    ForwardingStub::begin_transaction(std::move(request), options, std::move(done));
  }
  void rollback(wire::RollbackRequest request, const datastore::CallOptions& options,
                datastore::Done<wire::RollbackResponse> done) override {
    if (on_rollback) on_rollback(request);
    ForwardingStub::rollback(std::move(request), options, std::move(done));
  }

 private:
  template <class Response, class Send>
  void hold(datastore::Done<Response> done, const Send& send) {
    if (!after_answer) return send(std::move(done));
    std::promise<absl::StatusOr<Response>> answer;
    send([&](absl::StatusOr<Response> response) { answer.set_value(std::move(response)); });
    absl::StatusOr<Response> response = answer.get_future().get();
    std::exchange(after_answer, nullptr)();
    done(std::move(response));
  }
};

class Tiers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    datastore();
    memcached();
  }
  static LocalDatastore& datastore() {
    // Optimistic, because tests write what one of their own transactions has read, and would otherwise wait for
    // themselves.
    static const auto server = LocalDatastore::start({.concurrency = LocalDatastore::Concurrency::kOptimistic});
    return *server;
  }
  static MemcachedServer& memcached() {
    static MemcachedServer server;
    return server;
  }

  ClientOptions options() const {
    ClientOptions options;
    options.project = project_;
    options.channel = datastore().channel();
    options.memcached_hosts = {memcached().address()};
    // Much longer than a healthy server needs, so that a busy machine does not turn hits into bypasses.
    options.memcache_connect_timeout = options.memcache_io_timeout = std::chrono::seconds(5);
    return options;
  }
  Client client() const { return Client(options()); }
  const std::string& project() const { return project_; }

  // A client whose RPCs go through `stub`, which the client owns.
  Client scripted(ScriptedStub*& stub) const { return scripted(client(), stub); }
  static Client scripted(const Client& client, ScriptedStub*& stub) {
    const std::shared_ptr<Client::Core> core = take_core(client);
    auto scripted = std::make_unique<ScriptedStub>(std::move(core->stub));
    stub = scripted.get();
    core->stub = std::move(scripted);
    return detail::ClientAccess::make(core);
  }

  // Runs `body` in a new context of `client` on this thread, and returns the counts of its tiers.
  static TierCounts in_new_context(const Client& client, const std::function<void()>& body) {
    ContextScope scope = client.context();
    body();
    scope->flush();
    return scope->counts();
  }

 private:
  static std::string next_project() {
    static std::atomic<int> number = 0;
    return "test-" + std::to_string(++number);
  }
  const std::string project_ = next_project();
};

}  // namespace ndb::testing
