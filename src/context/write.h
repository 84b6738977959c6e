// One put or delete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "context/call_policy.h"
#include "context/patch.h"
#include "context/workspace.h"
#include "ndb/detail/payload.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::context {

struct Write {
  enum class Kind { kUpsert, kDelete, kPatch };
  Kind kind = Kind::kUpsert;
  Key key;
  detail::PayloadPtr payload;                   // of an upsert
  std::string entity;                           // of an upsert, encoded
  std::shared_ptr<PatchMutation> patch{};       // of a patch
  std::optional<std::uint64_t> base_version{};  // of put_if() and delete_if(): the version to be replaced; 0 = none
  CallPolicy policy;
  RpcOptions rpc;
  bool allocate_first = false;                    // of an incomplete key
  std::uint64_t turn = 0;                         // of a complete key, in OwnWrites; set by WriteBatch
  std::function<void(absl::StatusOr<Key>)> done;  // called exactly once, with the whole key
  // The hook that runs after the commit; null if the class has none.
  std::function<void(const Key&, const Committed&)> committed{};

  std::size_t size() const {
    return patch != nullptr ? patch->mutation.ByteSizeLong() : entity.size() + key.bytes().size();
  }
  // Whether only the Datastore knows the result.
  bool opaque() const { return kind == Kind::kPatch; }
  // Whether it does no harm to apply it twice. Sent twice, an insert could create two entities, a put_if that was
  // applied would conflict with itself, and an increment would count twice.
  bool repeatable() const { return key.is_complete() && !base_version && (patch == nullptr || patch->repeatable()); }
  void fill_mutation(wire::Mutation& mutation) const;
  // `status` with a message that begins with the operation and the key.
  absl::Status describe(const absl::Status& status) const;
};

// A write that has ended: its complete key, or the error.
struct EndedWrite {
  Write write;
  absl::StatusOr<Key> result;
  Committed committed{};  // if it succeeded

  void run_commit_hook() const {
    if (result.ok() && write.committed) write.committed(*result, committed);
  }
};

// Updates the context cache after a write that was applied as `version` (0: the entity is not stored in the Datastore).
void remember_write(Workspace& workspace, const Write& write, const Key& key, std::uint64_t version);

// Writes an entity that is not stored in the Datastore into memcache, if its policy says so.
absl::Status write_cached(Workspace& workspace, const Write& write);

}  // namespace ndb::context
