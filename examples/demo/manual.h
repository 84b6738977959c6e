// The steps of the walk through the manual.
#pragma once

#include <ndb/ndb.h>

#include <span>
#include <string>

#include "terminal.h"

namespace demo {

struct Stage {
  const ndb::Client& client;
  std::string datastore, memcached;  // addresses, for the second process
  std::string section;               // a section that has several packages
};

inline constexpr std::size_t kKeysByName = 6;  // keys that the walk reads one by one; the others are read in batches

// None of the packages of `keys` may be cached yet; there must be more than kKeysByName.
void walk_through_the_manual(const Stage& stage, std::span<const ndb::Key> keys, Claims& claims);

}  // namespace demo
