// One thread's connection to one server: the part of memcached's text protocol that the gateway needs. It does not
// interpret records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "memcache/config.h"
#include "memcache/protocol/transitions.h"
#include "memcache/transport/address.h"
#include "memcache/transport/answer_reader.h"
#include "memcache/transport/socket.h"

namespace ndb::memcache {

enum class Verb : std::uint8_t { kAdd, kSet, kReplace, kCas };

struct Store {
  Verb verb = Verb::kSet;
  std::uint32_t flags = 0;
  std::string body{};
  std::int64_t ttl = 0;  // as memcached reads it: 0, seconds up to 30 days, or Unix time
  Unique unique{};       // of kCas
};

struct Item {
  std::string_view name;
  std::uint32_t flags = 0;
  std::string_view body;
  Unique unique;
  bool too_large = false;  // larger than Config::max_item_size; its body was skipped
};

// The result of an incr or decr.
struct Sum {
  enum class Outcome : std::uint8_t { kNoAnswer, kAbsent, kNotANumber, kDone };
  Outcome outcome = Outcome::kNoAnswer;
  std::uint64_t value = 0;  // of kDone
  explicit operator bool() const { return outcome != Outcome::kNoAnswer; }
};

// Connects on first use, and again after a failure. Its epoch is the time between two failures. Whatever is unexpected
// (an error line, a time-out, a closed socket) ends the connection and the epoch: it is then unknown what the server
// has executed, the next bytes may answer an older question, and the server may have been restarted, after which it
// hands out the same CAS uniques again.
//
// Everything that a server sends is validated: lines, bodies and the number of items are bounded before anything is
// allocated, and an exchange takes no longer than Config::io_timeout, and as much again for each 64 KiB of it.
// Thread-compatible.
class Connection {
 public:
  Connection(const Address& address, const Config& config);

  std::uint64_t epoch() const { return epoch_; }

  // Stores without an answer; the command is sent with the next flush() or ask(). For a unique of another epoch, or 0,
  // nothing is sent and the result is true. False on failure.
  bool store_quietly(std::string_view name, const Store& store);
  bool flush();

  // Asks for items; their answer must be fetched next. `on_item` is called for those that exist, in the order of
  // `names`, with the index of the name. False on failure; then items that were not delivered are unknown, not absent.
  bool ask(std::span<const std::string_view> names);
  bool fetch(std::span<const std::string_view> names, absl::FunctionRef<void(std::size_t, const Item&)> on_item);

  // Stores with an answer: whether the item was stored (removed, done); nullopt on failure. If the server has no memory
  // for an item, it is not stored, and its predecessor is gone.
  std::optional<bool> store(std::string_view name, const Store& store);
  std::optional<bool> remove(std::string_view name);
  std::optional<bool> flush_all();
  Sum add_number(std::string_view name, std::int64_t delta);

  // The answer to `stats` or `stats GROUP`; nullopt on failure.
  using Settings = std::map<std::string, std::string, std::less<>>;
  std::optional<Settings> stats(std::string_view group);

  // After a failure: what it says about the server.
  enum class Blame : std::uint8_t {
    kServer,    // could not be reached, or was too slow
    kNothing,   // a connection that had been in use was closed, as by a restart of the server
    kCutShort,  // the TimeLimit of the thread ended the wait for it; see waited_since()
  };
  Blame blame() const { return blame_; }
  Monotonic waited_since() const { return waited_since_; }

 private:
  void append(std::string_view name, const Store& store, bool quietly);
  bool send();  // sends what has been appended
  std::optional<std::string_view> ask_line(std::string_view command);
  std::optional<bool> answered(std::string_view line, std::string_view yes, std::span<const std::string_view> no);
  Deadline wait();  // begins a wait for the server
  bool fail(Transfer why);

  const Address* address_;
  const Config* config_;
  std::uint64_t epoch_ = 0;
  Socket socket_;
  AnswerReader answer_;
  std::string outgoing_;
  bool answered_ = false;  // in this epoch
  Blame blame_ = Blame::kNothing;
  Monotonic waited_since_{};
};

}  // namespace ndb::memcache
