#include "context/context_cache.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/status_macros.h"

namespace ndb::context {
namespace {

// Each half of the written floors has at most this many.
constexpr std::size_t kWrittenFloors = 16'384;

std::size_t footprint(const Key& key, const detail::PayloadPtr& payload) {
  return key.bytes().size() + (payload ? payload->footprint() : 0);
}

}  // namespace

absl::StatusOr<detail::PayloadPtr> as_class(const Key& key, const detail::PayloadPtr& payload,
                                            const detail::ModelInfo& info) {
  if (!payload || detail::is_a(payload->info(), info)) return payload;
  NDB_ASSIGN_OR_RETURN(const std::string entity, detail::encode_entity(key, *payload.get()));
  NDB_ASSIGN_OR_RETURN(detail::PayloadPtr converted, detail::decode_entity(info, key, entity));
  converted->set_version(payload->version());
  return converted;
}

const ContextCache::Slot* ContextCache::find(const Key& key) {
  const auto found = slots_.find(key);
  if (found == slots_.end()) return nullptr;
  order_.touch(found->second);
  return &found->second;
}

KnownEntity ContextCache::find_as(const Key& key, const detail::ModelInfo& info, WallTime oldest) {
  const Slot* slot = find(key);
  if (slot == nullptr || slot->read_time < oldest) return {};
  return {true, as_class(key, slot->payload, info)};
}

const ContextCache::Slot* ContextCache::store_read(const Key& key, Slot read, std::uint64_t generation) {
  if (generation != generation_) return nullptr;
  if (const auto found = slots_.find(key); found != slots_.end() && found->second.version >= read.version) {
    Node& slot = found->second;
    if (slot.version == read.version) {
      slot.read_time = std::max(slot.read_time, read.read_time);
      slot.cas_hint = read.cas_hint;
    }
    return &slot;
  }
  if (read.version < floor(key)) return nullptr;
  return &assign(key, std::move(read));
}

void ContextCache::store_written(const Key& key, Slot written) {
  const std::uint64_t version = written.version;
  if (version != 0 && floor(key) > version) {
    // The floor may belong to another key with the same hash.
    if (const auto slot = slots_.find(key); slot != slots_.end() && slot->second.version < version) erase(key);
    return;
  }
  assign(key, std::move(written));
  raise_floor(key, version);
}

ContextCache::Node& ContextCache::assign(const Key& key, Slot slot) {
  auto [entry, added] = slots_.try_emplace(key);
  Node& node = entry->second;
  static_cast<Slot&>(node) = std::move(slot);
  if (added) {
    node.key = &entry->first;
    order_.add(node, key.hash(), footprint(key, node.payload));
  } else {
    order_.touch(node);
    order_.resize(node, footprint(key, node.payload));
  }
  // The slot that was just assigned stays, however large it is, because the caller is about to use it.
  while (Node* const next = order_.excess()) {
    if (next == &node) break;
    order_.remove(*next);
    slots_.erase(slots_.find(*next->key));
  }
  return node;
}

void ContextCache::erase(const Key& key) {
  const auto found = slots_.find(key);
  if (found == slots_.end()) return;
  order_.remove(found->second);
  slots_.erase(found);
}

void ContextCache::invalidate(const Key& key) {
  erase(key);
  ++generation_;
}

void ContextCache::clear() {
  ++generation_;
  order_.clear();
  slots_.clear();
}

memcache::CasHint ContextCache::cas_hint(const Key& key) const {
  const auto slot = slots_.find(key);
  return slot == slots_.end() ? memcache::CasHint() : slot->second.cas_hint;
}

std::uint64_t ContextCache::floor(const Key& key) const {
  std::uint64_t version = 0;
  if (const auto slot = slots_.find(key); slot != slots_.end()) version = slot->second.version;
  for (const auto* floors : {&written_, &written_before_}) {
    if (const auto floor = floors->find(key.hash()); floor != floors->end()) version = std::max(version, floor->second);
  }
  return version;
}

void ContextCache::raise_floor(const Key& key, std::uint64_t version) {
  if (version == 0) return;
  if (written_.size() >= kWrittenFloors) written_before_ = std::exchange(written_, {});
  std::uint64_t& floor = written_[key.hash()];
  floor = std::max(floor, version);
}

void ContextCache::mark_uncertain(const Key& key) {
  erase(key);
  uncertain_.insert(key);
}

bool ContextCache::is_uncertain(const Key& key) const { return !uncertain_.empty() && uncertain_.contains(key); }

void ContextCache::set_limit(std::size_t entries, std::size_t bytes) {
  max_entries_ = entries;
  max_bytes_ = bytes;
  order_.set_limit(entries, bytes);
  while (Node* const next = order_.excess()) {
    order_.remove(*next);
    slots_.erase(slots_.find(*next->key));
  }
}

void ContextCache::for_each(const std::function<void(const Key&, const Slot&)>& visit) const {
  for (const auto& [key, node] : slots_) visit(key, node);
}

}  // namespace ndb::context
