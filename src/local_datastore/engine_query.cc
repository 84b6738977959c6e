#include "local_datastore/engine.h"

namespace ndb::local {

absl::Status Engine::run_query(v1::RunQueryRequest&, v1::RunQueryResponse&) {
  return absl::UnimplementedError("The local Datastore does not run queries yet.");
}

absl::Status Engine::run_aggregation_query(v1::RunAggregationQueryRequest&, v1::RunAggregationQueryResponse&) {
  return absl::UnimplementedError("The local Datastore does not run aggregations yet.");
}

}  // namespace ndb::local
