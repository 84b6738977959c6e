// From a model class to its ModelInfo. Not for users.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/detail/model_info.h"
#include "ndb/detail/property_traits.h"
#include "ndb/handle.h"
#include "ndb/property.h"

namespace ndb {
template <class D, class Base>
class PolyModel;
}

namespace ndb::detail {

template <auto*>
struct Touch {};
template <auto* A, auto* B>
inline constexpr bool kSame = std::same_as<Touch<A>, Touch<B>>;

template <class D>
  requires requires { typename D::ndb_base; }
const ModelInfo& info();

template <class D>
constexpr ModelInfo describe();

// BadKeyError if an entity of the class cannot have this key.
void check_own_key(const Key& key, const ModelInfo& info);

template <class D>
inline constexpr bool kIsRoot = std::same_as<typename D::ndb_base, Handle>;

template <class D>
constexpr auto all_fields() {
  if constexpr (kIsRoot<D>) {
    return D::ndb_fields();
  } else {
    return all_fields<typename D::ndb_base>() + D::ndb_fields();
  }
}

// Whether a model class is what its base takes it for. `class Vote : public ndb::Model<Item>` would make Items.
template <class D>
inline constexpr bool kNamesItself = std::same_as<typename D::ndb_model, D>;

template <class D>
inline constexpr bool kIsPoly =
    requires { requires std::same_as<typename D::ndb_poly, PolyModel<D, typename D::ndb_base>>; };

template <class D>
constexpr std::string_view class_name_of() {
  if constexpr (!kSame<&D::_class_name, &D::ndb_base::_class_name>) {  // declared by D itself
    return D::_class_name;
  } else {
    static_assert(!class_name<D>().empty(), "ndb: a PolyModel that is a template must declare _class_name.");
    return class_name<D>();
  }
}

template <class D>
const Table& model_table() {
  // Never destroyed, like what it refers to: destructors of static objects may read and write entities.
  static const Table& table =
      *std::make_unique<const Table>([] {
         std::vector<PropertyRow> rows = make_rows<typename D::Properties>(all_fields<D>());
         if constexpr (kIsPoly<D>) {
           rows.insert(
               rows.begin(),
               {.name = "class",
                .compute =
                    [](Encoder& out, const void*, bool indexed) {
                      static const auto& names = *[] {
                        const auto all = class_names(info<D>());
                        return std::make_unique<const std::vector<std::string>>(all.begin(), all.end()).release();
                      }();
                      Codec<std::vector<std::string>>::encode(out, names, indexed);
                    },
                .field = "class"});
         }
         return rows;
       }())
           .release();
  return table;
}

template <class D>
constexpr std::string_view kind_of() {
  if constexpr (kIsPoly<D> && !kIsRoot<D>) {
    return kind_of<typename D::ndb_base>();
  } else if constexpr (!kSame<&D::_kind, &D::ndb_base::_kind>) {  // declared by D itself
    return D::_kind;
  } else {
    static_assert(!class_name<D>().empty(), "ndb: a model that is a template must declare _kind.");
    return class_name<D>();
  }
}

// ---- Flags

template <class T>
using FlagConstant = std::conditional_t<std::same_as<T, bool>, Flag, Timeout>;

template <class T, class V>
consteval bool is_flag() {
  if constexpr (std::invocable<const V&, const Key&>) {
    return is_flag<T, std::remove_cvref_t<std::invoke_result_t<const V&, const Key&>>>();
  } else if constexpr (kIsOptional<V>) {
    return is_flag<T, typename V::value_type>();
  } else {
    return std::same_as<V, std::nullopt_t> || std::convertible_to<V, FlagConstant<T>>;
  }
}

template <class T, class V>
constexpr std::optional<T> answer(const V& flag, const Key* key) {
  if constexpr (std::same_as<V, std::nullopt_t>) {
    return std::nullopt;
  } else if constexpr (std::invocable<const V&, const Key&>) {
    return answer<T>(flag(*key), nullptr);
  } else if constexpr (kIsOptional<V>) {
    return flag ? answer<T>(*flag, nullptr) : std::nullopt;
  } else if constexpr (std::same_as<T, bool>) {
    return Flag(flag).value;
  } else {
    return Timeout(flag);
  }
}

// From the address of a model's flag. (A private one is an error here.)
template <class T, auto* F>
constexpr ClassFlag<T> class_flag() {
  using V = std::decay_t<decltype(*F)>;
  if constexpr (std::same_as<V, Unset>) {
    return {};
  } else if constexpr (!is_flag<T, V>()) {
    static_assert(kNever<V>,
                  "ndb: a class flag is a bool (_memcache_timeout: seconds), a std::optional of it, or a callable that "
                  "takes a const ndb::Key& and returns one of these.");
    return {};
  } else if constexpr (std::invocable<const V&, const Key&>) {
    return {.constant = std::nullopt, .ask = [](const Key& key) { return answer<T, V>(*F, &key); }};
  } else {
    return {.constant = answer<T, V>(*F, nullptr), .ask = nullptr};
  }
}

// A flag that is no policy: a plain bool.
template <class D, auto* F>
consteval bool constant_flag(bool fallback) {
  using V = std::decay_t<decltype(*F)>;
  static_assert(std::same_as<V, Unset> || std::same_as<V, bool>, "ndb: _legacy_data and _keep_unknown are bools.");
  if constexpr (std::same_as<V, bool>) return *F;
  return fallback;
}

// ---- Hooks

// A model of class D that borrows the insides of a handle, so that a hook of D can be called on it.
template <class D>
class Lent {
 public:
  explicit Lent(Handle& handle) : handle_(handle) { static_cast<Handle&>(model) = std::move(handle); }
  ~Lent() { handle_ = std::move(static_cast<Handle&>(model)); }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  D model;

