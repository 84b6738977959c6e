// ndb::Model: entities with a C++ class. The guide shows how one is written; in short:
//
//   class Account : public ndb::Model<Account> {
//    public:
//     struct Properties {            // a plain aggregate; every field has an initializer
//       std::string name{};
//       std::int64_t age = 0;
//       std::string initial() const { return name.substr(0, 1); }  // computed: stored for queries, never read back
//     };
//     NDB_MODEL(name, (age, .name = "a", .indexed = false), initial)
//   };
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/detail/describe.h"
#include "ndb/filter.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/macros.h"
#include "ndb/options.h"
#include "ndb/property.h"
#include "ndb/value.h"

namespace ndb {

template <class M>
class Query;  // ndb/query.h
template <class M>
class GqlQuery;  // ndb/gql.h

// An id as an argument: a name or a number.
struct SomeId {
  // BadKeyError for 0 or a name that no key can have when a key is made of it.
  template <class S>
    requires std::is_convertible_v<const S&, std::string_view>
  SomeId(const S& name) : id(ndb::id(std::string_view(name))) {}
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  SomeId(I number) : id(static_cast<std::int64_t>(number)) {}
  Id id;  // what it is
};

// What insert_or_get() returns.
template <class M>
struct Inserted {
  M entity = M();         // the one that is stored
  bool inserted = false;  // true: by this call, or, in a running transaction, by its commit
};

// The base of model classes. A model class has no data of its own beside what Handle has.
//
// D may declare these as public static members unless noted otherwise. A private one is an error; one whose name is
// misspelt is a member like any other and has no effect.
//
// - `_kind`: a string, the kind; default: the class name without its namespaces.
// - `_use_cache`, `_use_memcache`, `_use_datastore`, `_write_through`, `_best_effort`, `_use_shared_cache`: a bool, or
//   a callable from const Key& to bool or optional<bool>.
// - `_memcache_timeout`: seconds, 0 = unlimited; or a callable likewise.
// - `_keep_unknown`: false: a put drops the stored properties that the class does not have, instead of keeping them.
// - `_legacy_data`: true: structs are written as older NDB reads them, each field as a property with a dotted name.
// - `void _pre_get_hook(const Key&)`: when get is called, also if a cache answers.
// - `void _post_get_hook(const Key&, const absl::Status&)`: when the result is there; not for results of queries.
// - `void _pre_put_hook()`, not static: on the entity, before auto_now is set and anything is encoded.
// - `void _post_put_hook(const absl::Status&) const`, not static: on the entity, when the result is there.
// - `void _pre_delete_hook(const Key&)`, `void _post_delete_hook(const Key&, const absl::Status&)`: as for get.
// - `void _post_commit_put_hook(const Committed&) const`, not static: on the entity, after the Datastore has committed
//   its put; in a transaction once for each key, after the commit. Committed says whether the put created the entity.
// - `void _post_commit_delete_hook(const Key&)`: the same for a delete.
// - `void _pre_allocate_ids_hook(int count, const Key& parent)`, `void _post_allocate_ids_hook(int count, const Key&
//   parent, const absl::Status&)`: around allocate_ids; without a parent the key is empty.
//
// What a pre hook throws goes to the caller, and nothing is done. What a post hook throws is logged.
//
// Base is another model class for plain inheritance: `class Employee : public ndb::Model<Employee, Person>`, whose
// Properties derive from Person::Properties, has Person's properties, flags and hooks, and a kind of its own.
template <class D, class Base = Handle>
class Model : public Base {
  static inline const detail::Registered<D> registered_{};  // before main
  using Touched = detail::Touch<&registered_>;              // naming the address makes it exist, used or not
  friend D;
  template <class, class>
  friend class PolyModel;
  Model() = default;

  template <class M>
  using Props = typename M::Properties;

 public:
  using ndb_base = Base;                // for the framework
  using ndb_model = D;                  // likewise
  static constexpr KeyProperty _key{};  // for filters and orders: `Account::_key > key`
  // The kind of its entities.
  static constexpr std::string_view _get_kind() { return detail::kInfo<D>.kind; }

