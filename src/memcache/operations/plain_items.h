// Items that are not records: the user's own, and the tags of the process-wide cache. Each sort has a key prefix that
// no record has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "memcache/raw_items.h"
#include "memcache/tags.h"
#include "memcache/transport/cluster.h"
#include "memcache/transport/connection.h"

namespace ndb::memcache {

// One such item during a read.
struct PlainItem {
  std::size_t server = 0;
  std::string name{};
  bool tag = false;                 // created if absent, and read back
  std::chrono::seconds timeout{0};  // of an item that is created
  bool wanted = true;               // to be read in the next round trip
  bool answered = false;
  std::optional<RawItem> found{};
};

PlainItem plain_item(const Cluster& cluster, const RawRead& read);
PlainItem plain_item(const Cluster& cluster, const TagRead& read);

// The memcache key of one of the user's items, and of a tag.
std::string raw_name(std::string_view key);
std::string tag_name(std::string_view name);

// memcached stores the result of a `decr` with fewer digits in the old place, padded with spaces, unless somebody else
// holds the item at the moment. So digits followed by spaces are read as a number. A value of that form that a user has
// stored is recognised by its flags.
std::uint32_t raw_flags(std::string_view value);
std::string_view raw_value_of(std::uint32_t flags, std::string_view body);

Store new_tag(Verb verb, std::chrono::seconds timeout, WallTime now);
std::optional<Tag> tag_of(const PlainItem& item);

// The token that raw access returns for a CAS unique, and the reverse. A token is the unique scrambled with its epoch:
// read under another epoch it is a number that no item has.
std::uint64_t to_token(const Unique& unique);
std::uint64_t from_token(std::uint64_t token, std::uint64_t epoch);

// `duration` in memcached's form, in which more than 30 days would be taken for a date.
std::int64_t memcached_ttl(std::chrono::seconds duration, WallTime now);

}  // namespace ndb::memcache
