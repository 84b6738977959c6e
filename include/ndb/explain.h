// How the Datastore answers a query, and what that costs: `std::cout << query.explain({.analyze = true});`
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ndb/options.h"

namespace ndb {

// What explain() and explain_aggregate() of queries take.
struct ExplainOptions {
  bool analyze = false;  // runs the query as well, and measures it; that costs as much as any other run
  Options options{};     // of the query; `deadline` bounds the whole call
};

// What a run of the query took. Of a query that the Datastore answers in several batches these are the sums.
struct ExecutionStats {
  std::int64_t results_returned = 0;               // by all batches; an aggregation is one result
  std::int64_t read_operations = 0;                // that the Datastore charges for
  std::chrono::nanoseconds execution_duration{0};  // within the Datastore
  // What the Datastore counted besides, by name, such as "documents_scanned"; the name of a nested number is a path:
  // "billing_details.documents_billable". The API says that these names may change.
  std::map<std::string, std::string> debug_stats{};
};

// The ExplainMetrics of the Datastore's API.
struct ExplainMetrics {
  // The indexes that the query uses, each as the Datastore describes it: "properties" is for example
  // "(age DESC, __name__ ASC)", and "query_scope" says for example "Includes ancestors".
  std::vector<std::map<std::string, std::string>> indexes_used{};
  std::optional<ExecutionStats> execution_stats{};  // only with ExplainOptions::analyze

  // All of it for people to read, in lines; the last one has no end.
  std::string to_string() const;
  friend std::ostream& operator<<(std::ostream& out, const ExplainMetrics& metrics);  // to_string()
};

}  // namespace ndb
