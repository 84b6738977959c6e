// ndb::delete_all and ndb::delete_kind: deleting what a query finds, however much it is.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "ndb/cursor.h"
#include "ndb/future.h"
#include "ndb/model.h"
#include "ndb/options.h"
#include "ndb/query.h"

namespace ndb {

// How far a call of delete_all() has got.
struct DeleteProgress {
  std::size_t deleted = 0;  // entities, by this call
  Cursor cursor{};          // the place in the query behind the last of them
};

// How delete_all() works.
struct DeleteAllOptions {
  // How many entities are deleted at a time. A Commit takes 500; a larger batch is several Commits, four at once. At
  // least 1 (BadArgumentError).
  std::size_t batch_size = 500;
  // Called after every batch, in the tasklet that deletes. What it throws ends the call and goes to its caller.
  std::function<void(const DeleteProgress&)> progress{};
  // The options of each batch; `deadline` also bounds each wait for results. The context cache does not remember the
  // deleted entities as absent, so that it does not grow, unless `use_cache` is set to true here.
  Options options{};
};

// Deletes the entities that the query finds, up to its limit, and gives their number. Keys are read as they are needed,
// and one batch is deleted after the other, so the memory that it takes does not depend on how many there are.
//
// Each entity is deleted as by Key::delete_(): the hooks of the class run, and memcache and the context cache no longer
// serve it. The whole is not atomic: other programs see some entities gone and others still there, and entities that
// are put meanwhile may or may not be found. If a batch fails, the batches before it have been made, all deletes of
// this batch have ended, and the first error is thrown. To continue, call it again: deleted entities are not found any
// more. For very many entities, start behind those that were deleted, with `query.start_cursor(progress.cursor)`; this
// spares the Datastore the way past their index entries.
//
// BadRequestError in a transaction, which cannot be split into batches: use delete_multi(query.keys()) there. Other
// errors are those of queries and of deletes.
std::size_t delete_all(const KeysOnly& query, const DeleteAllOptions& options = {});
// The same of a query for entities.
template <class M>
std::size_t delete_all(const Query<M>& query, const DeleteAllOptions& options = {}) {
  return delete_all(query.keys_only(), options);
}
// The same in a tasklet.
Future<std::size_t> delete_all_async(const KeysOnly& query, const DeleteAllOptions& options = {});
template <class M>
Future<std::size_t> delete_all_async(const Query<M>& query, const DeleteAllOptions& options = {}) {
  return delete_all_async(query.keys_only(), options);
}

// Deletes all entities of a model class, or of a kind, in the context's namespace: delete_all() of a query without
// filters. Of a PolyModel those of the class and of the classes that extend it.
template <class M>
std::size_t delete_kind(const DeleteAllOptions& options = {}) {
  return delete_all(M::query(), options);
}
// BadQueryError for a kind without a name.
std::size_t delete_kind(std::string_view kind, const DeleteAllOptions& options = {});

}  // namespace ndb
