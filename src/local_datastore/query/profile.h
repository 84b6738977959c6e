// Explain and analyze: which indexes a query uses, and what it costs.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/query/index_scan.h"
#include "local_datastore/query/plan.h"

namespace ndb::local {

// The measurement begins with the constructor. Plan and clock outlive it.
class QueryProfile {
 public:
  QueryProfile(const QueryPlan& plan, const Clock& clock) : plan_(plan), clock_(clock), began_(clock.monotonic()) {}

  ReadStats& stats() { return stats_; }

  // The indexes that answer the query, in the cloud's notation: each property with its direction, then __name__, which
  // is the key.
  void explain(v1::ExplainMetrics& out) const;
  void analyze(std::int64_t results, v1::ExplainMetrics& out) const;

 private:
  const QueryPlan& plan_;
  const Clock& clock_;
  const Monotonic began_;
  ReadStats stats_;
};

}  // namespace ndb::local
