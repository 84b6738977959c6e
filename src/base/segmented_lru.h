// The eviction order of a bounded cache. The cache owns its entries; this class chooses the next one to evict.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "base/frequency_sketch.h"

namespace ndb {

template <class Entry>
class SegmentedLru;

// The base of a cache's entries. An entry must not move while it is in a SegmentedLru (so: a node of a node_hash_map,
// or an object behind a pointer).
class LruEntry {
 public:
  LruEntry() = default;
  LruEntry(const LruEntry&) = delete;
  LruEntry& operator=(const LruEntry&) = delete;

 private:
  template <class Entry>
  friend class SegmentedLru;
  LruEntry* older_ = nullptr;
  LruEntry* newer_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t hash_ = 0;
  std::size_t segment_ = 0;
};

// A least-recently-used order in three segments. New entries pass through a small window. An entry that leaves the
// window is kept only if it was used more often than the entry that would be evicted for it (so a scan of many entries
// that are used once evicts little; of equals one in sixteen is kept). An entry that is used again in the main part is
// protected from those that are not. This is W-TinyLFU (Einziger, Friedman, Manes 2017). Every operation takes constant
// time; without limits there is one segment, nothing is counted and touch() is a comparison. Not thread-safe.
//
//   lru.add(entry, hash, bytes);
//   while (Entry* next = lru.excess()) { lru.remove(*next); map.erase(next->key); }
template <class Entry>
class SegmentedLru {
 public:
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

  SegmentedLru() { clear(); }
  SegmentedLru(const SegmentedLru&) = delete;
  SegmentedLru& operator=(const SegmentedLru&) = delete;

  void set_limit(std::size_t entries, std::size_t bytes) {
    limit_ = {entries, bytes};
    limited_ = entries != kUnlimited || bytes != kUnlimited;
    if (limited_) sketch_.resize(std::clamp(entries == kUnlimited ? size() : entries, kLeastCounted, kMostCounted));
  }

  // Adds the newest entry, which it stays until the next add(). `hash`: the same whenever this key is added.
  void add(Entry& entry, std::size_t hash, std::size_t bytes) {
    LruEntry& link = entry;
    link.bytes_ = bytes;
    link.hash_ = hash;
    append(link, kWindow);
    if (!limited_) return;
    if (size() > sketch_.keys() && sketch_.keys() < kMostCounted) sketch_.resize(2 * size());
    sketch_.count(link.hash_);
    while (part_[kWindow].size > 1 && over(kWindow, kWindowShare)) move(*oldest(kWindow), kProbation);
  }
  void touch(Entry& entry) {  // it was used; without limits the order stays that of add()
    if (!limited_) return;
    LruEntry& link = entry;
    sketch_.count(link.hash_);
    move(link, link.segment_ == kWindow ? kWindow : kProtected);
    while (over(kProtected, kProtectedShare)) move(*oldest(kProtected), kProbation);
  }
  void resize(Entry& entry, std::size_t bytes) {
    LruEntry& link = entry;
    part_[link.segment_].bytes += bytes - link.bytes_;
    link.bytes_ = bytes;
  }
  void remove(Entry& entry) { unlink(entry); }
  void clear() {  // forgets all entries, which may have been destroyed
    for (Part& part : part_) {
      part.ends.older_ = part.ends.newer_ = &part.ends;
      part.size = part.bytes = 0;
    }
  }

  // The entry to evict next while a limit is exceeded, else null. The newest only if there is no other.
  Entry* excess() {
    if (size() <= limit_.entries && (bytes() <= limit_.bytes || size() == 0)) return nullptr;
    LruEntry* const victim = oldest(kProbation);
    if (victim == nullptr) return as_entry(part_[kProtected].size > 0 ? oldest(kProtected) : oldest(kWindow));
    LruEntry* const candidate = part_[kProbation].ends.older_;
    // The use that added the candidate has been counted; the next use of the victim has not.
    const int lead = sketch_.estimate(candidate->hash_) - 1 - sketch_.estimate(victim->hash_);
    // If the candidate always won, a loop longer than the segment would leave nothing cached; if the victim always won,
    // nothing new would get in.
    const bool let_in = lead > 0 || (lead == 0 && ++ties_ % 16 == 0);
    return as_entry(let_in ? victim : candidate);
  }

  std::size_t size() const { return part_[kWindow].size + part_[kProbation].size + part_[kProtected].size; }
  std::size_t bytes() const { return part_[kWindow].bytes + part_[kProbation].bytes + part_[kProtected].bytes; }

 private:
  enum Segment : std::size_t { kWindow, kProbation, kProtected };
  struct Part {
    LruEntry ends;  // a circular list: `older_` of it is the newest entry, `newer_` the oldest
    std::size_t size = 0;
    std::size_t bytes = 0;
  };
  struct Limit {
    std::size_t entries = kUnlimited;
    std::size_t bytes = kUnlimited;
  };
  static constexpr std::size_t kLeastCounted = 64, kMostCounted = std::size_t{1} << 24;
  // In hundredths of the limits.
  static constexpr std::size_t kWindowShare = 1, kProtectedShare = 79;

  static Entry* as_entry(LruEntry* link) { return static_cast<Entry*>(link); }
  LruEntry* oldest(Segment segment) { return part_[segment].size > 0 ? part_[segment].ends.newer_ : nullptr; }
  bool over(Segment segment, std::size_t share) const {
    const auto part_of = [&](std::size_t limit) {
      return limit == kUnlimited ? kUnlimited : limit / 100 * share + limit % 100 * share / 100;
    };
    return part_[segment].size > 0 &&
           (part_[segment].size > part_of(limit_.entries) || part_[segment].bytes > part_of(limit_.bytes));
  }
  void move(LruEntry& link, Segment to) {
    unlink(link);
    append(link, to);
  }
  void append(LruEntry& link, Segment to) {
    Part& part = part_[to];
    link.segment_ = to;
    link.older_ = part.ends.older_;
    link.newer_ = &part.ends;
    part.ends.older_->newer_ = &link;
    part.ends.older_ = &link;
    ++part.size;
    part.bytes += link.bytes_;
  }
  void unlink(LruEntry& link) {
    Part& part = part_[link.segment_];
    link.older_->newer_ = link.newer_;
    link.newer_->older_ = link.older_;
    --part.size;
    part.bytes -= link.bytes_;
  }

  std::array<Part, 3> part_;
  Limit limit_;
  bool limited_ = false;
  unsigned ties_ = 0;
  FrequencySketch sketch_;
};

}  // namespace ndb
