// One put or delete on its way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "context/call_policy.h"
#include "context/workspace.h"
#include "ndb/detail/payload.h"
#include "ndb/key.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::context {

struct Write {
  enum class Kind { kUpsert, kDelete };
  Kind kind = Kind::kUpsert;
  Key key;
  detail::PayloadPtr payload;                   // of an upsert
  std::string entity;                           // of an upsert, encoded
  std::optional<std::uint64_t> base_version{};  // of put_if(): of the entity that is replaced; 0 = none
  CallPolicy policy;
  RpcOptions rpc;
  bool allocate_first = false;                    // of an incomplete key
  std::function<void(absl::StatusOr<Key>)> done;  // called exactly once, with the whole key

  std::size_t size() const { return entity.size() + key.bytes().size(); }
  void fill_mutation(wire::Mutation& mutation) const;
  // `status` with what was to be done before its message.
  absl::Status describe(const absl::Status& status) const;
};

// A write that has ended, and how: its whole key, or the error.
struct EndedWrite {
  Write write;
  absl::StatusOr<Key> result;
};

// What a write that was applied as `version` (0: unknown to the Datastore) leaves in the context cache.
void remember_write(Workspace& workspace, const Write& write, const Key& key, std::uint64_t version);

// Writes what never reaches the Datastore into memcache, if its policy says so.
absl::Status write_cached(Workspace& workspace, const Write& write);

}  // namespace ndb::context
