// A stub in front of the Datastore whose queries a test observes, divides into small batches, and answers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "support/take_core.h"
#include "support/tiers.h"

namespace ndb::testing {

class QueryStub final : public ForwardingStub {
 public:
  using ForwardingStub::ForwardingStub;

  // Used only on the thread of the test's context.
  std::vector<wire::RunQueryRequest> requests{};
  std::vector<wire::RunAggregationQueryRequest> aggregations{};
  std::int32_t batch_size = 0;  // 0: as large as the Datastore makes them; of GQL the first one always
  // The answer instead of the Datastore's; nothing: ask the Datastore.
  std::function<std::optional<absl::StatusOr<wire::RunQueryResponse>>(const wire::RunQueryRequest&)> answer{};
  std::function<absl::StatusOr<wire::RunAggregationQueryResponse>(const wire::RunAggregationQueryRequest&)>
      answer_aggregation{};

  void run_query(wire::RunQueryRequest request, const datastore::CallOptions& options,
                 datastore::Done<wire::RunQueryResponse> done) override {
    requests.push_back(request);
    if (answer) {
      if (auto scripted = answer(request)) return done(*std::move(scripted));
    }
    const bool limited = request.query().has_limit();
    if (batch_size == 0 || request.has_gql_query() || (limited && request.query().limit().value() <= batch_size)) {
      return ForwardingStub::run_query(std::move(request), options, std::move(done));
    }
    request.mutable_query()->mutable_limit()->set_value(batch_size);
    ForwardingStub::run_query(
        std::move(request), options, [done = std::move(done)](absl::StatusOr<wire::RunQueryResponse> response) {
          if (response.ok() && response->batch().more_results() == wire::QueryResultBatch::MORE_RESULTS_AFTER_LIMIT) {
            response->mutable_batch()->set_more_results(wire::QueryResultBatch::NOT_FINISHED);
          }
          done(std::move(response));
        });
  }
  void run_aggregation_query(wire::RunAggregationQueryRequest request, const datastore::CallOptions& options,
                             datastore::Done<wire::RunAggregationQueryResponse> done) override {
    aggregations.push_back(request);
    if (answer_aggregation) return done(answer_aggregation(request));
    ForwardingStub::run_aggregation_query(std::move(request), options, std::move(done));
  }
};

// A client of the fixture's tiers whose queries go through `stub`.
inline Client through(const Client& client, QueryStub*& stub) {
  const std::shared_ptr<Client::Core> core = take_core(client);
  auto between = std::make_unique<QueryStub>(std::move(core->stub));
  stub = between.get();
  core->stub = std::move(between);
  return ndb::detail::ClientAccess::make(core);
}

}  // namespace ndb::testing
