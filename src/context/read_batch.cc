#include "context/read_batch.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/time_left.h"
#include "context/wire_time.h"
#include "memcache/time_limit.h"
#include "model/limits.h"

namespace ndb::context {
namespace {

constexpr std::size_t kLookupBytes = 8 * 1024 * 1024;  // of the keys of a Lookup: well below what a request may have

// The keys of a Lookup that have not been answered yet. Servers answer in the order of the request, with missing
// entities in a list of their own, so the next key is nearly always the one searched for and no map is needed.
class Unanswered {
 public:
  explicit Unanswered(std::vector<std::pair<const Key*, std::size_t>> keys) : keys_(std::move(keys)) {}

  // Removes `key` and returns its entry; nullopt for a key that was not requested.
  std::optional<std::size_t> take(const Key& key) {
    for (std::size_t tried = 0; tried < keys_.size(); ++tried, next_ = (next_ + 1) % keys_.size()) {
      auto& [wanted, entry] = keys_[next_];
      if (wanted != nullptr && *wanted == key) {
        wanted = nullptr;
        return entry;
      }
    }
    return std::nullopt;
  }
  std::vector<std::size_t> rest() const {
    std::vector<std::size_t> entries;
    for (const auto& [key, entry] : keys_) {
      if (key != nullptr) entries.push_back(entry);
    }
    return entries;
  }

 private:
  std::vector<std::pair<const Key*, std::size_t>> keys_;
  std::size_t next_ = 0;
};

// Whether the bytes are those of the entity `key`, or have no key at all. The key is their first field.
bool is_entity_of(const Key& key, std::string_view entity) {
  const std::string& bytes = key.bytes();
  constexpr std::size_t kShort = 0x80;  // lengths below it take one byte
  if (bytes.size() < kShort && entity.size() > bytes.size() + 2 && entity[0] == '\x0A' &&
      entity[1] == static_cast<char>(bytes.size()) && entity.substr(2, bytes.size()) == bytes) {
    return true;
  }
  const absl::StatusOr<Key> inner = detail::entity_key(entity);
  return !inner.ok() || *inner == key;
}

}  // namespace

bool ReadBatch::add(const std::shared_ptr<detail::ReadOp>& op, const CallPolicy& policy) {
  const auto [position, added] = by_key_.try_emplace(op->key, entries_.size());
  if (!added) {
    Entry& entry = entries_[position->second];
    const bool same_way = entry.policy.memcache == policy.memcache && entry.policy.datastore == policy.datastore &&
                          entry.policy.timeout == policy.timeout && entry.policy.oldest == policy.oldest;
    if (same_way) entry.waiters.push_back({op, policy.cache});
    return same_way;
  }
  Entry& entry = entries_.emplace_back();
  entry.policy = policy;
  entry.waiters.push_back({op, policy.cache});
  return true;
}

void ReadBatch::ask(std::vector<memcache::ReadRequest>& requests) {
  by_key_.clear();
  rpc_ = rpc_.begin();
  if (const absl::Status over = check(rpc_.bounds.get()); !over.ok()) {
    Chunk all(entries_.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return fail(all, over);
  }
  generation_ = workspace_->cache.generation();
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    const bool serves = entry.policy.memcache && workspace_->gateway() != nullptr &&
                        (transaction_.empty() || !entry.policy.datastore) &&
                        !workspace_->cache.is_uncertain(entry.key());
    (serves ? asked_ : rest_).push_back(i);
    if (!serves) continue;
    entry.share = entry.policy.shared && !rpc_.eventual;
    requests.push_back({.key = entry.key(),
                        .floor = workspace_->cache.floor(entry.key()),
                        .oldest = entry.policy.oldest,
                        .lease = entry.policy.datastore && !rpc_.eventual,
                        .cached_only = !entry.policy.datastore,
                        .known = entry.share ? find_shared(entry) : 0});
  }
}

std::uint64_t ReadBatch::find_shared(Entry& entry) const {
  std::uint64_t version = 0;
  workspace_->tiers->shared->visit(entry.key().bytes(), entry.key().hash(), [&](const SharedEntity& shared) {
    const auto fits = [&](const Waiter& waiter) { return detail::is_a(shared.payload->info(), *waiter.op->info); };
    if (!std::ranges::all_of(entry.waiters, fits)) return;
    entry.shared = shared.payload;
    version = shared.version;
  });
  return version;
}

// False: a hit that is not served, because it is another entity's or can't be decoded. The Datastore is asked instead.
// Bytes that are no entity, or another one, are discarded so that nobody finds them again; an entity that does not fit
// a class of this program may fit those of others and stays.
bool ReadBatch::serve(Entry& entry, memcache::ReadResult& result) {
  const bool hit = result.outcome == memcache::ReadOutcome::kHit;
  absl::Status unfit;
  const Result served{.entity = hit ? &result.payload : nullptr,
                      .version = result.version,
                      .read_time = result.read_time,
                      .cas_hint = result.cas_hint,
                      .shared = result.unchanged ? std::move(entry.shared) : detail::PayloadPtr()};
  if (hit && !result.unchanged && !is_entity_of(entry.key(), result.payload)) {
    unfit = absl::DataLossError("the record holds another entity");
  } else {
    unfit = resolve(entry, served, entry.policy.datastore);
  }
  if (absl::IsDataLoss(unfit)) workspace_->gateway()->discard({&entry.key(), 1});
  if (!unfit.ok()) return false;
  ++workspace_->counts->memcache_hits;
  if (result.unchanged) ++workspace_->counts->shared_hits;
  if (workspace_->tiers->probe != nullptr && entry.policy.datastore) {
    workspace_->tiers->probe->hit(entry.key(), result.version);
  }
  return true;
}

void ReadBatch::received(std::span<memcache::ReadResult> results) {
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    Entry& entry = entries_[asked_[i]];
    memcache::ReadResult& result = results[i];
    const bool hit = result.outcome == memcache::ReadOutcome::kHit,
               absent = result.outcome == memcache::ReadOutcome::kAbsent;
    if ((hit || absent) && serve(entry, result)) continue;
    if (!entry.policy.datastore && result.outcome == memcache::ReadOutcome::kBypass) {
      fail({asked_[i]},
           absl::UnavailableError("memcached does not answer, or may not be used while programs disagree on "
                                  "its servers; the entity lives there alone, so whether it exists is "
                                  "not known: retry"));
      continue;
    }
    entry.lease = std::move(result.lease);
    rest_.push_back(asked_[i]);
  }
  lookup(rest_);
}

