// The reader's part of the protocol: serve, or lease and fill.

#include <utility>

#include "memcache/operations/memcache_gateway.h"
#include "memcache/protocol/sequences.h"

namespace ndb::memcache {
namespace {

Reading reading_of(const ReadRequest& request) {
  return {.floor = request.floor, .oldest = request.oldest, .lease = request.lease, .cached_only = request.cached_only};
}

}  // namespace

std::vector<ReadResult> MemcacheGateway::read(std::span<const ReadRequest> requests, std::span<TagRead> tags,
                                              std::span<RawRead> raw) {
  if (fenced()) return std::vector<ReadResult>(requests.size());  // kBypass, and no tags
  std::vector<Entry> entries(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    entries[i].index = i;
    entries[i].place = records_.place(requests[i].key);
    entries[i].wants_payload = true;
    entries[i].known = requests[i].known;
  }
  const WallTime time = now();
  std::vector<PlainItem> plain;
  plain.reserve(tags.size() + raw.size());
  for (const TagRead& tag : tags) plain.push_back(plain_item(*cluster_, tag));
  for (const RawRead& one : raw) plain.push_back(plain_item(*cluster_, one));
  const auto decide = [&](Entry& entry, int round) {
    const Reading reading = reading_of(requests[entry.index]);
    if (round == 1 && !reading.cached_only && (entry.seen.is(State::kValue) || entry.seen.is(State::kNeg)) &&
        entry.seen.record.version < reading.floor) {
      ++cluster_->counters().stale;
    }
    return read_next(entry.seen, reading, round, time);
  };
  records_.converge(entries, kReadRounds, decide, plain);
  std::vector<ReadResult> results(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) finish_read(requests[i], entries[i], results[i]);
  for (std::size_t i = 0; i < tags.size(); ++i) tags[i].tag = tag_of(plain[i]);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    PlainItem& entry = plain[tags.size() + i];
    if (entry.answered) raw[i].item = std::move(entry.found);
  }
  return results;
}

void MemcacheGateway::finish_read(const ReadRequest& request, Entry& entry, ReadResult& result) {
  Counters& counters = cluster_->counters();
  Seen& seen = entry.seen;
  const Reading reading = reading_of(request);
  result.outcome = outcome_of(seen, reading, now());
  const bool unchanged = request.known != 0 && seen.record.version == request.known;
  if (result.outcome == ReadOutcome::kHit && seen.record.payload_left_out && !unchanged) {
    result.outcome = ReadOutcome::kBypass;
  }
  switch (result.outcome) {
    case ReadOutcome::kHit:
    case ReadOutcome::kAbsent:
      ++counters.hits;
      result.version = seen.record.version;
      result.read_time = seen.record.read_time;
      result.payload = std::move(seen.record.payload);
      result.unchanged = result.outcome == ReadOutcome::kHit && seen.record.payload_left_out;
      result.cas_hint = {seen.record.version, seen.unique.epoch, seen.unique.cas};
      return;
    case ReadOutcome::kMiss:
      ++counters.misses;
      break;
    case ReadOutcome::kBypass:
      ++counters.bypassed;
      return;
  }
  if (const std::optional<std::uint64_t> min = lease_min(seen, reading)) {
    result.lease = std::make_shared<const Lease>(Lease{
        .place = std::move(entry.place), .unique = seen.unique, .min = *min, .since = cluster_->clock().monotonic()});
  }
}

// A time-out bounds the age of what is served, so it counts from before the Datastore was asked.
void MemcacheGateway::fill(std::span<const Fill> fills) {
  ThreadConnections& connections = connections_.mine();
  const Monotonic clock = cluster_->clock().monotonic();
  for (const Fill& fill : fills) {
    if (fill.lease == nullptr || (fill.payload && fill.payload->size() > kMaxPayload)) continue;
    const auto& [place, unique, min, since] = *fill.lease;
    const WallTime leased = now() - std::chrono::floor<std::chrono::microseconds>(clock - since);
    std::optional<Step> step = fill_step(min, fill.version, fill.read_time, fill.payload, fill.timeout, leased);
    if (!step || is_expired(step->record, now())) continue;
    const Store store = records_.to_store(*std::move(step), place, unique);
    if (!cluster_->fits(place.name, store.body.size()))
      continue;  // stays EMPTY: a refused store could remove the record
    ++cluster_->counters().fills;
    connections.store_quietly(place.server, place.name, store);
  }
}

}  // namespace ndb::memcache
