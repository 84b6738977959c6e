#include "ndb/delete_all.h"

#include <utility>
#include <vector>

#include "context/context_impl.h"
#include "ndb/verbs.h"

namespace ndb {
namespace {

// The next keys of the query, at most `size`.
std::vector<Key> next_batch(const Iteration<Key>& keys, std::size_t size) {
  std::vector<Key> batch;
  while (batch.size() < size && keys.has_next()) batch.push_back(keys.next());
  return batch;
}

}  // namespace

std::size_t delete_all(const KeysOnly& query, const DeleteAllOptions& options) {
  const context::Call call;
  if (options.batch_size == 0) throw BadArgumentError("delete_all: batch_size must be at least 1");
  if (call.impl.in_transaction()) {
    throw BadRequestError(
        "delete_all in a transaction, which cannot be made in batches; call it outside, or use "
        "delete_multi(query.keys())");
  }
  Options each = options.options;
  if (!each.use_cache) each.use_cache = false;
  const Iteration<Key> keys = query.iterate(kNoLimit, each);
  DeleteProgress progress;
  for (;;) {
    const std::vector<Key> batch = next_batch(keys, options.batch_size);
    if (batch.empty()) return progress.deleted;
    delete_multi(batch, each);
    progress.deleted += batch.size();
    progress.cursor = keys.cursor_after();
    if (options.progress) options.progress(progress);
  }
}

Future<std::size_t> delete_all_async(const KeysOnly& query, const DeleteAllOptions& options) {
  return detail::write_in_background([query, options] { return delete_all(query, options); });
}

std::size_t delete_kind(std::string_view kind, const DeleteAllOptions& options) {
  if (kind.empty())
    throw BadQueryError("delete_kind: the kind has no name; delete_all(ndb::query()) is over all kinds");
  return delete_all(query(kind), options);
}

}  // namespace ndb
