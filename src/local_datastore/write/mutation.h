// What one mutation of a commit does to one entity.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "local_datastore/rules.h"
#include "local_datastore/version.h"
#include "local_datastore/write/transform.h"

namespace ndb::local {

// The time of a commit that has no time yet: it gets one when it has all its locks.
inline constexpr Version kUncommitted{std::int64_t{1} << 62};

// An entity that mutations change in part. It stays parsed between them, so that many mutations of one entity cost no
// more than a single one with the same changes.
struct ParsedEntity {
  explicit ParsedEntity(Version request_time) : changes(entity, request_time) {}
  v1::Entity entity{};
  Transformer changes;
};

// An entity between two mutations of a commit.
struct EntityState {
  bool exists = false;
  Version version{};  // zero if it does not exist
  Version create_time{};
  std::string entity{};                    // serialized; out of date while it is parsed
  std::unique_ptr<ParsedEntity> parsed{};  // until finish_mutations()
};

// Checks the limits and forms of the mutation alone, and brings it into the form that is stored.
absl::Status check_mutation(v1::Mutation& mutation, const Scope& scope);

// The key of a checked mutation.
v1::Key& key_of(v1::Mutation& mutation);

// Applies a checked mutation with a complete key to `state`, and fills `result` except its key; times of this commit
// are kUncommitted. An error fails the whole commit.
absl::Status apply_mutation(const v1::Mutation& mutation, Version request_time, EntityState& state,
                            v1::MutationResult& result);

// After the last mutation of an entity: puts into `state` what is to be stored, or returns why that is invalid.
absl::Status finish_mutations(EntityState& state);

// Replaces kUncommitted by the time of the commit.
void set_commit_time(v1::MutationResult& result, Version commit_time);

}  // namespace ndb::local