  // A new entity, not stored until put(). Without an id the Datastore assigns a number at put(). BadKeyError for an id
  // or a parent that no key can have. A key after the id is the parent's, as in all functions here; the entity's own
  // key comes before the properties, and is a BadKeyError if it is of another kind.
  //   Account::make({.name = "Ada"}, ndb::id("ada"))         Account::make({.name = "Kim"}, {}, parent)
  //   Account::make(key, {.name = "Ada"})
  template <class M = D>
  static D make(Props<M> properties, const Id& id = {}) {
    return make(Key(_get_kind(), id), std::move(properties));
  }
  // The same below a parent, which must be a complete key (BadKeyError).
  template <class M = D>
  static D make(Props<M> properties, const Id& id, const Key& parent) {
    return make(Key(_get_kind(), id, parent), std::move(properties));
  }
  // Refused: see above.
  template <class M = D, std::same_as<Key> K>
  static D make(Props<M>, const K&) {
    static_assert(detail::kNever<K>,
                  "ndb: a key behind the properties could be the entity's own or its parent's. Write make(key, "
                  "properties) for the former, make(properties, {}, parent) for the latter.");
  }
  // The same with a whole key: that of the new entity itself.
  template <class M = D, std::same_as<Key> K>
  static D make(K key, Props<M> properties) {
    detail::check_own_key(key, detail::kInfo<D>);
    return detail::HandleAccess::wrap<D>(
        std::move(key), detail::PayloadPtr(new detail::PayloadOf<Props<M>>(detail::kInfo<D>, std::move(properties))));
  }

  // The properties, to read. Throws ndb::Error if the handle is empty. (One line, so that clang shows the remark in its
  // error.)
  const auto* operator->() const {
    return static_cast<const Props<D>*>(this->properties());
  }  // to change: entity.edit().field
  // The properties, to change; nothing else sees the change before put(). A reference kept longer never reaches a
  // cache.
  auto& edit() { return *static_cast<Props<D>*>(this->edited()); }

  // Sets several properties at once: `ada.populate(Account::name("Ada"), Account::age(36))`.
  template <class... P>
  void populate(detail::Assignment<P>... assignments) {
    auto& properties = edit();
    ((properties.*detail::Traits<P>::kMember = std::move(assignments.value)), ...);
  }

  // A new entity from a text of to_json(), or from a part of one. BadValueError as of populate_json(). The text does
  // not contain the key, so it is passed too: the entity's own, or an id and a parent.
  static D from_json(std::string_view json, const Id& id = {}) { return from_json(json, Key(_get_kind(), id)); }
  // The same below a parent, which must be a complete key (BadKeyError).
  static D from_json(std::string_view json, const Id& id, const Key& parent) {
    return from_json(json, Key(_get_kind(), id, parent));
  }
  // The same with a whole key: that of the new entity itself, not of its parent. BadKeyError if it is of another kind.
  static D from_json(std::string_view json, Key key) {
    D entity = make(std::move(key), {});
    entity.populate_json(json);
    return entity;
  }

