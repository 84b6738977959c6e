#include "support/memcached_items.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>

#include "base/strings.h"

namespace ndb::testing {
namespace {

const std::map<std::string, Verb, std::less<>> kVerbs = {
    {"get", Verb::kGet},        {"gets", Verb::kGets},          {"set", Verb::kSet},
    {"add", Verb::kAdd},        {"replace", Verb::kReplace},    {"cas", Verb::kCas},
    {"delete", Verb::kDelete},  {"incr", Verb::kIncr},          {"decr", Verb::kDecr},
    {"touch", Verb::kTouch},    {"flush_all", Verb::kFlushAll}, {"stats", Verb::kStats},
    {"version", Verb::kVersion}};

template <class Number>
Number to_number(std::string_view text) {
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

bool is_store(Verb verb) {
  return verb == Verb::kSet || verb == Verb::kAdd || verb == Verb::kReplace || verb == Verb::kCas;
}

std::optional<MemcachedCommand> parse_command(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
  if (words.empty() || !kVerbs.contains(words[0])) return std::nullopt;
  MemcachedCommand command{.verb = kVerbs.at(words[0])};
  if (words.back() == "noreply") {
    command.noreply = true;
    words.pop_back();
  }
  words.resize(std::max<std::size_t>(words.size(), 6));
  switch (command.verb) {
    case Verb::kGet:
    case Verb::kGets:
      command.keys.assign(words.begin() + 1, std::find(words.begin() + 1, words.end(), ""));
      return command;
    case Verb::kFlushAll:
    case Verb::kStats:
    case Verb::kVersion:
      return command;
    case Verb::kDelete:
      break;
    case Verb::kIncr:
    case Verb::kDecr:
      command.number = to_number<std::uint64_t>(words[2]);
      break;
    case Verb::kTouch:
      command.exptime = to_number<std::int64_t>(words[2]);
      break;
    case Verb::kSet:
    case Verb::kAdd:
    case Verb::kReplace:
    case Verb::kCas:
      command.flags = to_number<std::uint32_t>(words[2]);
      command.exptime = to_number<std::int64_t>(words[3]);
      command.size = to_number<std::size_t>(words[4]);
      command.number = to_number<std::uint64_t>(words[5]);
      break;
  }
  command.keys = {words[1]};
  return command;
}

std::string MemcachedItems::execute(const MemcachedCommand& command) {
  switch (command.verb) {
    case Verb::kGet:
    case Verb::kGets:
      return fetch(command);
    case Verb::kSet:
    case Verb::kAdd:
    case Verb::kReplace:
    case Verb::kCas:
      return store(command);
    case Verb::kIncr:
    case Verb::kDecr:
      return add_number(command);
    case Verb::kDelete:
      if (find(command.keys[0]) == nullptr) return "NOT_FOUND\r\n";
      erase(command.keys[0]);
      return "DELETED\r\n";
    case Verb::kTouch:
      if (find(command.keys[0]) == nullptr) return "NOT_FOUND\r\n";
      items_[command.keys[0]].expires = expiry(command.exptime);  // the unique does not change
      return "TOUCHED\r\n";
    case Verb::kFlushAll:
      items_.clear();
      return "OK\r\n";
    case Verb::kStats:
      return settings();
    case Verb::kVersion:
      return "VERSION 1.6.18\r\n";
  }
  return "ERROR\r\n";
}

const MemcachedItems::Item* MemcachedItems::find(const std::string& key) {
  const auto it = items_.find(key);
  if (it == items_.end()) return nullptr;
  if (it->second.expires == 0 || it->second.expires > unix_now()) return &it->second;
  items_.erase(it);
  return nullptr;
}

void MemcachedItems::put(const std::string& key, std::uint32_t flags, std::string value) {
  items_[key] = {.flags = flags, .value = std::move(value), .unique = cas_ ? ++last_unique_ : 0};
}

void MemcachedItems::restart() {
  items_.clear();
  last_unique_ = 0;
}

std::string MemcachedItems::fetch(const MemcachedCommand& command) {
  std::string answer;
  for (const std::string& key : command.keys) {
    const Item* const item = find(key);
    if (item == nullptr) continue;
    answer += cat("VALUE ", key, ' ', item->flags, ' ', item->value.size());
    if (command.verb == Verb::kGets) answer += cat(' ', item->unique);
    answer += cat("\r\n", item->value, "\r\n");
  }
  return answer + "END\r\n";
}

std::string MemcachedItems::store(const MemcachedCommand& command) {
  const std::string& key = command.keys[0];
  constexpr std::size_t kHeader = 64;  // about the overhead of an item
  if (kHeader + key.size() + command.value.size() > largest_item_) {
    if (command.verb == Verb::kSet) erase(key);  // no item is better than an outdated one
    return "SERVER_ERROR object too large for cache\r\n";
  }
  const Item* const item = find(key);
  if (command.verb == Verb::kAdd && item != nullptr) return "NOT_STORED\r\n";
  if (command.verb == Verb::kReplace && item == nullptr) return "NOT_STORED\r\n";
  if (command.verb == Verb::kCas && item == nullptr) return "NOT_FOUND\r\n";
  if (command.verb == Verb::kCas && item->unique != command.number) return "EXISTS\r\n";
  put(key, command.flags, command.value);
  items_[key].expires = expiry(command.exptime);
  return "STORED\r\n";
}

std::string MemcachedItems::add_number(const MemcachedCommand& command) {
  const std::string& key = command.keys[0];
  const Item* const item = find(key);
  if (item == nullptr) return "NOT_FOUND\r\n";
  if (item->value.empty() || item->value.find_first_not_of("0123456789 ") != std::string::npos) {
    return "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
  }
  const auto old = to_number<std::uint64_t>(item->value);
  const std::uint64_t sum = command.verb == Verb::kIncr ? old + command.number : old - std::min(old, command.number);
  std::string value = cat(sum);
  value.resize(std::max(value.size(), item->value.size()), ' ');  // a value never becomes shorter
  const std::int64_t expires = item->expires;
  put(key, item->flags, std::move(value));
  items_[key].expires = expires;
  return cat(sum, "\r\n");
}

std::string MemcachedItems::settings() const {
  return cat("STAT cas_enabled ", cas_ ? "yes" : "no", "\r\nSTAT temp_lru yes\r\nSTAT temporary_ttl 400\r\n",
             "STAT item_size_max ", largest_item_, "\r\nEND\r\n");
}

std::int64_t MemcachedItems::expiry(std::int64_t exptime) const {
  constexpr std::int64_t kLongestRelative = 30 * 86400;
  if (exptime == 0 || exptime > kLongestRelative) return exptime;
  return exptime < 0 ? 1 : unix_now() + exptime;
}

std::int64_t MemcachedItems::unix_now() const {
  return std::chrono::floor<std::chrono::seconds>(clock_->now()).time_since_epoch().count();
}

}  // namespace ndb::testing
