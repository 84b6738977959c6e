// What one mutation of a commit does to one entity.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "local_datastore/rules.h"
#include "local_datastore/version.h"
#include "local_datastore/write/transform.h"

namespace ndb::local {

// The time of a commit that has none yet: it gets its time when it has all its locks.
inline constexpr Version kUncommitted{std::int64_t{1} << 62};

// An entity that mutations change in part. It stays parsed between them, so that many of one entity take no longer than
// one that does all they do.
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

// The limits and shapes that concern the mutation alone. Brings it into the form that is stored.
absl::Status check_mutation(v1::Mutation& mutation, const Scope& scope);

// The key that a checked mutation is about.
v1::Key& key_of(v1::Mutation& mutation);

// Applies a checked mutation with a complete key to `state`, and fills `result` but for the key; times of this commit
// are kUncommitted. An error fails the whole commit.
absl::Status apply_mutation(const v1::Mutation& mutation, Version request_time, EntityState& state,
                            v1::MutationResult& result);

// After the last mutation of an entity: `state` is what is stored, unless that is invalid.
absl::Status finish_mutations(EntityState& state);

// Puts the time of the commit in the place of kUncommitted.
void set_commit_time(v1::MutationResult& result, Version commit_time);

}  // namespace ndb::local
