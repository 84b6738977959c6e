// One thread's connection to one server: memcached's text protocol, as far as the gateway needs it. It knows bytes, not
// records.
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
  bool too_large = false;  // it has more than Config::max_item_size bytes, and its body was not kept
};

// What became of an incr or decr.
struct Sum {
  enum class Outcome : std::uint8_t { kNoAnswer, kAbsent, kNotANumber, kDone };
  Outcome outcome = Outcome::kNoAnswer;
  std::uint64_t value = 0;  // of kDone
  explicit operator bool() const { return outcome != Outcome::kNoAnswer; }
};

// Connects when first used, and again after a failure. Its epoch names the time between two failures: whatever answer
// is unexpected (an error line, a time-out, a closed socket) ends the connection and the epoch, because what the server
// has executed is then unknown, the bytes to come may answer an older question, and the server may have been restarted,
// after which it hands out the same CAS uniques again.
//
// Nothing that a server sends is believed: lines, bodies and the number of items are bounded before anything is
// allocated, and an exchange takes no longer than Config::io_timeout, and as much again for each 64 KiB of it.
// Thread-compatible.
class Connection {
 public:
  Connection(const Address& address, const Config& config);

  std::uint64_t epoch() const { return epoch_; }

  // Without an answer, and on its way only with the next flush() or ask(). A unique of another epoch, and 0, are not
  // sent: true, and nothing stored. False on failure.
  bool store_quietly(std::string_view name, const Store& store);
  bool flush();

  // Asks for items; the answer must be fetched next. `on_item` is called in the order of `names` for those that exist,
  // with the index among them. False on failure; what was not delivered until then is unknown, not absent.
  bool ask(std::span<const std::string_view> names);
  bool fetch(std::span<const std::string_view> names, absl::FunctionRef<void(std::size_t, const Item&)> on_item);

  // With an answer: whether it was stored (removed, done); nullopt on failure. What the server has no room for is not
  // stored, and the older item is gone.
  std::optional<bool> store(std::string_view name, const Store& store);
  std::optional<bool> remove(std::string_view name);
  std::optional<bool> flush_all();
  Sum add_number(std::string_view name, std::int64_t delta);

  // What `stats` or `stats GROUP` says; nullopt on failure.
  using Settings = std::map<std::string, std::string, std::less<>>;
  std::optional<Settings> stats(std::string_view group);

  // After a failure: whether it speaks against the server (it could not be reached, or was too slow), or only against a
  // connection that had been in use, which a restart of the server closes too.
  bool server_failed() const { return server_failed_; }

 private:
  void append(std::string_view name, const Store& store, bool quietly);
  bool send();  // what has been appended
  std::optional<std::string_view> ask_line(std::string_view command);
  std::optional<bool> answered(std::string_view line, std::string_view yes, std::span<const std::string_view> no);
  bool fail(Transfer why);

  const Address* address_;
  const Config* config_;
  std::uint64_t epoch_ = 0;
  Socket socket_;
  AnswerReader answer_;
  std::string outgoing_;
  bool answered_ = false;  // in this epoch
  bool server_failed_ = false;
};

}  // namespace ndb::memcache
