// One thread's connection to one server. It knows bytes, not records.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "memcache/cluster.h"
#include "memcache/transitions.h"

struct memcached_result_st;  // NOLINT(readability-identifier-naming): libmemcached's

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
};

// Connects when first used, and again after a failure. Its epoch names the time between two failures: whatever answer
// is unexpected (an error line, a time-out, a closed socket) ends the connection and the epoch, because what the server
// has executed is then unknown, the bytes to come may answer an older question, and the server may have been restarted,
// after which it hands out the same CAS uniques again. Thread-compatible.
class Connection {
 public:
  Connection(const Address& address, const Config& config);
  ~Connection();

  std::uint64_t epoch() const { return epoch_; }

  // Without an answer. A unique of another epoch, and 0, are not sent: true, and nothing stored. False on failure.
  bool store_quietly(std::string_view name, const Store& store);

  // Asks for items; the answer must be fetched next. `on_item` is called in the order of `names` for those that exist,
  // with the index among them. False on failure; what was not delivered until then is unknown, not absent.
  bool ask(std::span<const std::string_view> names);
  bool fetch(std::span<const std::string_view> names, absl::FunctionRef<void(std::size_t, const Item&)> on_item);

  // With an answer: whether it was stored (removed); nullopt on failure.
  std::optional<bool> store(std::string_view name, const Store& store);
  std::optional<bool> remove(std::string_view name);
  // The sum; no number inside if there is no such item. An item that is not a number is a failure.
  std::optional<std::optional<std::uint64_t>> add_number(std::string_view name, std::int64_t delta);

  std::optional<bool> flush_all();  // true, or nullopt on failure

  // After a failure: whether it speaks against the server (it could not be reached, or was too slow), or only against a
  // connection that had been in use, which a restart of the server closes too.
  bool server_failed() const { return server_failed_; }

 private:
  struct Result;
  memcached_st* open();
  int send(std::string_view name, const Store& store);  // a memcached_return_t
  bool fail(int code);
  std::optional<bool> stored(int code);

  const Address* address_;
  const Config* config_;
  std::uint64_t epoch_ = 0;
  MemcachedPtr client_;
  std::unique_ptr<Result> result_;
  bool answered_ = false;  // in this epoch
  bool server_failed_ = false;
  std::vector<const char*> names_;
  std::vector<std::size_t> sizes_;
};

}  // namespace ndb::memcache
