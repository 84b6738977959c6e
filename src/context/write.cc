#include "context/write.h"

#include <string_view>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/time_left.h"
#include "memcache/time_limit.h"

namespace ndb::context {

void Write::fill_mutation(wire::Mutation& mutation) const {
  if (kind == Kind::kDelete) {
    mutation.set_delete_(key.bytes());
  } else if (kind == Kind::kPatch) {
    mutation = patch->mutation;
  } else {
    mutation.set_upsert(entity);
  }
  if (base_version) mutation.set_base_version(static_cast<std::int64_t>(*base_version));
}

absl::Status Write::describe(const absl::Status& status) const {
  const std::string_view verb = kind == Kind::kDelete ? "delete" : kind == Kind::kPatch ? "patch" : "put";
  return annotate(status, cat(verb, base_version ? "_if" : "", " of ", key.to_string()));
}

void remember_write(Workspace& workspace, const Write& write, const Key& key, std::uint64_t version) {
  ContextCache& cache = workspace.cache;
  if (write.payload) write.payload->set_version(version);
  if (write.policy.cache && !write.opaque()) {
    cache.store_written(key, {write.payload, version, workspace.tiers->clock->now()});
  } else {
    // The slot of an earlier read is now older than what this context wrote.
    cache.erase(key);
    cache.raise_floor(key, version);
  }
}

absl::Status write_cached(Workspace& workspace, const Write& write) {
  memcache::Gateway* const gateway = workspace.gateway();
  if (!write.policy.memcache || gateway == nullptr) return absl::OkStatus();
  const Bounds* const bounds = write.rpc.bounds.get();
  NDB_RETURN_IF_ERROR(check(bounds));
  ++workspace.counts->memcache_writes;
  const memcache::TimeLimit limit(time_left(bounds));
  return write.kind == Write::Kind::kDelete ? gateway->delete_cached(write.key)
                                            : gateway->put_cached(write.key, write.entity, write.policy.timeout);
}

}  // namespace ndb::context
