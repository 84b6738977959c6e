// The steps of the walk through the manual.
#pragma once

#include <ndb/ndb.h>

#include <span>
#include <string>

#include "terminal.h"

namespace demo {

struct Stage {
  const ndb::Client& client;
  std::string datastore, memcached;  // addresses, for others who connect
  std::string section;               // one that has several packages
};

inline constexpr std::size_t kKeysByName = 6;  // those that the walk reads one by one; it reads the others in batches

// No tier may know the packages of `keys` before; there must be more than kKeysByName.
void walk_through_the_manual(const Stage& stage, std::span<const ndb::Key> keys, Claims& claims);

}  // namespace demo
