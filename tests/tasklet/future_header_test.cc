#include "ndb/future.h"  // compiles alone

namespace ndb {
static_assert(Awaitable<Future<int>> && Awaitable<Future<void>> && !Awaitable<int>);
}  // namespace ndb
