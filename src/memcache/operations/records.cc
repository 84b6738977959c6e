#include "memcache/operations/records.h"

#include <cstdlib>
#include <utility>

#include "base/strings.h"

namespace ndb::memcache {
namespace {

// The total of decompressed payloads in one round trip. For the rest the callers ask the Datastore.
constexpr std::size_t kMostInflated = std::size_t{256} << 20;

}  // namespace

std::uint64_t new_token() {
  std::uint64_t token = 0;
  while (token == 0) arc4random_buf(&token, sizeof token);
  return token;
}

Place Records::place(const Key& key) const {
  Place place{.key = key, .name = record_name(key.bytes())};
  place.server = cluster_.home(place.name);
  return place;
}

std::vector<Entry> Records::entries(std::span<const Key> keys) const {
  std::vector<Entry> entries(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    entries[i].index = i;
    entries[i].place = place(keys[i]);
  }
  return entries;
}

Seen Records::see(const Entry& entry, const Item& item, std::size_t& inflated) {
  Seen seen{.what = Seen::kForeign, .unique = item.unique};
  const PayloadWanted wanted{.known = entry.known, .inflated = entry.wants_payload ? &inflated : nullptr};
  switch (parse(item.flags, item.body, entry.place.key.bytes(), wanted, seen.record)) {
    case Parsed::kRecord:
      seen.what = Seen::kRecord;
      break;
    case Parsed::kCorrupt:
      ++cluster_.counters().corrupt;
      break;
    case Parsed::kUnknown:
      break;
  }
  return seen;
}

Store Records::to_store(Step step, const Place& place, const Unique& unique) const {
  if (step.record.state == State::kEmpty && step.record.token == 0) step.record.token = new_token();
  Encoded encoded = encode(step.record, place.key.bytes(), cluster_.config().compress_above);
  const Verb verb = step.what == Step::kAdd ? Verb::kAdd : step.what == Step::kCas ? Verb::kCas : Verb::kSet;
  return {.verb = verb,
          .flags = encoded.flags,
          .body = std::move(encoded.body),
          .ttl = memcached_ttl(step.ttl, cluster_.clock().now()),
          .unique = unique};
}

bool Records::fits(const Place& place, std::string_view payload) const {
  const std::string& key = place.key.bytes();
  constexpr std::size_t kOtherFields = 64;
  if (payload.size() > kMaxPayload) return false;
  if (cluster_.fits(place.name, key.size() + payload.size() + kOtherFields)) return true;
  // Compression may make it fit. CACHED is the state with the most fields.
  const Record record{.state = State::kCached, .payload = std::string(payload)};
  return cluster_.fits(place.name, encode(record, key, cluster_.config().compress_above).body.size());
}

void Records::round_trip(std::vector<Entry>& entries, std::vector<Step>& steps, std::span<PlainItem> plain) {
  std::vector<Command> commands;
  std::vector<Entry*> asked;
  std::vector<PlainItem*> asked_plain;
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
  for (PlainItem& entry : plain) {
    if (!entry.wanted) continue;
    Command& command = commands.emplace_back();
    command.server = entry.server;
    command.name = entry.name;
    if (entry.answered) command.store = new_tag(Verb::kAdd, entry.timeout, cluster_.clock().now());
    asked_plain.push_back(&entry);
  }
  std::size_t inflated = kMostInflated;
  connections_.mine().round_trip(commands, [&](std::size_t i, const Item& item) {
    if (i < asked.size()) {
      asked[i]->seen = see(*asked[i], item, inflated);
    } else if (!item.too_large) {
      PlainItem& found = *asked_plain[i - asked.size()];
      const std::string_view body = found.tag ? item.body : raw_value_of(item.flags, item.body);
      found.found = {std::string(body), to_token(item.unique)};
    }
  });
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (!commands[i].answered) asked[i]->seen = {.what = Seen::kFailed};
  }
  for (std::size_t i = 0; i < asked_plain.size(); ++i) {
    PlainItem& entry = *asked_plain[i];
    const bool first = !entry.answered;
    entry.answered = commands[asked.size() + i].answered;
    entry.wanted = first && entry.answered && !entry.found && entry.tag;
  }
}

void Records::converge(std::vector<Entry>& entries, int rounds, Decide decide, std::span<PlainItem> plain) {
  std::vector<Step> steps(entries.size());
  for (int round = 0;; ++round) {
    bool finished = std::ranges::none_of(plain, &PlainItem::wanted);
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

}  // namespace ndb::memcache
