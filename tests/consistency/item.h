// The entities that the checker uses, and their keys.
#pragma once

#include <cstdint>
#include <string>

#include "consistency/history.h"
#include "ndb/ndb.h"

namespace ndb::consistency {

class Item : public Model<Item> {
 public:
  struct Properties {
    std::int64_t write = 0;  // the WriteId
    std::int64_t count = 0;  // of a counter
    std::string padding{};
  };
  NDB_MODEL(write, (count, .name = "n"), padding)
};

// The keys of a phase. Values: a few of them are hot at a time, for all workers alike, and others a moment later,
// because a key that many write at once ends up under a lock that nobody releases, and is of no more use. Steady
// values: seldom written, and read in large batches. Counters.
inline constexpr KeyIndex kValues = 120;
inline constexpr KeyIndex kHotAtOnce = 3;
inline constexpr Nanos kHotTime = 200'000'000;
static_assert(kValues % kHotAtOnce == 0);
inline constexpr KeyIndex kSteadyValues = 150;
inline constexpr KeyIndex kCounterKeys = 4;
inline constexpr KeyIndex kFirstCounter = kValues + kSteadyValues;
inline constexpr KeyIndex kKeys = kFirstCounter + kCounterKeys;
inline constexpr std::int64_t kPhaseStride = 1000;
static_assert(kKeys < kPhaseStride);

inline Key key_of(int phase, KeyIndex index) { return {"Item", id((phase + 1) * kPhaseStride + index)}; }
inline KeyIndex index_of(const Key& key) { return static_cast<KeyIndex>(*key.integer_id() % kPhaseStride); }
inline WriteId write_of(const Item& item) { return item ? static_cast<WriteId>(item->write) : 0; }

}  // namespace ndb::consistency
