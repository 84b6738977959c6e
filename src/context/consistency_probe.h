// The consistency probe: was what memcache answered really the newest? (The idea is Meta's Polaris.)
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/worker.h"
#include "datastore/stub.h"
#include "memcache/coherence.h"
#include "ndb/key.h"

namespace ndb::context {

// Looks one in N hits up in the Datastore some seconds later. If the Datastore has a newer version that was written
// before the hit, the hit was stale: it is counted and logged, and the record invalidated. An entity that has been
// deleted meanwhile proves nothing, because the Datastore does not say when that was. Thread-safe.
class ConsistencyProbe {
 public:
  // Hits are looked up together after this time, which is longer than a write in flight takes.
  static constexpr std::chrono::seconds kDelay{3};
  // How far the Datastore's clock and this machine's may be apart without a false alarm.
  static constexpr std::chrono::seconds kSkew{1};

  ConsistencyProbe(datastore::Stub& stub, memcache::Coherence& gateway, const Clock& clock, std::uint32_t one_in);

  void hit(const Key& key, std::uint64_t version);

  std::uint64_t checked() const { return checked_; }
  std::uint64_t stale() const { return stale_; }

 private:
  struct Hit {
    Key key;
    std::uint64_t version = 0;
    WallTime time{};
    Monotonic due{};
  };
  std::optional<std::chrono::milliseconds> work();
  std::vector<Hit> take_due();
  void check(const std::vector<Hit>& hits);
  bool judge(const Hit& hit, const wire::EntityResult& now);

  datastore::Stub& stub_;
  memcache::Coherence& gateway_;
  const Clock& clock_;
  const std::uint32_t one_in_;
  std::atomic<std::uint32_t> skipped_{0};
  std::atomic<std::uint64_t> checked_{0}, stale_{0};
  Mutex mutex_;
  std::vector<Hit> waiting_ NDB_GUARDED_BY(mutex_);  // by due
  Worker worker_;                                    // last: it uses the others
};

}  // namespace ndb::context
