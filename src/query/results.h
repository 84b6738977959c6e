// What becomes of one result.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/clock.h"
#include "context/context_impl.h"
#include "ndb/detail/query_calls.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb {

// An entity as the context cache lets it be seen: the fresh one, which is then kept there; the one that is cached; or,
// with an empty payload, nothing, because it is known here to be deleted, or of another class by now. `generation`: of
// the cache when the query began. Not OK: this one result can't be given; `found.key` is set as far as it is known.
absl::Status through_cache(Context::Impl& context, const wire::EntityResult& result, WallTime read_time,
                           const detail::ModelInfo& info, const Options& options, std::uint64_t generation,
                           detail::QueryResult& found);

}  // namespace ndb
