// The counts of the tiers, by name.
#pragma once

#include <ndb/ndb.h>

#include <cstdint>
#include <string_view>

namespace demo {

struct Count {
  std::string_view name;
  std::uint64_t ndb::TierCounts::* field;
};
inline constexpr Count kCounts[] = {
    {"in-context hits", &ndb::TierCounts::cache_hits},
    {"memcache batches", &ndb::TierCounts::memcache_reads},
    {"memcache hits", &ndb::TierCounts::memcache_hits},
    {"memcache fills", &ndb::TierCounts::memcache_fills},
    {"lock batches", &ndb::TierCounts::memcache_locks},
    {"memcache writes", &ndb::TierCounts::memcache_writes},
    {"Lookups", &ndb::TierCounts::lookups},
    {"keys in them", &ndb::TierCounts::lookup_keys},
    {"Commits", &ndb::TierCounts::commits},
    {"mutations", &ndb::TierCounts::mutations},
    {"queries", &ndb::TierCounts::queries},
};

inline ndb::TierCounts growth(const ndb::TierCounts& before, const ndb::TierCounts& after) {
  ndb::TierCounts grown;
  for (const auto& field : ndb::TierCounts::fields()) grown.*field.value = after.*field.value - before.*field.value;
  return grown;
}

}  // namespace demo
