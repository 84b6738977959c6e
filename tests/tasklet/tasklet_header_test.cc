#include "ndb/tasklet.h"  // compiles alone

namespace ndb {
static_assert(Awaitable<Tasklet<int>> && !std::is_copy_constructible_v<Tasklet<int>>);
static_assert(std::is_nothrow_move_constructible_v<Tasklet<int>> && std::is_nothrow_move_assignable_v<Tasklet<int>>);
}  // namespace ndb
