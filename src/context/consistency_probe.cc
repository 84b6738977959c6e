#include "context/consistency_probe.h"

#include <algorithm>
#include <future>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/log.h"
#include "base/strings.h"
#include "context/context_cache.h"
#include "context/wire_time.h"
#include "model/limits.h"

namespace ndb::context {
namespace {

constexpr std::size_t kMostWaiting = kMaxLookupKeys;
constexpr std::chrono::milliseconds kLookEvery{250};  // while any hit waits
constexpr std::chrono::seconds kDeadline{2};          // the destructor of the client may have to wait for it

}  // namespace

ConsistencyProbe::ConsistencyProbe(datastore::Stub& stub, memcache::Coherence& gateway, const Clock& clock,
                                   std::uint32_t one_in)
    : stub_(stub), gateway_(gateway), clock_(clock), one_in_(one_in), worker_([this] { return work(); }) {}

void ConsistencyProbe::hit(const Key& key, std::uint64_t version) {
  if (skipped_.fetch_add(1, std::memory_order_relaxed) % one_in_ != 0) return;
  {
    const MutexLock hold(mutex_);
    if (waiting_.size() == kMostWaiting) return;
    waiting_.push_back({key, version, clock_.now(), clock_.monotonic() + kDelay});
  }
  worker_.wake();
}

std::optional<std::chrono::milliseconds> ConsistencyProbe::work() {
  std::map<std::string, std::vector<Hit>> due;  // by database: a Lookup is of one
  for (Hit& hit : take_due()) due[std::string(hit.key.database())].push_back(std::move(hit));
  for (const auto& [database, hits] : due) check(database, hits);
  const MutexLock hold(mutex_);
  return waiting_.empty() ? std::nullopt : std::optional(kLookEvery);
}

std::vector<ConsistencyProbe::Hit> ConsistencyProbe::take_due() {
  const Monotonic now = clock_.monotonic();
  const MutexLock hold(mutex_);
  const auto later = std::ranges::find_if(waiting_, [&](const Hit& hit) { return hit.due > now; });
  std::vector<Hit> due(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(later));
  waiting_.erase(waiting_.begin(), later);
  return due;
}

void ConsistencyProbe::check(const std::string& database, const std::vector<Hit>& hits) {
  wire::LookupRequest request;
  request.set_database_id(database);
  absl::flat_hash_map<Key, std::vector<const Hit*>, KeyHash> by_key;
  for (const Hit& hit : hits) {
    std::vector<const Hit*>& of_key = by_key[hit.key];
    if (of_key.empty()) request.add_keys(hit.key.bytes());
    of_key.push_back(&hit);
  }
  std::promise<absl::StatusOr<wire::LookupResponse>> answer;
  stub_.lookup(std::move(request), {.deadline = kDeadline},
               [&](absl::StatusOr<wire::LookupResponse> response) { answer.set_value(std::move(response)); });
  const absl::StatusOr<wire::LookupResponse> response = answer.get_future().get();
  if (!response.ok()) return;  // readers get the same error and report it
  std::vector<Key> stale;
  for (const wire::EntityResult& found : response->found()) {
    const absl::StatusOr<Key> key = detail::entity_key(found.entity());
    if (!key.ok()) continue;
    const auto served = by_key.find(*key);
    if (served == by_key.end()) continue;
    const auto& of_key = served->second;
    if (std::ranges::count_if(of_key, [&](const Hit* hit) { return judge(*hit, found); }) > 0) stale.push_back(*key);
  }
  if (!stale.empty())
    gateway_.invalidate(stale).IgnoreError();  // if that fails, the next reader with a floor replaces the record
}

bool ConsistencyProbe::judge(const Hit& hit, const wire::EntityResult& now) {
  ++checked_;
  const WallTime written = to_wall_time(now.update_time());
  const bool newer = static_cast<std::uint64_t>(std::max<std::int64_t>(now.version(), 0)) > hit.version;
  if (!newer || !now.has_update_time() || written + kSkew >= hit.time) return false;
  ++stale_;
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(hit.time - written);
  log(Severity::kError, cat("stale: memcache served ", hit.key.to_string(), " as version ", hit.version,
                            ", while the Datastore had version ", now.version(), " for ", age.count(),
                            " ms; was it written by something that does not use this cache?"));
  return true;
}

}  // namespace ndb::context