 private:
  Handle& handle_;
};

template <class D>
constexpr void add_hooks(ModelInfo& info) {
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_pre_get_hook)>; }) {
    static_assert(
        requires(const Key& key) { D::_pre_get_hook(key); },
        "ndb: _pre_get_hook must be public and static and take a const ndb::Key&.");
    info.pre_get = [](const Key& key) { D::_pre_get_hook(key); };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_post_get_hook)>; }) {
    static_assert(
        requires(const Key& key, const absl::Status& status) { D::_post_get_hook(key, status); },
        "ndb: _post_get_hook must be public and static and take (const ndb::Key&, const absl::Status&).");
    info.post_get = [](const Key& key, const absl::Status& status) { D::_post_get_hook(key, status); };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_pre_delete_hook)>; }) {
    static_assert(
        requires(const Key& key) { D::_pre_delete_hook(key); },
        "ndb: _pre_delete_hook must be public and static and take a const ndb::Key&.");
    info.pre_delete = [](const Key& key) { D::_pre_delete_hook(key); };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_post_delete_hook)>; }) {
    static_assert(
        requires(const Key& key, const absl::Status& status) { D::_post_delete_hook(key, status); },
        "ndb: _post_delete_hook must be public and static and take (const ndb::Key&, const absl::Status&).");
    info.post_delete = [](const Key& key, const absl::Status& status) { D::_post_delete_hook(key, status); };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_pre_allocate_ids_hook)>; }) {
    static_assert(
        requires(int count, const Key& parent) { D::_pre_allocate_ids_hook(count, parent); },
        "ndb: _pre_allocate_ids_hook must be public and static and take (int count, const ndb::Key& parent).");
    info.pre_allocate_ids = [](int count, const Key& parent) { D::_pre_allocate_ids_hook(count, parent); };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_post_allocate_ids_hook)>; }) {
    static_assert(
        requires(int count, const Key& parent, const absl::Status& status) {
          D::_post_allocate_ids_hook(count, parent, status);
        },
        "ndb: _post_allocate_ids_hook must be public and static and take (int count, const ndb::Key& parent, const "
        "absl::Status&).");
    info.post_allocate_ids = [](int count, const Key& parent, const absl::Status& status) {
      D::_post_allocate_ids_hook(count, parent, status);
    };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_pre_put_hook)>; }) {
    static_assert(
        requires(D& model) { model._pre_put_hook(); },
        "ndb: _pre_put_hook must be a public member function without parameters.");
    info.pre_put = [](Handle& handle) { Lent<D>(handle).model._pre_put_hook(); };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_post_put_hook)>; }) {
    static_assert(
        requires(const D& model, const absl::Status& status) { model._post_put_hook(status); },
        "ndb: _post_put_hook must be a public const member function that takes a const absl::Status&.");
    info.post_put = [](const Handle& handle, const absl::Status& status) {
      HandleAccess::wrap<D>(handle.key(), HandleAccess::payload(handle))._post_put_hook(status);
    };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_post_commit_put_hook)>; }) {
    static_assert(
        requires(const D& model, const Committed& committed) { model._post_commit_put_hook(committed); },
        "ndb: _post_commit_put_hook must be a public const member function that takes a const ndb::Committed&.");
    info.post_commit_put = [](const Handle& handle, const Committed& committed) {
      HandleAccess::wrap<D>(handle.key(), HandleAccess::payload(handle))._post_commit_put_hook(committed);
    };
  }
  if constexpr (!requires { requires std::same_as<const Unset, decltype(D::_post_commit_delete_hook)>; }) {
    static_assert(
        requires(const Key& key) { D::_post_commit_delete_hook(key); },
        "ndb: _post_commit_delete_hook must be public and static and take a const ndb::Key&.");
    info.post_commit_delete = [](const Key& key) { D::_post_commit_delete_hook(key); };
  }
}

