// The mutations of a commit, applied together.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/rules.h"
#include "local_datastore/storage/id_allocator.h"
#include "local_datastore/storage/index_value.h"
#include "local_datastore/storage/version_store.h"
#include "local_datastore/write/mutation.h"

namespace ndb::local {

// Checks mode and mutations, and brings the mutations into the form that is stored.
absl::Status check_commit(v1::CommitRequest& request, const Scope& scope);

// A checked commit. The caller locks its entities; apply() computes what changes, and the caller locks that too;
// write() adds it to a batch under the commit's time. One thread.
class PendingCommit {
 public:
  // Both outlive it.
  PendingCommit(v1::CommitRequest& request, v1::CommitResponse& response) : request_(request), response_(response) {}

  // Gives incomplete keys their ids. Call it once, first.
  absl::Status complete_keys(IdAllocator& ids);

  bool has_mutations() const { return !request_.mutations().empty(); }

  // The rows of the entities, in their order.
  std::vector<std::string> entities() const;

  // Applies the mutations to the newest versions. May be called again after the locks were released. After an error the
  // caller must not write.
  absl::Status apply(const KvStore& store, Version request_time, const CallContext& call);

  // All rows whose readers see a difference, in order: the entities, and all their index entries before and after the
  // commit. Because all entries are listed, a lock on a range of an index also locks the contents of the entities in
  // it.
  const std::vector<std::string>& touched() const { return touched_; }
  std::vector<std::string> take_touched() { return std::move(touched_); }

  // Returns the bytes of the versions that it replaces.
  std::size_t write(Version commit_time, KvStore::Batch& batch);

 private:
  struct Change {
    StorageKey where;
    bool existed = false;
    std::size_t size_before = 0;  // of the entity's row
    EntityState state{};
    IndexRows before{};
    IndexRows after{};
  };
  absl::StatusOr<Change*> change_of(const v1::Key& key, const Snapshot& newest);

  v1::CommitRequest& request_;
  v1::CommitResponse& response_;
  std::map<std::string, Change> changes_;  // by the row of the entity
  std::vector<std::string> touched_;
};

// The time of the last commit that wrote; zero in an empty store.
absl::StatusOr<Version> load_last_commit(const KvStore& store);

}  // namespace ndb::local
