#include "memcache/gateway.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "memcache/memcache_gateway.h"
#include "memcache/sequences.h"

namespace ndb::memcache {
namespace {

// Races that an operation on a CACHED record loses before it gives up.
constexpr int kTries = 4;

absl::Status unavailable(std::string_view what, const Place& place, const Address& server) {
  return absl::UnavailableError(
      cat("memcached server ", server.to_string(), " did not ", what, " ", place.key.to_string()));
}

}  // namespace

absl::Status ring_error() {
  return absl::FailedPreconditionError(
      "memcache: other programs use another list of servers (see the log), and ring_check is enforced: give all of "
      "them the same MEMCACHED_HOSTS");
}

std::uint64_t new_token() {
  std::uint64_t token = 0;
  while (token == 0) arc4random_buf(&token, sizeof token);
  return token;
}

std::int64_t memcached_ttl(seconds duration, WallTime now) {
  constexpr seconds kLongestRelative = std::chrono::days(30);
  if (duration <= seconds(0)) return 0;
  return duration.count() + (duration > kLongestRelative ? std::int64_t{unix_seconds(now)} : 0);
}

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::make(Config config) {
  NDB_ASSIGN_OR_RETURN(std::unique_ptr<Cluster> cluster, Cluster::make(std::move(config)));
  warn(*cluster);
  return std::make_unique<MemcacheGateway>(std::move(cluster));
}

MemcacheGateway::MemcacheGateway(std::unique_ptr<Cluster> cluster)
    : cluster_(std::move(cluster)),
      handles_(*cluster_),
      ring_(*cluster_),
      repairs_(cluster_->clock(), [this](std::vector<Departure>& departures) {
        const std::size_t before = departures.size();
        leave(departures);
        cluster_->counters().repaired += before - departures.size();
      }) {}

Place MemcacheGateway::place(const Key& key) const {
  Place place{.key = key, .name = record_name(key.bytes())};
  place.server = cluster_->home(place.name);
  return place;
}

std::vector<Entry> MemcacheGateway::entries(std::span<const Key> keys) const {
  std::vector<Entry> entries(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    entries[i].index = i;
    entries[i].place = place(keys[i]);
  }
  return entries;
}

Seen MemcacheGateway::see(const Entry& entry, const Item& item) {
  Seen seen{.what = Seen::kForeign, .unique = item.unique};
  switch (parse(item.flags, item.body, entry.place.key.bytes(), seen.record, entry.known)) {
    case Parsed::kRecord:
      seen.what = Seen::kRecord;
      break;
    case Parsed::kCorrupt:
      ++cluster_->counters().corrupt;
      break;
    case Parsed::kUnknown:
      break;
  }
  return seen;
}

Store MemcacheGateway::to_store(Step step, const Place& place, const Unique& unique) const {
  if (step.record.state == State::kEmpty && step.record.token == 0) step.record.token = new_token();
  Encoded encoded = encode(step.record, place.key.bytes(), cluster_->config().compress_above);
  const Verb verb = step.what == Step::kAdd ? Verb::kAdd : step.what == Step::kCas ? Verb::kCas : Verb::kSet;
  return {.verb = verb,
          .flags = encoded.flags,
          .body = std::move(encoded.body),
          .ttl = memcached_ttl(step.ttl, now()),
          .unique = unique};
}

bool MemcacheGateway::fits(const Place& place, std::string_view payload) const {
  const std::string& key = place.key.bytes();
  constexpr std::size_t kOtherFields = 64;
  if (cluster_->fits(place.name, key.size() + payload.size() + kOtherFields)) return true;
  // Compressed it may; CACHED is the state with the most fields.
  const Record record{.state = State::kCached, .payload = std::string(payload)};
  return cluster_->fits(place.name, encode(record, key, cluster_->config().compress_above).body.size());
}

void MemcacheGateway::round_trip(std::vector<Entry>& entries, std::vector<Step>& steps, std::span<PlainEntry> plain) {
  std::vector<Command> commands;
  std::vector<Entry*> asked;
  std::vector<PlainEntry*> asked_plain;
  commands.reserve(entries.size() + plain.size());
  asked.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    if (entry.done) continue;
    Command& command = commands.emplace_back();
    command.server = entry.place.server;
    command.name = entry.place.name;
    command.insist = entry.insist;
    if (steps[i].what != Step::kRead) command.store = to_store(std::move(steps[i]), entry.place, entry.seen.unique);
    entry.seen = {.what = Seen::kAbsent};
    asked.push_back(&entry);
  }
  for (PlainEntry& entry : plain) {
    if (!entry.wanted) continue;
    Command& command = commands.emplace_back();
    command.server = entry.server;
    command.name = entry.name;
    if (entry.answered) command.store = new_tag(Verb::kAdd, entry.timeout, now());
    asked_plain.push_back(&entry);
  }
  handles_.mine().round_trip(commands, [&](std::size_t i, const Item& item) {
    if (i < asked.size()) {
      asked[i]->seen = see(*asked[i], item);
    } else {
      asked_plain[i - asked.size()]->found = {std::string(item.body), to_token(item.unique)};
    }
  });
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (!commands[i].answered) asked[i]->seen = {.what = Seen::kFailed};
  }
  for (std::size_t i = 0; i < asked_plain.size(); ++i) {
    PlainEntry& entry = *asked_plain[i];
    const bool first = !entry.answered;
    entry.answered = commands[asked.size() + i].answered;
    entry.wanted = first && entry.answered && !entry.found && entry.tag;
  }
}

