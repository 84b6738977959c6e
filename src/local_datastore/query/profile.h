// What a query says of itself: explain, and with analyze what it has cost.
#pragma once

#include <chrono>
#include <cstdint>

#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/query/index_scan.h"
#include "local_datastore/query/plan.h"

namespace ndb::local {

// Begins to measure when it is made. The plan outlives it.
class QueryProfile {
 public:
  explicit QueryProfile(const QueryPlan& plan) : plan_(plan) {}

  ReadStats& stats() { return stats_; }

  // The indexes that answer the query, as the cloud names them: each property with its direction, then __name__, which
  // is what it calls the key there.
  void explain(v1::ExplainMetrics& out) const;
  void analyze(std::int64_t results, v1::ExplainMetrics& out) const;

 private:
  const QueryPlan& plan_;
  ReadStats stats_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace ndb::local
