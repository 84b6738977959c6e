#include "ndb/detail/model_info.h"

#include <array>
#include <functional>

#include "base/error.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "ndb/detail/describe.h"
#include "ndb/entity.h"

namespace ndb::detail {
namespace {

// A hash table of lists that grow only at their heads, so that readers need no lock. It has no dynamic initialisation,
// because classes register before main, in any order.
constexpr std::size_t kBuckets = 256;
constinit std::array<std::atomic<const Registration*>, kBuckets> buckets{};

std::atomic<const Registration*>& bucket(std::string_view kind) {
  return buckets[std::hash<std::string_view>()(kind) % kBuckets];
}

template <class T>
bool same_flag(const ClassFlag<T>& a, const ClassFlag<T>& b) {
  if (a.ask != b.ask || a.constant.has_value() != b.constant.has_value()) return false;
  if constexpr (std::same_as<T, Timeout>) {
    return !a.constant || a.constant->milliseconds == b.constant->milliseconds;
  } else {
    return a.constant == b.constant;
  }
}

bool same_flags(const ModelInfo& a, const ModelInfo& b) {
  return same_flag(a.use_cache, b.use_cache) && same_flag(a.use_memcache, b.use_memcache) &&
         same_flag(a.use_datastore, b.use_datastore) && same_flag(a.write_through, b.write_through) &&
         same_flag(a.best_effort, b.best_effort) && same_flag(a.use_shared_cache, b.use_shared_cache) &&
         same_flag(a.memcache_timeout, b.memcache_timeout);
}

}  // namespace

Registration::Registration(const ModelInfo& info) : info_(&info) {
  static Mutex mutex;
  const MutexLock lock(mutex);
  std::atomic<const Registration*>& head = bucket(info.kind);
  next_ = head.load(std::memory_order_relaxed);
  for (const Registration* other = next_; other != nullptr; other = other->next_) {
    if (other->info_->kind != info.kind) continue;
    disputed_ = other->disputed_ || !same_flags(*other->info_, info);
    break;
  }
  head.store(this, std::memory_order_release);
}

absl::StatusOr<const ModelInfo*> find_model(std::string_view kind) {
  const Registration* found = bucket(kind).load(std::memory_order_acquire);
  while (found != nullptr && (found->info_->kind != kind || found->info_->poly_base != nullptr)) found = found->next_;
  if (found == nullptr) return nullptr;
  if (found->disputed_) {
    return kind_error(cat("two model classes of kind ", quoted(kind),
                          " disagree in their class flags; give both the same flags or different kinds"));
  }
  return found->info_;
}

const ModelInfo* find_poly_model(std::string_view kind, std::string_view class_name) {
  const Registration* found = bucket(kind).load(std::memory_order_acquire);
  while (found != nullptr && (found->info_->kind != kind || found->info_->class_name != class_name))
    found = found->next_;
  return found != nullptr ? found->info_ : nullptr;
}

std::vector<std::string_view> class_names(const ModelInfo& info) {
  std::vector<std::string_view> names;
  for (const ModelInfo* i = &info; i != nullptr; i = i->poly_base) names.insert(names.begin(), i->class_name);
  return names;
}

absl::Status check_kind(const Key& key, const ModelInfo& info) {
  if (info.any_kind || key.kind() == info.kind) return absl::OkStatus();
  return kind_error(cat(key.to_string(), " cannot be read as the model class of kind ", quoted(info.kind)));
}

void check_own_key(const Key& key, const ModelInfo& info) {
  if (key.kind() == info.kind) return;
  throw BadKeyError(cat("an entity of kind ", quoted(info.kind), " cannot have the key ", key.to_string()));
}

absl::Status before_put(PayloadPtr& payload, const Key& key, Timestamp now) {
  const ModelInfo& info = payload->info();
  if (info.preparation == Preparation::kNone) return absl::OkStatus();
  if (info.preparation == Preparation::kChanges) payload.detach();
  return prepare(info.table(), payload->properties(), now, info.kind, key);
}

}  // namespace ndb::detail
