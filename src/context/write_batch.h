// The writes of a context outside of transactions, in batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "context/call_policy.h"
#include "context/context_cache.h"
#include "context/locked_commit.h"
#include "context/workspace.h"
#include "context/write.h"
#include "ndb/key.h"
#include "tasklet/bounds.h"

namespace ndb::context {

// Writes that are added while nothing else is ready to run are sent together, divided into Commits by the limits of a
// Commit. A second write of a key waits until the first has ended, or its own time is over: the API allows a key once
// per Commit, and two concurrent Commits of one key would have no order. Belongs to the thread of its context.
class WriteBatch : public std::enable_shared_from_this<WriteBatch> {
 public:
  // How many Commits, each with the locks of its writes, are in flight at once. Bulk writes must not fill memcached
  // with locks.
  static constexpr std::size_t kCommitsAtOnce = 4;

  explicit WriteBatch(std::shared_ptr<Workspace> workspace) : workspace_(std::move(workspace)) {}

  void add(Write write);

 private:
  // The writes of one Commit, before they have locks.
  struct Part {
    RpcOptions rpc;  // begun
    std::vector<Write> writes{};
    std::size_t bytes = 0;
    absl::Status refusal{};                  // why some of them could not be locked the last time
    int refused = 0;                         // how often some of them could not be locked
    Monotonic lock_until{};                  // no more attempts to lock after this; set by the first one
    std::shared_ptr<Bounds::Watch> watch{};  // while it waits for its turn
  };
  // A write that waits for the earlier ones of its key.
  struct Held {
    Write write;
    std::unique_ptr<Bounds::Watch> watch;
  };
  struct Run {
    Part part;  // its `writes` are empty
    std::shared_ptr<LockedCommit> commit;
  };

  void hold(Write write);
  void end_held(const Key& key, std::uint64_t turn, const Bounds& over);
  void open_next(const Key& key);
  void open(Write write);
  void send();
  EndedWrite write_without_datastore(Write write);
  void start_waiting();
  void end_overdue();
  std::vector<EndedWrite> lock(const Run& run);
  void start(Part part);
  void commit(Run run);
  std::vector<EndedWrite> lock_later(const Run& run, std::vector<EndedWrite> refused);
  void answered(Run run, const absl::Status& status, std::vector<EndedWrite> ended);
  void send_again_later(Run run);
  void finish(std::vector<EndedWrite> ended);

  const std::shared_ptr<Workspace> workspace_;
  std::vector<Write> open_;
  absl::flat_hash_map<Key, std::map<std::uint64_t, Held>, KeyHash> held_;  // by their turns
  std::deque<Part> waiting_;
  std::size_t running_ = 0;  // Commits that hold, or are about to take, their locks
};

}  // namespace ndb::context
