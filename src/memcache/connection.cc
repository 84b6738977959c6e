#include "memcache/connection.h"

#include <libmemcached/memcached.h>

#include <atomic>

namespace ndb::memcache {
namespace {

// Across all connections of the process, so that a unique fits exactly one epoch of one of them.
std::uint64_t next_epoch() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

// libmemcached's result, in place: one that it allocates itself is freed by its last fetch.
struct Connection::Result {
  explicit Result(memcached_st* client) { memcached_result_create(client, &value); }
  ~Result() { memcached_result_free(&value); }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  memcached_result_st value{};
};

Connection::Connection(const Address& address, const Config& config)
    : address_(&address), config_(&config), epoch_(next_epoch()) {}

Connection::~Connection() {
  result_.reset();
  client_.reset();
}

memcached_st* Connection::open() {
  if (client_ == nullptr) {
    client_ = make_client(*address_, *config_);
    result_ = std::make_unique<Result>(client_.get());
  }
  return client_.get();
}

// The whole client goes, not just its socket: libmemcached would refuse to reconnect for a second or two.
bool Connection::fail(int code) {
  server_failed_ = !answered_ || code == MEMCACHED_TIMEOUT;
  answered_ = false;
  result_.reset();
  client_.reset();
  epoch_ = next_epoch();
  return false;
}

int Connection::send(std::string_view name, const Store& s) {
  memcached_st* const client = open();
  switch (s.verb) {
    case Verb::kAdd:
      return memcached_add(client, name.data(), name.size(), s.body.data(), s.body.size(), s.ttl, s.flags);
    case Verb::kSet:
      return memcached_set(client, name.data(), name.size(), s.body.data(), s.body.size(), s.ttl, s.flags);
    case Verb::kReplace:
      return memcached_replace(client, name.data(), name.size(), s.body.data(), s.body.size(), s.ttl, s.flags);
    case Verb::kCas:
      return memcached_cas(client, name.data(), name.size(), s.body.data(), s.body.size(), s.ttl, s.flags,
                           s.unique.cas);
  }
  return MEMCACHED_INVALID_ARGUMENTS;
}

bool Connection::store_quietly(std::string_view name, const Store& s) {
  if (s.verb == Verb::kCas && !s.unique.is_good_in(epoch_)) return true;
  memcached_behavior_set(open(), MEMCACHED_BEHAVIOR_NOREPLY, 1);
  const int code = send(name, s);
  memcached_behavior_set(client_.get(), MEMCACHED_BEHAVIOR_NOREPLY, 0);
  return code == MEMCACHED_SUCCESS || fail(code);
}

bool Connection::ask(std::span<const std::string_view> names) {
  names_.clear();
  sizes_.clear();
  for (const std::string_view name : names) {
    names_.push_back(name.data());
    sizes_.push_back(name.size());
  }
  const memcached_return_t code = memcached_mget(open(), names_.data(), sizes_.data(), names.size());
  return code == MEMCACHED_SUCCESS || fail(code);
}

bool Connection::fetch(std::span<const std::string_view> names,
                       absl::FunctionRef<void(std::size_t, const Item&)> on_item) {
  memcached_result_st& result = result_->value;
  // While this is 0 libmemcached reports every failure, error lines of the server too, as NOTFOUND, like an answer
  // without items. Seen with 1.1.4.
  result.count = 1;
  std::size_t next = 0;
  memcached_return_t code = MEMCACHED_SUCCESS;
  while (memcached_fetch_result(client_.get(), &result, &code) != nullptr) {
    const std::string_view name(memcached_result_key_value(&result), memcached_result_key_length(&result));
    while (next < names.size() && names[next] != name) ++next;
    if (next == names.size())
      return fail(MEMCACHED_UNKNOWN_READ_FAILURE);  // not asked for: the answer to something else
    on_item(next++, {.name = name,
                     .flags = memcached_result_flags(&result),
                     .body = {memcached_result_value(&result), memcached_result_length(&result)},
                     .unique = {epoch_, memcached_result_cas(&result)}});
  }
  if (code != MEMCACHED_END) return fail(code);
  answered_ = true;
  return true;
}

std::optional<bool> Connection::stored(int code) {
  switch (code) {
    case MEMCACHED_SUCCESS:
    case MEMCACHED_STORED:
    case MEMCACHED_DELETED:
      answered_ = true;
      return true;
    case MEMCACHED_NOTFOUND:
    case MEMCACHED_NOTSTORED:
    case MEMCACHED_DATA_EXISTS:
      answered_ = true;
      return false;
    default:
      fail(code);
      return std::nullopt;
  }
}

std::optional<bool> Connection::store(std::string_view name, const Store& s) {
  if (s.verb == Verb::kCas && !s.unique.is_good_in(epoch_)) return false;
  return stored(send(name, s));
}

std::optional<bool> Connection::remove(std::string_view name) {
  return stored(memcached_delete(open(), name.data(), name.size(), 0));
}

std::optional<bool> Connection::flush_all() { return stored(memcached_flush(open(), 0)); }

std::optional<std::optional<std::uint64_t>> Connection::add_number(std::string_view name, std::int64_t delta) {
  std::uint64_t sum = 0;
  // The _by_key forms are the ones that take 64 bits.
  const auto change = delta < 0 ? memcached_decrement_by_key : memcached_increment_by_key;
  const std::uint64_t amount = delta < 0 ? ~static_cast<std::uint64_t>(delta) + 1 : static_cast<std::uint64_t>(delta);
  const memcached_return_t code = change(open(), name.data(), name.size(), name.data(), name.size(), amount, &sum);
  const std::optional<bool> ok = stored(code);
  if (!ok) return std::nullopt;
  return *ok ? std::optional(sum) : std::nullopt;
}

}  // namespace ndb::memcache
