// A Commit under locks: the coherence of the caches depends on this sequence.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "context/workspace.h"
#include "context/write.h"
#include "memcache/coherence.h"
#include "ndb/wire/datastore.pb.h"
#include "tasklet/bounds.h"

namespace ndb::context {

// Marks the error of a write or transaction that may or may not have been applied, and so must not be repeated.
absl::Status mark_in_doubt(absl::Status status);
bool is_in_doubt(const absl::Status& status);

// Some writes, the locks in memcache that protect them, and the Commit that applies them:
//
//   prepare()   takes the locks, and makes sure that they last longer than the Commit
//   send()      sends the Commit; when it has succeeded, tells the context cache and releases the locks
//   give_up()   after an error: decides between failed and unknown, tells the context cache, releases the locks
//
// The owner decides what happens in between: WriteBatch splits a Commit in halves if it was refused as a whole, and
// resends it if it was not answered; a transaction does neither. A write that has ended is removed, and the owner tells
// its caller: always after the release, so that nobody reads the old value from memcache after the acknowledgement.
// Always owned by a shared_ptr. Belongs to the thread of its context.
class LockedCommit : public std::enable_shared_from_this<LockedCommit> {
 public:
  // `workspace` is that of the context whose cache gets what was written. The Commit takes at most `deadline`, and ends
  // with `bounds` (null: none). `transaction` covers all writes; if it is empty, each write is applied or refused by
  // itself.
  LockedCommit(std::shared_ptr<Workspace> workspace, std::vector<Write> writes, std::chrono::milliseconds deadline,
               std::shared_ptr<Bounds> bounds, std::string transaction = {});

  // Takes locks that are missing, or that would expire before a Commit that is sent now. Returns the writes that could
  // not be locked and so must not be sent: RESOURCE_EXHAUSTED if memcached has no memory for the lock, UNAVAILABLE if
  // it does not answer or takes too long.
  std::vector<EndedWrite> prepare();
  // The same before a pause, during which an earlier attempt that was not answered may still be applied.
  std::vector<EndedWrite> prepare_for_pause();

  // Call it right after prepare(). `answered` is called on this thread's loop: after a success with all writes, which
  // have ended; after an error with none, and all locks are still held.
  using Answered = std::function<void(const absl::Status& status, std::vector<EndedWrite> ended)>;
  void send(Answered answered);

  // Ends all writes with `status`, and marks it if their outcome is unknown.
  std::vector<EndedWrite> give_up(const absl::Status& status);

  // Moves the second half of the writes, with their locks, into a commit of their own.
  std::shared_ptr<LockedCommit> split();

  std::size_t size() const { return items_.size(); }
  int attempts() const { return attempts_; }  // how often it was sent
  // An attempt has ended with an unknown outcome. From then on even a success is not final, and the locks are left to
  // expire.
  bool in_doubt() const { return in_doubt_; }
  // Whether applying the writes twice would do no harm.
  bool repeatable() const;

 private:
  struct Item {
    Write write;
    memcache::LockPtr lock{};
    bool wants_lock = false;  // and has none yet; if this is false and there is no lock, the write needs none
    absl::Status failure{};   // why the lock could not be taken
  };

  std::vector<EndedWrite> secure(std::chrono::milliseconds margin);
  std::vector<std::size_t> insecure(std::chrono::milliseconds margin) const;
  void lock(const std::vector<std::size_t>& insecure, std::chrono::milliseconds margin);
  std::vector<EndedWrite> take_failed();
  std::vector<EndedWrite> applied(const wire::CommitResponse& response);
  absl::StatusOr<Key> applied(const Item& item, const wire::MutationResult& result,
                              std::vector<memcache::Unlock>& unlocks);
  absl::Status conflicted(const Item& item, std::uint64_t version, std::vector<memcache::Unlock>& unlocks);
  bool leaves_doubt(const absl::Status& status) const;
  void release(const std::vector<memcache::Unlock>& unlocks);

  const std::shared_ptr<Workspace> workspace_;
  const std::chrono::milliseconds deadline_;
  const std::shared_ptr<Bounds> bounds_;
  const std::string transaction_;
  std::vector<Item> items_;
  int attempts_ = 0;
  bool in_doubt_ = false;
};

}  // namespace ndb::context
