#include "memcache/transport/connection.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>

#include "base/strings.h"
#include "memcache/time_limit.h"

namespace ndb::memcache {
namespace {

constexpr std::size_t kSentAtOnce = 64 * 1024;      // quiet stores are buffered until the next ask() up to this size
constexpr std::size_t kLargestItem = 1024UL << 20;  // memcached's largest -I; a larger announcement is an error
constexpr std::size_t kMostSettings = 1000;

// Unique across all connections of the process, so that a CAS unique belongs to exactly one epoch of one of them.
std::uint64_t next_epoch() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

std::string_view word(Verb verb) {
  switch (verb) {
    case Verb::kAdd:
      return "add ";
    case Verb::kSet:
      return "set ";
    case Verb::kReplace:
      return "replace ";
    case Verb::kCas:
      return "cas ";
  }
  return {};
}

// Takes the next word of a line, up to a space or its end.
std::string_view take_word(std::string_view& line) {
  const std::string_view taken = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), taken.size() + 1));
  return taken;
}

template <class Unsigned>
bool parse_number(std::string_view text, Unsigned& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

struct ItemHead {
  std::string_view name;
  std::uint32_t flags = 0;
  std::size_t size = 0;
  std::uint64_t cas = 0;
};

bool parse_head(std::string_view line, ItemHead& head) {
  if (take_word(line) != "VALUE") return false;
  head.name = take_word(line);
  return parse_number(take_word(line), head.flags) && parse_number(take_word(line), head.size) &&
         parse_number(line, head.cas);
}

}  // namespace

Connection::Connection(const Address& address, const Config& config)
    : address_(&address), config_(&config), epoch_(next_epoch()), answer_(socket_) {}

Deadline Connection::wait() {
  const Deadline deadline(config_->io_timeout);
  waited_since_ = deadline.since();
  return deadline;
}

bool Connection::fail(Transfer why) {
  if (why == Transfer::kTimedOut) {
    blame_ = TimeLimit::over() ? Blame::kCutShort : Blame::kServer;
  } else {
    blame_ = answered_ ? Blame::kNothing : Blame::kServer;
  }
  answered_ = false;
  socket_.close();
  answer_.reset();
  outgoing_.clear();
  epoch_ = next_epoch();
  return false;
}

bool Connection::send() {
  if (!socket_.is_open()) {
    waited_since_ = Clock::system().monotonic();
    const Transfer connected = socket_.connect(*address_, config_->connect_timeout);
    if (connected != Transfer::kDone) return fail(connected);
  }
  Deadline deadline = wait();
  const Transfer sent = socket_.send(outgoing_, deadline);
  if (sent != Transfer::kDone) return fail(sent);
  outgoing_.clear();
  if (outgoing_.capacity() > 4 * kSentAtOnce) outgoing_.shrink_to_fit();
  return true;
}

void Connection::append(std::string_view name, const Store& store, bool quietly) {
  outgoing_ += cat(word(store.verb), name, ' ', store.flags, ' ', store.ttl, ' ', store.body.size());
  if (store.verb == Verb::kCas) outgoing_ += cat(' ', store.unique.cas);
  outgoing_ += quietly ? " noreply\r\n" : "\r\n";
  outgoing_ += store.body;
  outgoing_ += "\r\n";
}

bool Connection::store_quietly(std::string_view name, const Store& store) {
  if (store.verb == Verb::kCas && !store.unique.is_good_in(epoch_)) return true;
  append(name, store, true);
  return outgoing_.size() < kSentAtOnce || send();
}

bool Connection::flush() { return outgoing_.empty() || send(); }

bool Connection::ask(std::span<const std::string_view> names) {
  outgoing_ += "gets";
  for (const std::string_view name : names) {
    outgoing_ += ' ';
    outgoing_ += name;
  }
  outgoing_ += "\r\n";
  return send();
}

