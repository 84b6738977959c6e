#include "local_datastore/commit.h"

#include <unordered_map>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/mutation.h"
#include "local_datastore/storage_key.h"
#include "local_datastore/version_store.h"

namespace ndb::local {
namespace {

constexpr std::string_view kLastCommitKey = "Mlast_commit";

// Whether `next` may follow `previous` on one entity within a transaction.
bool may_follow(v1::Mutation::OperationCase previous, v1::Mutation::OperationCase next) {
  if (next == v1::Mutation::kInsert) return previous == v1::Mutation::kDelete;
  return !(previous == v1::Mutation::kDelete && next == v1::Mutation::kUpdate);
}

// The entities of one commit, from what is stored to what will be.
class Overlay {
 public:
  Overlay(KvStore& store, Version commit_time) : reader_(store, commit_time), commit_time_(commit_time) {}

  absl::StatusOr<EntityState*> state(const v1::Key& key) {
    StorageKey where(key);
    std::string entity_key = where.entity();
    auto [it, added] = entities_.try_emplace(std::move(entity_key));
    Entry& entry = it->second;
    if (added) {
      NDB_ASSIGN_OR_RETURN(const std::optional<StoredEntity> stored, reader_.find(it->first));
      entry.kind_member = where.kind_member();
      if (stored.has_value()) {
        entry.existed = true;
        entry.state = {.exists = true,
                       .version = stored->version,
                       .create_time = stored->create_time,
                       .entity = std::string(stored->entity)};
      }
    }
    return &entry.state;
  }

  // The batch of all that changed, and the keys whose readers see it.
  std::vector<std::string> fill(KvStore::Batch& batch) {
    std::vector<std::string> touched;
    for (auto& [entity_key, entry] : entities_) {
      const EntityState& state = entry.state;
      if (state.exists ? state.version != commit_time_ : !entry.existed) continue;  // as it was
      if (state.exists) {
        put_version(batch, entity_key, commit_time_, state.create_time, state.entity);
        if (!entry.existed) batch.put(entry.kind_member, "");
      } else {
        put_tombstone(batch, entity_key, commit_time_);
      }
      touched.push_back(entity_key);
      touched.push_back(std::move(entry.kind_member));
    }
    return touched;
  }

 private:
  struct Entry {
    EntityState state{};
    std::string kind_member{};
    bool existed = false;
  };
  SnapshotReader reader_;
  const Version commit_time_;
  std::unordered_map<std::string, Entry> entities_;
};

}  // namespace

absl::Status check_commit(v1::CommitRequest& request, const Scope& scope) {
  if (request.mutations_size() > kMaxMutations) {
    return absl::InvalidArgumentError(cat("cannot write more than ", kMaxMutations, " entities in a single call"));
  }
  std::unordered_map<std::string, v1::Mutation::OperationCase> previous;
  for (v1::Mutation& mutation : *request.mutable_mutations()) {
    NDB_RETURN_IF_ERROR(check_mutation(mutation, scope));
    const v1::Key& key = key_of(mutation);
    if (request.mutations_size() == 1 || is_incomplete(key)) continue;
    const auto [it, first] = previous.try_emplace(StorageKey(key).entity(), mutation.operation_case());
    if (first) continue;
    if (request.mode() == v1::CommitRequest::NON_TRANSACTIONAL) {
      return absl::InvalidArgumentError(
          "A non-transactional commit may not contain multiple mutations affecting the same entity.");
    }
    if (!may_follow(it->second, mutation.operation_case())) {
      return absl::InvalidArgumentError(
          cat("A commit may not insert an entity that it has written, nor update one that it has deleted: ",
              describe_path(key)));
    }
    it->second = mutation.operation_case();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> write_commit(v1::CommitRequest& request, Version commit_time, KvStore& store,
                                                      IdAllocator& ids, v1::CommitResponse& response) {
  Overlay overlay(store, commit_time);
  for (v1::Mutation& mutation : *request.mutable_mutations()) {
    v1::MutationResult& result = *response.add_mutation_results();
    v1::Key& key = key_of(mutation);
    if (is_incomplete(key)) {
      NDB_RETURN_IF_ERROR(ids.complete(key));
      *result.mutable_key() = key;
    }
    NDB_ASSIGN_OR_RETURN(EntityState * state, overlay.state(key));
    NDB_RETURN_IF_ERROR(apply_mutation(mutation, commit_time, *state, result));
  }
  KvStore::Batch batch;
  std::vector<std::string> touched = overlay.fill(batch);
  if (touched.empty()) return touched;
  std::string last_commit;
  append_le(last_commit, static_cast<std::uint64_t>(commit_time));
  batch.put(kLastCommitKey, last_commit);
  NDB_RETURN_IF_ERROR(store.write(batch));
  response.set_index_updates(static_cast<std::int32_t>(touched.size()));
  return touched;
}

absl::StatusOr<Version> load_last_commit(const KvStore& store) {
  NDB_ASSIGN_OR_RETURN(const std::optional<std::string> stored, store.get(kLastCommitKey));
  if (!stored.has_value()) return 0;
  if (stored->size() != 8) return absl::DataLossError("the store's commit clock is damaged");
  return static_cast<Version>(load_le<std::uint64_t>(*stored));
}

}  // namespace ndb::local