// Whether D inherits what is asked by kind, before it is known of which class an entity is.
template <class D>
consteval bool inherits_what_is_of_the_kind() {
  using B = typename D::ndb_base;
  return kSame<&D::_kind, &B::_kind> && kSame<&D::_use_cache, &B::_use_cache> &&
         kSame<&D::_use_memcache, &B::_use_memcache> && kSame<&D::_use_datastore, &B::_use_datastore> &&
         kSame<&D::_memcache_timeout, &B::_memcache_timeout> && kSame<&D::_write_through, &B::_write_through> &&
         kSame<&D::_best_effort, &B::_best_effort> && kSame<&D::_use_shared_cache, &B::_use_shared_cache> &&
         kSame<&D::_pre_get_hook, &B::_pre_get_hook> && kSame<&D::_post_get_hook, &B::_post_get_hook> &&
         kSame<&D::_pre_delete_hook, &B::_pre_delete_hook> && kSame<&D::_post_delete_hook, &B::_post_delete_hook> &&
         kSame<&D::_post_commit_delete_hook, &B::_post_commit_delete_hook> &&
         kSame<&D::_pre_allocate_ids_hook, &B::_pre_allocate_ids_hook> &&
         kSame<&D::_post_allocate_ids_hook, &B::_post_allocate_ids_hook>;
}

template <class D>
inline constexpr ModelInfo kInfo = describe<D>();

template <class D>
constexpr void add_poly(ModelInfo& info) {
  static_assert(good_class_property(all_fields<D>()),
                "ndb: a PolyModel has the property \"class\" already; store yours under another name.");
  info.class_name = class_name_of<D>();
  if constexpr (!kIsRoot<D>) {
    static_assert(kIsPoly<typename D::ndb_base>, "ndb: a PolyModel extends another PolyModel, or nothing.");
    static_assert(std::derived_from<typename D::Properties, typename D::ndb_base::Properties>,
                  "ndb: Properties must derive from those of the class that is extended.");
    static_assert(
        inherits_what_is_of_the_kind<D>(),
        "ndb: class flags, _kind, and hooks of get, delete and allocate_ids belong to a whole kind; declare them in "
        "the root of the PolyModels.");
    info.poly_base = &kInfo<typename D::ndb_base>;
  }
}

template <class D>
constexpr ModelInfo describe() {
  using P = typename D::Properties;
  static_assert(requires { D::ndb_fields(); }, "ndb: a model class lists its properties: NDB_MODEL(name, age).");
  static_assert(std::is_aggregate_v<P>, "ndb: Properties must be an aggregate: public fields, no constructors.");
  static_assert(stored(D::ndb_fields()) + !kIsRoot<D> == field_count<P>(),  // a base class counts as one field
                "ndb: NDB_MODEL must list every field of Properties, and nothing else.");
  static_assert(good_names(all_fields<D>()),
                "ndb: stored names must differ, have no dot, and not be of the form __x__.");
  static_assert(!requires { D::_use_global_cache; }, "ndb: _use_global_cache is called _use_memcache here.");
  static_assert(
      !requires { D::_global_cache_timeout; }, "ndb: _global_cache_timeout is called _memcache_timeout here.");
  static_assert(sizeof(D) == sizeof(Handle),
                "ndb: a model class has no data members of its own; put them into Properties.");
  ModelInfo info{
      .kind = kind_of<D>(),
      .preparation = preparation_of(all_fields<D>()),
      .legacy_data = constant_flag<D, &D::_legacy_data>(false),
      .keep_unknown = constant_flag<D, &D::_keep_unknown>(true),
      .table = &model_table<D>,
      .make_payload = []() -> Payload* { return new PayloadOf<P>(detail::info<D>(), P{}); },
      .use_cache = class_flag<bool, &D::_use_cache>(),
      .use_memcache = class_flag<bool, &D::_use_memcache>(),
      .use_datastore = class_flag<bool, &D::_use_datastore>(),
      .write_through = class_flag<bool, &D::_write_through>(),
      .best_effort = class_flag<bool, &D::_best_effort>(),
      .use_shared_cache = class_flag<bool, &D::_use_shared_cache>(),
      .memcache_timeout = class_flag<Timeout, &D::_memcache_timeout>(),
  };
  if constexpr (kIsPoly<D>) add_poly<D>(info);
  add_hooks<D>(info);
  return info;
}

// A constructor, because D is complete by the time that its body is compiled.
template <class D>
struct Registered : Registration {
  Registered() : Registration(kInfo<D>) {}
};

template <class D>
  requires requires { typename D::ndb_base; }
const ModelInfo& info() {
  return kInfo<D>;
}

}  // namespace ndb::detail
