// The description of a model class that does not depend on its type, and the registry by kind. Not for users.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/detail/checks.h"
#include "ndb/detail/codec.h"
#include "ndb/detail/payload.h"
#include "ndb/key.h"
#include "ndb/options.h"

namespace ndb {
class Handle;
struct Committed;
}  // namespace ndb

namespace ndb::detail {

// A class flag: a constant, no opinion, or (`ask` is set) a callable that takes the key. It is called like a function
// in any case; a constant costs no call.
template <class T>
struct ClassFlag {
  std::optional<T> constant{};
  std::optional<T> (*ask)(const Key&) = nullptr;
  std::optional<T> operator()(const Key& key) const { return ask != nullptr ? ask(key) : constant; }
};

struct ModelInfo {
  std::string_view kind{};  // empty if any_kind
  bool any_kind = false;    // ndb::Entity: reads every kind; has no flags and no hooks
  Preparation preparation = Preparation::kNone;
  bool legacy_data = false;              // structs are written in NDB's older layout
  bool keep_unknown = true;              // properties that the class does not know are kept, and written back
  const Table& (*table)() = nullptr;     // null if any_kind
  Payload* (*make_payload)() = nullptr;  // default values, unowned

  // Only for a PolyModel: its name in the property `class`, and the class that it extends, null for the root.
  // `class_name` is empty for other models.
  std::string_view class_name{};
  const ModelInfo* poly_base = nullptr;

  ClassFlag<bool> use_cache{}, use_memcache{}, use_datastore{}, write_through{}, best_effort{}, use_shared_cache{};
  ClassFlag<Timeout> memcache_timeout{};

  // The hooks, null where the class has none (see ndb/model.h). pre_put may change the handle that it is given; all
  // hooks may throw, and exceptions of post hooks are logged.
  void (*pre_get)(const Key&) = nullptr;
  void (*post_get)(const Key&, const absl::Status&) = nullptr;
  void (*pre_put)(Handle&) = nullptr;
  void (*post_put)(const Handle&, const absl::Status&) = nullptr;
  void (*pre_delete)(const Key&) = nullptr;
  void (*post_delete)(const Key&, const absl::Status&) = nullptr;
  void (*post_commit_put)(const Handle&, const Committed&) = nullptr;
  void (*post_commit_delete)(const Key&) = nullptr;
  void (*pre_allocate_ids)(int count, const Key& parent) = nullptr;
  void (*post_allocate_ids)(int count, const Key& parent, const absl::Status&) = nullptr;
};

// Defined by ndb/model.h for model classes and by ndb/entity.h.
template <class M>
const ModelInfo& info();

// The class of a kind, for PolyModels the root; null if there is none. KindError if two registered classes of the kind
// differ in a flag. Takes no lock. Thread-safe.
absl::StatusOr<const ModelInfo*> find_model(std::string_view kind);

// The PolyModel of a kind that has this name, null if there is none. Likewise.
const ModelInfo* find_poly_model(std::string_view kind, std::string_view class_name);

// Whether a payload of `info` is also one of `base`: the same class, or a PolyModel that extends it.
inline bool is_a(const ModelInfo& info, const ModelInfo& base) {
  const ModelInfo* i = &info;
  while (i != nullptr && i != &base) i = i->poly_base;
  return i != nullptr;
}
inline bool is_poly(const ModelInfo& info) { return !info.class_name.empty(); }
std::vector<std::string_view> class_names(const ModelInfo& info);  // from the root to it

// OK if entities of `key` can be read as the class `info`; KindError, which names both kinds, otherwise.
absl::Status check_kind(const Key& key, const ModelInfo& info);

// Prepares the payload for a put at `now`: sets auto_now properties, and runs validators and checks. Detaches it if it
// is changed. BadValueError, which names model, property and value.
absl::Status before_put(PayloadPtr& payload, const Key& key, Timestamp now);

// A class in the registry; lives as long as the program. Model classes make theirs before main.
class Registration {
 public:
  explicit Registration(const ModelInfo& info);
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  friend absl::StatusOr<const ModelInfo*> find_model(std::string_view kind);
  friend const ModelInfo* find_poly_model(std::string_view kind, std::string_view class_name);
  const ModelInfo* info_;
  const Registration* next_ = nullptr;
  bool disputed_ = false;  // an earlier class of this kind has other flags; set before this one is visible
};

// The memory of the properties of a payload beyond their sizeof, estimated.
std::size_t heap_bytes(const ModelInfo& info, const void* properties);

// The payload that holds `P`.
template <class P>
class PayloadOf final : public Payload {
 public:
  PayloadOf(const ModelInfo& info, P properties) : Payload(info), properties_(std::move(properties)) {}
  Payload* clone() const override { return new PayloadOf(*this); }
  void* properties() override { return &properties_; }
  std::size_t footprint() const override {
    return sizeof(*this) + heap_bytes(info(), &properties_) + unknown().heap_bytes();
  }

 private:
  P properties_;
};

}  // namespace ndb::detail