bool Connection::fetch(std::span<const std::string_view> names,
                       absl::FunctionRef<void(std::size_t, const Item&)> on_item) {
  answer_.start(wait());
  std::size_t next = 0;
  while (true) {
    const std::optional<std::string_view> line = answer_.line();
    if (!line) return fail(answer_.why());
    if (*line == "END") break;
    ItemHead head;
    if (!parse_head(*line, head)) return fail(Transfer::kBroken);
    while (next < names.size() && names[next] != head.name) ++next;
    if (next == names.size()) return fail(Transfer::kBroken);  // not requested: the answer to something else
    Item item{.name = names[next], .flags = head.flags, .body = {}, .unique = {.epoch = epoch_, .cas = head.cas}};
    if (head.size > config_->max_item_size) {
      if (head.size > kLargestItem) return fail(Transfer::kBroken);
      if (!answer_.skip_block(head.size)) return fail(answer_.why());
      item.too_large = true;
    } else {
      const std::optional<std::string_view> body = answer_.block(head.size);
      if (!body) return fail(answer_.why());
      item.body = *body;
    }
    on_item(next++, item);
  }
  answered_ = true;
  answer_.shrink();
  return true;
}

std::optional<std::string_view> Connection::ask_line(std::string_view command) {
  outgoing_ += command;
  if (!send()) return std::nullopt;
  answer_.start(wait());
  const std::optional<std::string_view> line = answer_.line();
  if (!line) fail(answer_.why());
  return line;
}

std::optional<bool> Connection::answered(std::string_view line, std::string_view yes,
                                         std::span<const std::string_view> no) {
  const bool is_yes = line == yes;
  if (!is_yes && std::ranges::none_of(no, [&](std::string_view prefix) { return line.starts_with(prefix); })) {
    fail(Transfer::kBroken);
    return std::nullopt;
  }
  answered_ = true;
  return is_yes;
}

std::optional<bool> Connection::store(std::string_view name, const Store& store) {
  if (store.verb == Verb::kCas && !store.unique.is_good_in(epoch_)) return false;
  append(name, store, false);
  const std::optional<std::string_view> line = ask_line({});
  if (!line) return std::nullopt;
  static constexpr std::array<std::string_view, 5> kNotStored = {
      "NOT_STORED", "EXISTS", "NOT_FOUND", "SERVER_ERROR object too large", "SERVER_ERROR out of memory"};
  return answered(*line, "STORED", kNotStored);
}

std::optional<bool> Connection::remove(std::string_view name) {
  const std::optional<std::string_view> line = ask_line(cat("delete ", name, "\r\n"));
  static constexpr std::array<std::string_view, 1> kAbsent = {"NOT_FOUND"};
  return line ? answered(*line, "DELETED", kAbsent) : std::nullopt;
}

std::optional<bool> Connection::flush_all() {
  const std::optional<std::string_view> line = ask_line("flush_all\r\n");
  return line ? answered(*line, "OK", {}) : std::nullopt;
}

Sum Connection::add_number(std::string_view name, std::int64_t delta) {
  const std::uint64_t amount = delta < 0 ? ~static_cast<std::uint64_t>(delta) + 1 : static_cast<std::uint64_t>(delta);
  const std::optional<std::string_view> line = ask_line(cat(delta < 0 ? "decr " : "incr ", name, ' ', amount, "\r\n"));
  if (!line) return {};
  Sum sum;
  if (*line == "NOT_FOUND") {
    sum.outcome = Sum::Outcome::kAbsent;
  } else if (line->starts_with("CLIENT_ERROR cannot increment or decrement")) {
    sum.outcome = Sum::Outcome::kNotANumber;
  } else if (parse_number(*line, sum.value)) {
    sum.outcome = Sum::Outcome::kDone;
  } else {
    fail(Transfer::kBroken);
    return {};
  }
  answered_ = true;
  return sum;
}

std::optional<Connection::Settings> Connection::stats(std::string_view group) {
  Settings settings;
  std::optional<std::string_view> line = ask_line(cat("stats", group.empty() ? "" : " ", group, "\r\n"));
  for (; line && *line != "END"; line = answer_.line()) {
    const std::string_view kind = take_word(*line), name = take_word(*line);
    if (kind != "STAT" || settings.size() == kMostSettings || !settings.emplace(name, *line).second) {
      fail(Transfer::kBroken);
      return std::nullopt;
    }
  }
  if (!line) {
    fail(answer_.why());
    return std::nullopt;
  }
  answered_ = true;
  return settings;
}

}  // namespace ndb::memcache
