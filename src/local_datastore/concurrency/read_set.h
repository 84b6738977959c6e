// What somebody has read: keys of the store, and ranges of them. Absence is read too: a key that was not there, all
// that a range does not have.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace ndb::local {

// From `begin`, before `end`.
struct KeyRange {
  std::string begin;
  std::string end;
  bool contains(std::string_view key) const { return begin <= key && key < end; }
};

struct ReadSet {
  bool ignored = false;  // nobody will ask what was read
  std::unordered_set<std::string, StringHash, std::equal_to<>> keys{};
  std::vector<KeyRange> ranges{};

  bool contains(std::string_view key) const {
    return keys.find(key) != keys.end() ||
           std::any_of(ranges.begin(), ranges.end(), [key](const KeyRange& range) { return range.contains(key); });
  }
  void merge(ReadSet other) {
    keys.merge(other.keys);
    std::move(other.ranges.begin(), other.ranges.end(), std::back_inserter(ranges));
  }
};

}  // namespace ndb::local
