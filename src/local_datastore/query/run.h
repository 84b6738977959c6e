// The results of a planned query, in their order.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "local_datastore/concurrency/read_set.h"
#include "local_datastore/query/access.h"
#include "local_datastore/query/index_scan.h"
#include "local_datastore/query/plan.h"
#include "local_datastore/query/result.h"
#include "local_datastore/storage/version_store.h"

namespace ndb::local {

// Calls `consume` with the distinct results after plan.start until it returns false. The caller takes at most `needed`
// of them; kAnyOrder: all, in any order. Adds what it has scanned to `reads`. Equality filters are joined, an order or
// inequality scans its index, and entities are read only where indexes do not determine the results, each once; results
// are sorted only where no index has their order.
absl::Status for_each_result(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                             ReadStats& stats, const ConsumeResult& consume);

// Whether the results come in the order of their keys, from the first to the last.
bool is_in_key_order(const QueryPlan& plan);

// Takes an entity, and returns whether more are wanted.
using FoundEntity = std::function<absl::StatusOr<bool>(const v1::Entity&)>;

// The same for entities that are not stored. `find` calls its argument with each of them, in the order of their keys,
// until that returns false.
absl::Status for_each_result_of(const CallContext& call, const std::function<absl::Status(const FoundEntity&)>& find,
                                const QueryPlan& plan, std::size_t needed, const ConsumeResult& consume);

// Reads the entities of results that were found without them. One thread.
class EntityReader {
 public:
  EntityReader(const Snapshot& snapshot, const QueryPlan& plan, ReadStats& stats);

  // Reads an entity by its encode_path(). It is valid until the next one is read.
  absl::StatusOr<StoredEntity> read(std::string_view path);

 private:
  SnapshotReader reader_;
  const std::string prefix_;
  ReadStats& stats_;
};

// Whether the result comes after plan.end.
bool is_past_end(const QueryPlan& plan, const QueryResult& result);

}  // namespace ndb::local
