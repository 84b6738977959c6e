// Records and servers of memcache, described in words.
#pragma once

#include <string>

#include "base/clock.h"
#include "memcache/admin.h"
#include "ndb/key.h"

namespace ndb::tools {

// Several lines each; every line ends in a newline.
std::string in_words(const Key& key, const memcache::Inspection& record, WallTime now);
std::string in_words(const memcache::ServerStats& server);

}  // namespace ndb::tools
