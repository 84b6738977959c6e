// How memcached treats items, without sockets and threads: commands of the text protocol in, answers out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace ndb::testing {

enum class Verb { kGet, kGets, kSet, kAdd, kReplace, kCas, kDelete, kIncr, kDecr, kTouch, kFlushAll, kStats, kVersion };

struct MemcachedCommand {
  std::string client{};  // who sent it, if that matters
  Verb verb = Verb::kGet;
  std::vector<std::string> keys{};
  bool noreply = false;
  std::uint32_t flags = 0;   // of stores
  std::int64_t exptime = 0;  // of stores and kTouch
  std::size_t size = 0;      // of the value
  std::string value{};       // of stores
  std::uint64_t number = 0;  // the unique of kCas, the delta of kIncr and kDecr
};
bool is_store(Verb verb);

// Parses a command's first line, without its line end; `value` is still to be set. Nothing if the verb is not one of
// those above.
std::optional<MemcachedCommand> parse_command(std::string_view line);

// Not thread-safe.
class MemcachedItems {
 public:
  struct Item {
    std::uint32_t flags = 0;
    std::string value{};
    std::uint64_t unique = 0;
    std::int64_t expires = 0;  // Unix seconds; 0 = never
  };

  explicit MemcachedItems(const Clock& clock) : clock_(&clock) {}

  // Executes the command and returns the answer, whether or not one is wanted.
  std::string execute(const MemcachedCommand& command);

  const Item* find(const std::string& key);  // null if there is none, or it has expired
  void put(const std::string& key, std::uint32_t flags, std::string value);
  void erase(const std::string& key) { items_.erase(key); }
  void restart();  // no items, and CAS uniques from 1

  void set_next_unique(std::uint64_t unique) { last_unique_ = unique - 1; }
  void set_cas(bool enabled) { cas_ = enabled; }                  // as with -C
  void set_largest(std::size_t bytes) { largest_item_ = bytes; }  // as with -I

 private:
  std::string fetch(const MemcachedCommand& command);
  std::string store(const MemcachedCommand& command);
  std::string add_number(const MemcachedCommand& command);
  std::string settings() const;
  std::int64_t expiry(std::int64_t exptime) const;
  std::int64_t unix_now() const;

  const Clock* clock_;
  std::map<std::string, Item> items_;
  std::uint64_t last_unique_ = 0;
  bool cas_ = true;
  std::size_t largest_item_ = 1024 * 1024;
};

}  // namespace ndb::testing