void ReadBatch::lookup(const std::vector<std::size_t>& rest) {
  const Monotonic latest = rpc_.bounds != nullptr ? rpc_.bounds->deadline() : Monotonic::max();
  const datastore::Pace pace(rpc_.call(), EventLoop::current().now(), latest);
  Chunk chunk;
  std::size_t bytes = 0;
  for (const std::size_t i : rest) {
    const Entry& entry = entries_[i];
    if (!entry.policy.datastore) {
      // There is no other tier. That memcache has no record does not prove that the entity is absent, so no negative
      // entry is cached and the next read looks again.
      for (const Waiter& waiter : entry.waiters) waiter.op->finish({});
      continue;
    }
    const std::size_t size = entry.key().bytes().size();
    if (chunk.size() == kMaxLookupKeys || bytes + size > kLookupBytes) {
      lookup(std::exchange(chunk, {}), pace);
      bytes = 0;
    }
    chunk.push_back(i);
    bytes += size;
  }
  if (!chunk.empty()) lookup(std::move(chunk), pace);
}

// Sends the next Lookup of these keys: at once, or after a pause if the last one returned none of them.
void ReadBatch::lookup(Chunk chunk, datastore::Pace pace) {
  EventLoop& loop = EventLoop::current();
  const absl::StatusOr<datastore::Pace::Next> next = pace.next(loop.now());
  if (!next.ok()) return fail(chunk, out_of_time(next.status()));
  if (next->pause.count() == 0) return send_lookup(std::move(chunk), pace, next->options);
  workspace_->in_flight->after(
      next->pause, rpc_.bounds,
      [self = shared_from_this(), chunk = std::move(chunk), pace, options = next->options]() mutable {
        self->send_lookup(std::move(chunk), pace, options);
      });
}

// Of a sequence of Lookups.
absl::Status ReadBatch::out_of_time(const absl::Status& status) const {
  const absl::Status over = check(rpc_.bounds.get());
  return annotate(over.ok() ? status : over, "the Datastore has deferred the key again and again");
}

void ReadBatch::send_lookup(Chunk chunk, const datastore::Pace& pace, const datastore::CallOptions& options) {
  if (const absl::Status over = check(rpc_.bounds.get()); !over.ok()) return fail(chunk, over);
  wire::LookupRequest request;
  request.set_database_id(workspace_->database());
  if (!transaction_.empty()) {
    request.mutable_read_options()->set_transaction(transaction_);
  } else if (rpc_.eventual) {
    request.mutable_read_options()->set_read_consistency(wire::ReadOptions::EVENTUAL);
  }
  for (const std::size_t i : chunk) request.add_keys(entries_[i].key().bytes());
  ++workspace_->counts->lookups;
  workspace_->counts->lookup_keys += chunk.size();
  auto done = workspace_->in_flight->on_loop<wire::LookupResponse>(
      rpc_.bounds,
      [self = shared_from_this(), chunk = std::move(chunk), pace](absl::StatusOr<wire::LookupResponse> response) {
        self->answered(chunk, pace, std::move(response));
      });
  workspace_->stub().lookup(std::move(request), within(rpc_.bounds.get(), options), std::move(done));
}