  // The verbs, with the errors that ndb/verbs.h says. `parent` must be a complete key (BadKeyError).
  //
  // The entity with this id, or an empty handle.
  static D get_by_id(const SomeId& id, const Options& options = {});
  // The same below a parent.
  static D get_by_id(const SomeId& id, const Key& parent, const Options& options = {});
  // The same as a future.
  static Future<D> get_by_id_async(const SomeId& id, const Options& options = {});
  // The same below a parent, as a future.
  static Future<D> get_by_id_async(const SomeId& id, const Key& parent, const Options& options = {});
  // The entity with this name. If there is none, inserts a new one with these properties, in a transaction that looks
  // again: of two callers one inserts, and both get the same entity. Joins a running transaction.
  template <class M = D>
  static D get_or_insert(std::string_view name, Props<M> properties = {}, const Options& options = {});
  // The same below a parent.
  template <class M = D>
  static D get_or_insert(std::string_view name, const Key& parent, Props<M> properties = {},
                         const Options& options = {});
  // The same in a tasklet.
  template <class M = D>
  static Future<D> get_or_insert_async(std::string_view name, Props<M> properties = {}, const Options& options = {});
  // The same below a parent, in a tasklet.
  template <class M = D>
  static Future<D> get_or_insert_async(std::string_view name, const Key& parent, Props<M> properties = {},
                                       const Options& options = {});
  // The same as get_or_insert(), but says whether it has inserted: `auto [account, inserted] =
  // Account::insert_or_get("ada", {.name = "Ada"})`.
  template <class M = D>
  static Inserted<M> insert_or_get(std::string_view name, Props<M> properties = {}, const Options& options = {});
  // The same below a parent.
  template <class M = D>
  static Inserted<M> insert_or_get(std::string_view name, const Key& parent, Props<M> properties = {},
                                   const Options& options = {});
  // The same in a tasklet, so that the lookups of many calls are sent together.
  template <class M = D>
  static Future<Inserted<M>> insert_or_get_async(std::string_view name, Props<M> properties = {},
                                                 const Options& options = {});
  // The same below a parent, in a tasklet.
  template <class M = D>
  static Future<Inserted<M>> insert_or_get_async(std::string_view name, const Key& parent, Props<M> properties = {},
                                                 const Options& options = {});
  // Allocates ids that no other entity gets, and returns them as keys: under `parent`, or roots without one.
  // BadKeyError for a parent that is empty or incomplete.
  static std::vector<Key> allocate_ids(int count, const std::optional<Key>& parent = {}, const Options& options = {});
  // The same in a tasklet.
  static Future<std::vector<Key>> allocate_ids_async(int count, const std::optional<Key>& parent = {},
                                                     const Options& options = {});

  // A query over the kind (ndb/query.h), of a PolyModel over this class and those that extend it. All filters must
  // hold.
  template <class... F>
  static Query<D> query(F... filters) {
    static_assert((std::convertible_to<F, Filter> && ...),
                  "ndb: a filter is written Account::age > 30; account->age > 30 is a bool.");
    if constexpr (detail::kIsPoly<D> && !detail::kIsRoot<D>) {
      const Filter of_class("class", Op::kEqual, detail::kInfo<D>.class_name);
      return Query<D>(std::vector<Filter>{std::move(filters)..., of_class});
    } else {
      return Query<D>(std::vector<Filter>{std::move(filters)...});
    }
  }
  // `Account::gql("WHERE age > @1", 30)`: the text goes behind `SELECT * FROM Account`.
  template <class... B>
  static GqlQuery<D> gql(std::string_view rest, const B&... bindings);
};

// The base of model classes that share a kind: `class Animal : public ndb::PolyModel<Animal>`, and
// `class Cat : public ndb::PolyModel<Cat, Animal>`, whose Properties derive from Animal::Properties. A Cat is stored as
// an Animal, with the property `class` that NDB writes: ["Animal", "Cat"]. Queries and gets of Animal give Cats too;
// those of Cat give nothing else (a get of another Animal as Cat is a KindError). D may declare
//
// - `_class_name`: a string, its name in `class`; default: as for `_kind`.
//
// Class flags, `_kind`, and the hooks of get, delete and allocate_ids are asked before the class of an entity is known:
// the root alone can declare them.
template <class D, class Base = Handle>
class PolyModel : public Model<D, Base> {
  friend D;
  PolyModel() = default;

 public:
  using ndb_poly = PolyModel;               // for the framework
  static constexpr ClassProperty class_{};  // for filters: `Animal::class_ == "Cat"`

  // The entity as a class of its hierarchy. An empty handle if it is not of that class.
  template <class M>
  M as() const {
    const detail::PayloadPtr& payload = detail::HandleAccess::payload(*this);
    const bool fits = payload && detail::is_a(payload->info(), detail::kInfo<M>);
    return fits ? detail::HandleAccess::wrap<M>(this->key(), payload) : M();
  }
};

// Keys of a model class, in the partition of the current context. BadKeyError for an id or parent that no key can have.
template <class M>
Key key(const SomeId& id) {
  return Key(M::_get_kind(), id.id);
}
template <class M>
Key key(const SomeId& id, const Key& parent) {
  return Key(M::_get_kind(), id.id, parent);
}

}  // namespace ndb
