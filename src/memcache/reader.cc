// The reader's side: serve, or lease and fill.

#include <utility>

#include "memcache/memcache_gateway.h"

namespace ndb::memcache {
namespace {

// One round trip to read; one more to make EMPTY what is absent, stale or expired.
constexpr int kReadRounds = 2;

Reading reading_of(const ReadRequest& request) {
  return {.floor = request.floor, .oldest = request.oldest, .lease = request.lease, .cached_only = request.cached_only};
}

bool is_served(const Record& record, const ReadRequest& request, WallTime now) {
  if (is_expired(record, now) || record.read_time < request.oldest) return false;
  if (request.cached_only) return record.state == State::kCached;
  return (record.state == State::kValue || record.state == State::kNeg) && record.version >= request.floor;
}

Outcome outcome_of(const Seen& seen, const ReadRequest& request, WallTime now) {
  switch (seen.what) {
    case Seen::kUnread:
    case Seen::kFailed:
    case Seen::kForeign:
      return Outcome::kBypass;
    case Seen::kAbsent:
      return Outcome::kMiss;
    case Seen::kRecord:
      break;
  }
  if (is_served(seen.record, request, now)) {
    return seen.record.state == State::kNeg ? Outcome::kAbsent : Outcome::kHit;
  }
  return seen.record.state == State::kLock && !request.cached_only ? Outcome::kBypass : Outcome::kMiss;
}

}  // namespace

std::vector<ReadResult> MemcacheGateway::read(std::span<const ReadRequest> requests) {
  std::vector<Entry> entries(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    entries[i].index = i;
    entries[i].place = place(requests[i].key);
  }
  const WallTime time = now();
  converge(entries, kReadRounds, [&](Entry& entry, int round) {
    if (round == 0) return Step{.what = Step::kRead};
    if (round == kReadRounds) return Step{};
    const Reading reading = reading_of(requests[entry.index]);
    if (!reading.cached_only && (entry.seen.is(State::kValue) || entry.seen.is(State::kNeg)) &&
        entry.seen.record.version < reading.floor) {
      ++cluster_->counters().stale;
    }
    return read_step(entry.seen, reading, time);
  });
  std::vector<ReadResult> results(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) finish_read(requests[i], entries[i], results[i]);
  return results;
}

void MemcacheGateway::finish_read(const ReadRequest& request, Entry& entry, ReadResult& result) {
  Counters& counters = cluster_->counters();
  Seen& seen = entry.seen;
  result.outcome = outcome_of(seen, request, now());
  switch (result.outcome) {
    case Outcome::kHit:
    case Outcome::kAbsent:
      ++counters.hits;
      result.version = seen.record.version;
      result.read_time = seen.record.read_time;
      result.payload = std::move(seen.record.payload);
      return;
    case Outcome::kMiss:
      ++counters.misses;
      break;
    case Outcome::kBypass:
      ++counters.bypassed;
      return;
  }
  const bool open = seen.is(State::kEmpty) || seen.is(State::kCached);
  if (!open || !request.lease || request.cached_only || seen.unique.cas == 0) return;
  result.lease = std::make_shared<const Lease>(Lease{
      .place = std::move(entry.place), .unique = seen.unique, .min = std::max(seen.record.version, request.floor)});
}

void MemcacheGateway::fill(std::span<const Fill> fills) {
  Handle& handle = handles_.mine();
  for (const Fill& fill : fills) {
    if (fill.lease == nullptr) continue;
    const auto& [place, unique, min] = *fill.lease;
    std::optional<Step> step = fill_step(min, fill.version, fill.read_time, fill.payload, fill.timeout, now());
    if (!step) continue;
    const Store store = to_store(*std::move(step), place, unique);
    if (!cluster_->fits(place.name, store.body.size()))
      continue;  // stays EMPTY: a refused store could remove the record
    ++cluster_->counters().fills;
    handle.store_quietly(place.server, place.name, store);
  }
}

}  // namespace ndb::memcache
