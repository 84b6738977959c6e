// How one result meets the context cache.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/clock.h"
#include "context/context_impl.h"
#include "ndb/detail/query_calls.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb {

// The entity that the caller gets: the result itself, which is then cached; the cached entity; or an empty payload,
// because the context knows that the entity is deleted, or of another class by now. `generation` is that of the cache
// when the query began. `batch` is the budget of all entities in one answer. Not OK: this one result can't be returned;
// `found.key` is set if it is known.
absl::Status through_cache(Context::Impl& context, const wire::EntityResult& result, WallTime read_time,
                           const detail::ModelInfo& info, const Options& options, std::uint64_t generation,
                           detail::Budget& batch, detail::QueryResult& found);

// An entity as the Datastore had it at the read time of a query. Not OK: likewise.
absl::Status past_cache(const wire::EntityResult& result, const detail::ModelInfo& info, detail::Budget& batch,
                        detail::QueryResult& found);

}  // namespace ndb
