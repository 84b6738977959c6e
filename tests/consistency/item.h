// The entities that the checker works on, and their keys.
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

// The keys of a phase: values that are written often, values that are seldom written but read in large batches, and
// counters.
inline constexpr KeyIndex kHotKeys = 8;
inline constexpr KeyIndex kWarmKeys = 112;
inline constexpr KeyIndex kCounterKeys = 4;
inline constexpr KeyIndex kFirstCounter = kHotKeys + kWarmKeys;
inline constexpr KeyIndex kKeys = kFirstCounter + kCounterKeys;
inline constexpr std::int64_t kPhaseStride = 1000;
static_assert(kKeys < kPhaseStride);

inline Key key_of(int phase, KeyIndex index) { return {"Item", id((phase + 1) * kPhaseStride + index)}; }
inline KeyIndex index_of(const Key& key) { return static_cast<KeyIndex>(*key.integer_id() % kPhaseStride); }
inline WriteId write_of(const Item& item) { return item ? static_cast<WriteId>(item->write) : 0; }

}  // namespace ndb::consistency
