// The part of the gateway for the user's own items, which are stored under a prefix that no record has.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ndb::memcache {

struct RawItem {
  std::string value;
  std::uint64_t token = 0;  // for raw_cas; valid for this gateway and thread only
};
struct RawRead {
  std::string key{};
  std::optional<RawItem> item = {};  // set by read(); none: no such item, or no answer
};

// Thread-safe; blocks and never throws, like Coherence. After a network error the result is nothing or false, as in
// NDB.
class RawItems {
 public:
  virtual ~RawItems() = default;

  virtual void raw_read(std::span<RawRead> reads) = 0;

  enum class RawStore : std::uint8_t { kSet, kAdd, kReplace };
  virtual bool raw_store(RawStore how, std::string_view key, std::string_view value, std::chrono::seconds timeout) = 0;
  virtual bool raw_cas(std::string_view key, std::string_view value, std::uint64_t token,
                       std::chrono::seconds timeout) = 0;
  virtual bool raw_delete(std::string_view key) = 0;
  virtual std::optional<std::uint64_t> raw_add_number(std::string_view key, std::int64_t delta,
                                                      std::optional<std::uint64_t> initial) = 0;
};

}  // namespace ndb::memcache
