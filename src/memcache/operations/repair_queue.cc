#include "memcache/operations/repair_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "memcache/operations/pending_release.h"

namespace ndb::memcache {
namespace {

constexpr std::chrono::milliseconds kShortestPause{100}, kLongestPause{2000};
// More than accumulate while a server is down for as long as locks last. Releases beyond that are dropped: their LOCKs
// expire.
constexpr std::size_t kMostWaiting = 65'536;

}  // namespace

RepairQueue::RepairQueue(const Clock& clock, Attempt attempt)
    : clock_(clock), attempt_(std::move(attempt)), worker_([this] { return work(); }) {}

RepairQueue::~RepairQueue() {
  worker_.stop();
  try_all();
}

void RepairQueue::add(std::vector<PendingRelease> releases) {
  if (releases.empty()) return;
  {
    const MutexLock hold(mutex_);
    const std::size_t room = kMostWaiting - std::min(kMostWaiting, waiting_.size());
    const std::size_t taken = std::min(room, releases.size());
    given_up_ += releases.size() - taken;
    std::move(releases.begin(), releases.begin() + static_cast<std::ptrdiff_t>(taken), std::back_inserter(waiting_));
  }
  worker_.wake();
}

std::uint64_t RepairQueue::waiting() const {
  const MutexLock hold(mutex_);
  return waiting_.size() + in_hand_;
}

std::uint64_t RepairQueue::given_up() const {
  const MutexLock hold(mutex_);
  return given_up_;
}

std::optional<std::chrono::milliseconds> RepairQueue::work() {
  const std::uint64_t before = waiting();
  try_all();
  const std::uint64_t left = waiting();
  if (left == 0) return std::nullopt;
  pause_ = left < before ? kShortestPause : std::clamp(2 * pause_, kShortestPause, kLongestPause);
  return pause_;
}

void RepairQueue::try_all() {
  std::vector<PendingRelease> releases;
  {
    const MutexLock hold(mutex_);
    releases.swap(waiting_);
    in_hand_ = releases.size();
  }
  if (releases.empty()) return;
  attempt_(releases);
  const std::size_t over =
      std::erase_if(releases, [&](const PendingRelease& one) { return one.useless_after < clock_.monotonic(); });
  if (over > 0) {
    log(Severity::kWarning, cat(over, " releases of locks in memcache were given up: their servers did not answer"));
  }
  const MutexLock hold(mutex_);
  in_hand_ = 0;
  given_up_ += over;
  std::move(releases.begin(), releases.end(), std::back_inserter(waiting_));
}

}  // namespace ndb::memcache
