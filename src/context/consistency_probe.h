// The consistency probe checks whether memcache hits were up to date. (The idea is Meta's Polaris.)
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/worker.h"
#include "datastore/stub.h"
#include "memcache/coherence.h"
#include "ndb/key.h"

namespace ndb::context {

// Looks up one in N hits in the Datastore some seconds later. If the Datastore has a newer version that was written
// before the hit, the hit was stale: the probe counts and logs it, and invalidates the record. An entity that has been
// deleted meanwhile proves nothing, because the Datastore does not say when. Thread-safe.
class ConsistencyProbe {
 public:
  // Hits are looked up together after this delay, which is longer than a write is in flight.
  static constexpr std::chrono::seconds kDelay{3};
  // The largest difference between the Datastore's clock and this machine's that raises no false alarm.
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
  void check(const std::string& database, const std::vector<Hit>& hits);
  bool judge(const Hit& hit, const wire::EntityResult& now);

  datastore::Stub& stub_;
  memcache::Coherence& gateway_;
  const Clock& clock_;
  const std::uint32_t one_in_;
  std::atomic<std::uint32_t> skipped_{0};
  std::atomic<std::uint64_t> checked_{0}, stale_{0};
  Mutex mutex_;
  std::vector<Hit> waiting_ NDB_GUARDED_BY(mutex_);  // ordered by `due`
  Worker worker_;                                    // last: it uses the other members
};

}  // namespace ndb::context
