// What memcache holds, and how its servers are, in words.
#pragma once

#include <string>

#include "base/clock.h"
#include "memcache/admin.h"
#include "ndb/key.h"

namespace ndb::tools {

// Several lines each, the last one ended.
std::string in_words(const Key& key, const memcache::Inspection& record, WallTime now);
std::string in_words(const memcache::ServerStats& server);

}  // namespace ndb::tools
