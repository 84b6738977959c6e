// The order in which a bounded cache forgets. The cache owns its entries; this says which one goes next.
#pragma once

#include <cstddef>
#include <limits>

namespace ndb {

template <class Entry>
class Lru;

// What an entry of the cache derives from. It stays where it is as long as it is in an Lru (so: a node of a
// std::unordered_map, or an object behind a pointer).
class LruEntry {
 public:
  LruEntry() = default;
  LruEntry(const LruEntry&) = delete;
  LruEntry& operator=(const LruEntry&) = delete;

 private:
  template <class Entry>
  friend class Lru;
  LruEntry* older_ = nullptr;
  LruEntry* newer_ = nullptr;
  std::size_t bytes_ = 0;
};

// Least recently used first. Every operation takes constant time and allocates nothing; touch() of one that has no
// limits is a comparison. Not thread-safe.
//
//   lru.add(entry, bytes);
//   while (Entry* oldest = lru.excess()) { lru.remove(*oldest); map.erase(oldest->key); }
template <class Entry>
class Lru {
 public:
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

  Lru() { clear(); }
  Lru(const Lru&) = delete;
  Lru& operator=(const Lru&) = delete;

  void set_limit(std::size_t entries, std::size_t bytes) {
    entry_limit_ = entries;
    byte_limit_ = bytes;
    limited_ = entries != kUnlimited || bytes != kUnlimited;
  }

  void add(Entry& entry, std::size_t bytes) {  // as the newest
    LruEntry& link = entry;
    link.bytes_ = bytes;
    bytes_ += bytes;
    ++size_;
    insert(link);
  }
  void touch(Entry& entry) {  // it was used; without limits the order stays that of add()
    if (limited_) move_to_front(entry);
  }
  void resize(Entry& entry, std::size_t bytes) {
    LruEntry& link = entry;
    bytes_ += bytes - link.bytes_;
    link.bytes_ = bytes;
  }
  void remove(Entry& entry) {
    LruEntry& link = entry;
    unlink(link);
    bytes_ -= link.bytes_;
    --size_;
  }
  void clear() {  // forgets all entries, which may have been destroyed
    ends_.older_ = ends_.newer_ = &ends_;
    size_ = bytes_ = 0;
  }

  // The entry to remove next as long as a limit is exceeded, else null. It may be the newest, if that alone is too
  // large.
  Entry* excess() const { return size_ > entry_limit_ || (bytes_ > byte_limit_ && size_ > 0) ? oldest() : nullptr; }
  Entry* oldest() const { return size_ > 0 ? static_cast<Entry*>(ends_.newer_) : nullptr; }

  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void move_to_front(LruEntry& link) {
    unlink(link);
    insert(link);
  }
  void insert(LruEntry& link) {
    link.older_ = ends_.older_;
    link.newer_ = &ends_;
    ends_.older_->newer_ = &link;
    ends_.older_ = &link;
  }
  static void unlink(LruEntry& link) {
    link.older_->newer_ = link.newer_;
    link.newer_->older_ = link.older_;
  }

  LruEntry ends_;  // a circle: after the newest entry and before the oldest
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  std::size_t entry_limit_ = kUnlimited;
  std::size_t byte_limit_ = kUnlimited;
  bool limited_ = false;
};

}  // namespace ndb
