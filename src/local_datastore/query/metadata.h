// Metadata kinds: entities that nobody writes, computed from the rows of a database when a query reads them.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/concurrency/read_set.h"
#include "local_datastore/query/index_scan.h"
#include "local_datastore/query/plan.h"

namespace ndb::local {

// __namespace__, __kind__, __property__, and the statistics __Stat_Total__ and __Stat_Kind__, which are about all
// namespaces and therefore in the default one. Other statistics are kinds without entities.
bool is_metadata(std::string_view kind);

// All entities of the plan's kind in its partition.
absl::StatusOr<std::vector<v1::Entity>> metadata_of(const Snapshot& snapshot, const QueryPlan& plan, ReadSet& reads,
                                                    ReadStats& stats);

}  // namespace ndb::local
