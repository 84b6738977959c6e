// What the Datastore says about how it answers a query.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "ndb/explain.h"

namespace ndb {

// Adds the `explain_metrics` of a response to those of the batches before it. UNIMPLEMENTED if the response has none,
// and DATA_LOSS if the bytes are no ExplainMetrics.
absl::Status add_metrics(const std::string& bytes, ExplainMetrics& out);

}  // namespace ndb
