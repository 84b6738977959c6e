// The mutations of a commit, applied together.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/id_allocator.h"
#include "local_datastore/kv_store.h"
#include "local_datastore/rules.h"

namespace ndb::local {

// Mode and mutations, each alone and together. Brings the mutations into the form that is stored.
absl::Status check_commit(v1::CommitRequest& request, const Scope& scope);

// Applies a checked request to the newest versions and writes what comes of it in one batch. On an error nothing is
// written. Gives the keys of the store whose readers see a difference. The caller runs one at a time.
absl::StatusOr<std::vector<std::string>> write_commit(v1::CommitRequest& request, Version commit_time, KvStore& store,
                                                      IdAllocator& ids, v1::CommitResponse& response);

// The time of the last commit that wrote; 0 in an empty store.
absl::StatusOr<Version> load_last_commit(const KvStore& store);

}  // namespace ndb::local
