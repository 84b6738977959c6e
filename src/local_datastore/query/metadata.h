// Metadata kinds: entities that are not stored but computed from the rows of a database when a query reads them.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "local_datastore/concurrency/read_set.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/query/run.h"

namespace ndb::local {

// __namespace__, __kind__, __property__, and the statistics __Stat_Total__ and __Stat_Kind__, which count all
// namespaces and therefore are in the default one. Other statistics are kinds without entities.
bool is_metadata(std::string_view kind);

// Calls `found` with the entities of the plan's kind in its partition, in the order of their keys, until it returns
// false. It skips those that the conditions on keys exclude, and those before a start cursor in that order.
absl::Status for_each_metadata(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                               ReadStats& stats, const FoundEntity& found);

}  // namespace ndb::local