void MemcacheGateway::converge(std::vector<Entry>& entries, int rounds, Decide decide, std::span<PlainEntry> plain) {
  std::vector<Step> steps(entries.size());
  for (int round = 0;; ++round) {
    bool finished = std::ranges::none_of(plain, &PlainEntry::wanted);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].done) continue;
      steps[i] = decide(entries[i], round);
      entries[i].done = steps[i].what == Step::kDone;
      finished &= entries[i].done;
    }
    if (finished || round == rounds) return;
    round_trip(entries, steps, plain);
  }
}

absl::Status MemcacheGateway::invalidate(std::span<const Key> keys) {
  if (fenced()) return ring_error();
  std::vector<Entry> invalidated = entries(keys);
  std::vector<std::uint64_t> tokens(keys.size());
  std::ranges::generate(tokens, new_token);
  converge(invalidated, kWriteRounds,
           [&](Entry& entry, int round) { return invalidate_next(entry.seen, tokens[entry.index], round, now()); });
  for (const Entry& entry : invalidated) {
    if (!entry.done) return unavailable("invalidate", entry.place, cluster_->address(entry.place.server));
  }
  return absl::OkStatus();
}

absl::Status MemcacheGateway::put_cached(const Key& key, std::string_view payload, seconds timeout) {
  if (fenced()) return ring_error();
  std::vector<Entry> one = entries({&key, 1});
  const Place& place = one[0].place;
  if (!fits(place, payload)) {
    return absl::InvalidArgumentError(cat(key.to_string(), " is too large for a memcached item of ",
                                          cluster_->config().max_item_size, " bytes: ", payload.size(), " bytes"));
  }
  const std::uint64_t token = new_token();
  converge(one, kTries, [&](Entry& entry, int) { return put_cached_step(entry.seen, payload, timeout, token, now()); });
  if (one[0].seen.is(State::kLock)) {
    return absl::UnavailableError(cat(key.to_string(), " is being written to the Datastore: not stored in memcache"));
  }
  const bool stored = one[0].done && one[0].seen.is(State::kCached);
  return stored ? absl::OkStatus() : unavailable("store", place, cluster_->address(place.server));
}

absl::Status MemcacheGateway::delete_cached(const Key& key) {
  if (fenced()) return ring_error();
  std::vector<Entry> one = entries({&key, 1});
  converge(one, kTries, [&](Entry& entry, int) { return delete_cached_step(entry.seen); });
  if (one[0].done) return absl::OkStatus();
  return unavailable("delete", one[0].place, cluster_->address(one[0].place.server));
}

Stats MemcacheGateway::stats() const {
  const Counters& c = cluster_->counters();
  return {.round_trips = c.round_trips,
          .commands = c.commands,
          .hits = c.hits,
          .misses = c.misses,
          .bypassed = c.bypassed,
          .fills = c.fills,
          .locks = c.locks,
          .unlocks = c.unlocks,
          .errors = c.errors,
          .corrupt = c.corrupt,
          .stale = c.stale,
          .ring_mismatches = c.ring_mismatches,
          .repairs_waiting = repairs_.waiting(),
          .repaired = c.repaired,
          .repairs_given_up = repairs_.given_up()};
}

}  // namespace ndb::memcache
