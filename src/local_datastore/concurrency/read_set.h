// What a transaction has read: keys of the store, and ranges of them. Absence counts as well: a key that did not exist,
// and the whole range that a scan has covered.
#pragma once

#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/hash.h"

namespace ndb::local {

// The keys from `begin`, up to but not including `end`.
struct KeyRange {
  std::string begin;
  std::string end;
  bool contains(std::string_view key) const { return begin <= key && key < end; }
};

// A set of keys, given as ranges. Ranges that overlap or touch are merged, so that a lookup takes the logarithm of
// their number.
class KeyRanges {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;  // end by begin, without overlaps

  // A range whose end is not after its begin adds nothing.
  void add(KeyRange range) {
    if (range.begin >= range.end) return;
    auto at = ranges_.upper_bound(range.begin);
    if (at != ranges_.begin() && std::prev(at)->second >= range.begin) {
      --at;
      range.begin = at->first;
    }
    while (at != ranges_.end() && at->first <= range.end) {
      if (range.end < at->second) range.end = at->second;
      at = ranges_.erase(at);
    }
    ranges_.emplace_hint(at, std::move(range.begin), std::move(range.end));
  }
  void merge(const KeyRanges& other) {
    for (const auto& [begin, end] : other.ranges_) add({begin, end});
  }
  bool contains(std::string_view key) const {
    const auto after = ranges_.upper_bound(key);
    return after != ranges_.begin() && key < std::prev(after)->second;
  }
  bool empty() const { return ranges_.empty(); }
  void clear() { ranges_.clear(); }
  auto begin() const { return ranges_.begin(); }
  auto end() const { return ranges_.end(); }

 private:
  Map ranges_;
};

struct ReadSet {
  bool ignored = false;  // the read set will not be used
  std::unordered_set<std::string, StringHash, std::equal_to<>> keys{};
  KeyRanges ranges{};

  bool contains(std::string_view key) const { return keys.find(key) != keys.end() || ranges.contains(key); }
  void merge(ReadSet other) {
    keys.merge(other.keys);
    ranges.merge(other.ranges);
  }
};

}  // namespace ndb::local