void ReadBatch::answered(const Chunk& chunk, datastore::Pace pace, absl::StatusOr<wire::LookupResponse> response) {
  if (!response.ok()) return fail(chunk, response.status());
  std::vector<std::pair<const Key*, std::size_t>> keys;
  keys.reserve(chunk.size());
  for (const std::size_t i : chunk) keys.emplace_back(&entries_[i].key(), i);
  Unanswered unanswered(std::move(keys));

  const WallTime read_time = to_wall_time(response->read_time());
  std::vector<memcache::Fill> fills;
  const auto take = [&](const wire::EntityResult& found, bool exists) {
    const absl::StatusOr<Key> key = detail::entity_key(found.entity());
    if (!key.ok()) return;
    const auto version = static_cast<std::uint64_t>(std::max<std::int64_t>(found.version(), 0));
    const auto i = unanswered.take(*key);
    if (!i) return;
    Entry& entry = entries_[*i];
    if (entry.lease != nullptr) {
      fills.push_back({.lease = std::move(entry.lease),
                       .version = version,
                       .read_time = read_time,
                       .payload = exists ? std::optional<std::string_view>(found.entity()) : std::nullopt,
                       .timeout = entry.policy.timeout});
    }
    resolve(entry, {exists ? &found.entity() : nullptr, version, read_time}, false).IgnoreError();
  };
  for (const wire::EntityResult& found : response->found()) take(found, true);
  for (const wire::EntityResult& missing : response->missing()) take(missing, false);
  if (!fills.empty()) {
    workspace_->counts->memcache_fills += fills.size();
    const memcache::TimeLimit limit(time_left(rpc_.bounds.get()));
    workspace_->gateway()->fill(fills);
  }

  Chunk deferred;
  for (const std::string& bytes : response->deferred()) {
    const absl::StatusOr<Key> key = Key::from_bytes(bytes);
    if (!key.ok()) continue;
    if (const auto i = unanswered.take(*key)) deferred.push_back(*i);
  }
  if (deferred.size() < chunk.size()) {
    pace.progressed(EventLoop::current().now());
  } else {
    pace.stalled();
  }
  if (!deferred.empty()) lookup(std::move(deferred), pace);
  if (const Chunk lost = unanswered.rest(); !lost.empty()) {
    fail(lost, absl::InternalError("the Datastore's answer to a Lookup leaves the key out"));
  }
}

absl::StatusOr<detail::PayloadPtr> ReadBatch::decode(const Entry& entry, const Result& result,
                                                     const detail::ModelInfo& info) {
  if (result.entity == nullptr) return detail::PayloadPtr();
  if (result.shared) return result.shared;
  NDB_ASSIGN_OR_RETURN(detail::PayloadPtr payload, detail::decode_entity(info, entry.key(), *result.entity, &budget_));
  payload->set_version(result.version);
  if (entry.share && result.version != 0) {
    const std::string& key = entry.key().bytes();
    workspace_->tiers->shared->put(key, entry.key().hash(), {payload, result.version},
                                   key.size() + payload->footprint());
  }
  return payload;
}

absl::Status ReadBatch::resolve(const Entry& entry, const Result& result, bool only_if_readable) {
  // One payload per class, which concurrent reads of a key share.
  absl::InlinedVector<std::pair<const detail::ModelInfo*, absl::StatusOr<detail::PayloadPtr>>, 1> decoded;
  const auto as = [&](const detail::ModelInfo& info) -> const absl::StatusOr<detail::PayloadPtr>& {
    for (const auto& [known, payload] : decoded) {
      if (known == &info) return payload;
    }
    return decoded.emplace_back(&info, decode(entry, result, info)).second;
  };
  if (only_if_readable) {
    for (const Waiter& waiter : entry.waiters) NDB_RETURN_IF_ERROR(as(*waiter.op->info).status());
  }
  for (const Waiter& waiter : entry.waiters) {
    detail::ReadOp& op = *waiter.op;
    const absl::StatusOr<detail::PayloadPtr>& payload = as(*op.info);
    if (!payload.ok()) {
      op.refuse(payload.status());
      continue;
    }
    if (waiter.cache &&
        workspace_->cache.store_read(op.key, {*payload, result.version, result.read_time, result.cas_hint},
                                     generation_) != nullptr) {
      // The slot may hold a newer version than the one that was read, or the same one in a payload that an earlier read
      // returned.
      const auto cached = workspace_->cache.find_as(op.key, *op.info).payload;
      if (cached.ok()) {
        op.finish(*cached);
      } else {
        op.refuse(cached.status());
      }
    } else {
      op.finish(*payload);
    }
  }
  return absl::OkStatus();
}

void ReadBatch::fail(const Chunk& chunk, const absl::Status& status) {
  for (const std::size_t i : chunk) {
    const absl::Status annotated = annotate(status, cat("get of ", entries_[i].key().to_string()));
    for (const Waiter& waiter : entries_[i].waiters) waiter.op->refuse(annotated);
  }
}

}  // namespace ndb::context
