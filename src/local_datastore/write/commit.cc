#include "local_datastore/write/commit.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/hash.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

constexpr std::string_view kLastCommitKey = "Mlast_commit";

// Whether a transaction may apply `next` to an entity after `previous`.
bool may_follow(v1::Mutation::OperationCase previous, v1::Mutation::OperationCase next) {
  if (next == v1::Mutation::kInsert) return previous == v1::Mutation::kDelete;
  return !(previous == v1::Mutation::kDelete && next == v1::Mutation::kUpdate);
}

}  // namespace

absl::Status check_commit(v1::CommitRequest& request, const Scope& scope) {
  if (request.mutations_size() > kMaxMutations) {
    return absl::InvalidArgumentError(cat("cannot write more than ", kMaxMutations, " entities in a single call"));
  }
  std::unordered_map<std::string, v1::Mutation::OperationCase, StringHash> previous;
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

absl::Status PendingCommit::complete_keys(IdAllocator& ids) {
  for (v1::Mutation& mutation : *request_.mutable_mutations()) {
    v1::MutationResult& result = *response_.add_mutation_results();
    v1::Key& key = key_of(mutation);
    if (!is_incomplete(key)) continue;
    NDB_RETURN_IF_ERROR(ids.complete(key));
    *result.mutable_key() = key;
  }
  return absl::OkStatus();
}

std::vector<std::string> PendingCommit::entities() const {
  std::set<std::string> rows;
  for (v1::Mutation& mutation : *request_.mutable_mutations()) rows.insert(StorageKey(key_of(mutation)).entity());
  return {rows.begin(), rows.end()};
}

absl::StatusOr<PendingCommit::Change*> PendingCommit::change_of(const v1::Key& key, const Snapshot& newest) {
  StorageKey where(key);
  std::string row = where.entity();
  if (const auto found = changes_.find(row); found != changes_.end()) return &found->second;
  SnapshotReader reader(newest);
  NDB_ASSIGN_OR_RETURN(const std::optional<Row> stored, reader.find(row));
  Change change{.where = std::move(where), .existed = stored.has_value()};
  if (stored.has_value()) {
    const StoredEntity found = to_entity(*stored);
    change.size_before = stored->value.size();
    change.state = {.exists = true,
                    .version = found.version,
                    .create_time = found.create_time,
                    .entity = std::string(found.entity)};
    v1::Entity entity;
    if (!entity.ParseFromString(change.state.entity)) return absl::DataLossError("a stored entity is damaged");
    change.before = index_rows(entity, change.where);
  }
  return &changes_.emplace(std::move(row), std::move(change)).first->second;
}

absl::Status PendingCommit::apply(const KvStore& store, Version request_time, const CallContext& call) {
  const Snapshot newest{.store = store, .at = kUncommitted, .call = call};
  changes_.clear();
  touched_.clear();
  for (int i = 0; i < request_.mutations_size(); ++i) {
    v1::Mutation& mutation = *request_.mutable_mutations(i);
    v1::MutationResult& result = *response_.mutable_mutation_results(i);
    v1::MutationResult fresh;
    if (result.has_key()) *fresh.mutable_key() = std::move(*result.mutable_key());
    result = std::move(fresh);
    NDB_RETURN_IF_ERROR(call.check());  // there may be many for one entity
    NDB_ASSIGN_OR_RETURN(Change * change, change_of(key_of(mutation), newest));
    NDB_RETURN_IF_ERROR(apply_mutation(mutation, request_time, change->state, result));
  }
  std::erase_if(changes_, [](const auto& item) {  // drops changes without an effect
    const Change& change = item.second;
    return change.state.exists ? change.state.version != kUncommitted : !change.existed;
  });
  for (auto& [row, change] : changes_) {
    if (change.state.exists) {
      NDB_RETURN_IF_ERROR(finish_mutations(change.state));
      v1::Entity entity;
      if (!entity.ParseFromString(change.state.entity)) return absl::InternalError("an entity cannot be serialized");
      change.after = index_rows(entity, change.where);
    }
    touched_.push_back(row);
    for (const auto& [index_row, value] : change.before) touched_.push_back(index_row);
    for (const auto& [index_row, value] : change.after) {
      if (!change.before.contains(index_row)) touched_.push_back(index_row);
    }
  }
  std::sort(touched_.begin(), touched_.end());
  return absl::OkStatus();
}

std::size_t PendingCommit::write(Version commit_time, KvStore::Batch& batch) {
  for (v1::MutationResult& result : *response_.mutable_mutation_results()) set_commit_time(result, commit_time);
  if (changes_.empty()) return 0;
  RowWriter rows(batch, commit_time);
  std::int32_t index_updates = 0;
  for (const auto& [row, change] : changes_) {
    const EntityState& state = change.state;
    if (state.exists) {
      const Version create_time = state.create_time == kUncommitted ? commit_time : state.create_time;
      rows.put(row, entity_header(create_time), state.entity,
               change.existed ? RowWriter::Replaced(change.size_before) : std::nullopt);
    } else {
      rows.erase(row, change.size_before);
    }
    for (const auto& [index_row, value] : change.before) {
      if (change.after.contains(index_row)) continue;
      rows.erase(index_row, value.size());
      ++index_updates;
    }
    for (const auto& [index_row, value] : change.after) {
      const auto old = change.before.find(index_row);
      if (old != change.before.end() && old->second == value) continue;
      const bool replaces = old != change.before.end();
      rows.put(index_row, value, replaces ? RowWriter::Replaced(old->second.size()) : std::nullopt);
      ++index_updates;
    }
  }
  const std::size_t replaced = rows.finish();
  std::string last_commit;
  append_le(last_commit, static_cast<std::uint64_t>(commit_time.micros()));
  batch.put(kLastCommitKey, last_commit);
  response_.set_index_updates(index_updates);
  return replaced;
}

absl::StatusOr<Version> load_last_commit(const KvStore& store) {
  NDB_ASSIGN_OR_RETURN(const std::optional<std::string> stored, store.get(kLastCommitKey));
  if (!stored.has_value()) return Version();
  if (stored->size() != 8) return absl::DataLossError("the store's commit clock is damaged");
  return Version(static_cast<std::int64_t>(load_le<std::uint64_t>(*stored)));
}

}  // namespace ndb::local
