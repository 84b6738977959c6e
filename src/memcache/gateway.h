// The gateway to memcache. Its parts are named after their callers; code that needs one part takes only that.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "memcache/admin.h"
#include "memcache/coherence.h"
#include "memcache/config.h"
#include "memcache/raw_items.h"
#include "memcache/tags.h"

namespace ndb::memcache {

// Thread-safe; one per client.
class Gateway : public Coherence, public Tags, public RawItems, public Admin {
 public:
  // Does not need the servers to be up. INVALID_ARGUMENT if an address is malformed.
  static absl::StatusOr<std::unique_ptr<Gateway>> make(Config config);
};

}  // namespace ndb::memcache
