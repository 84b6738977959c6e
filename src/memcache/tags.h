// The part of the gateway for the process-wide caches: gold versions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"

namespace ndb::memcache {

// The gold version of a name in the process-wide cache. It is random, so that tags made by different processes differ.
struct Tag {
  std::uint64_t high = 0, low = 0;
  friend bool operator==(const Tag&, const Tag&) = default;
};
struct TagRead {
  std::string name{};               // any bytes
  std::chrono::seconds timeout{0};  // of a tag that read() makes; 0 = unlimited
  std::optional<Tag> tag = {};      // set by read(): the current tag; none: its server did not answer
};

// Tags are read together with entities, by Coherence::read(). Thread-safe; blocks and never throws, like Coherence.
class Tags {
 public:
  virtual ~Tags() = default;

  // Gives each name a new tag. UNAVAILABLE, naming the name, unless the new tag was read back: others may still find
  // the old one.
  virtual absl::Status reset_tags(std::span<const std::string> names, std::chrono::seconds timeout) = 0;
};

}  // namespace ndb::memcache
