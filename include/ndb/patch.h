// ndb::patch: changes of single properties that the Datastore makes to a stored entity, without a read before them.
//
//   ndb::patch<Page>(key).increment(Page::views, 1).append_missing(Page::readers, {"ada"}).put();
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ndb/detail/property_traits.h"
#include "ndb/entity.h"
#include "ndb/future.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/value.h"

namespace ndb {

// What a patch that was applied gives.
struct PatchResult {
  std::uint64_t version = 0;  // of the entity as it is now; 0 in a transaction, whose commit is still to come
  // For each increment, maximum, minimum and set_to_server_time, in the order of the calls, the value that the property
  // has now; null for append_missing and remove_all. Empty in a transaction.
  std::vector<Value> values{};
};

namespace detail {

struct PatchSpec {
  struct Transform {
    enum class Kind { kServerTime, kIncrement, kMaximum, kMinimum, kAppendMissing, kRemoveAll };
    Kind kind;
    std::string property;
    Value operand{};  // of the last two an array
  };
  Key key;
  PayloadPtr values;               // what the properties in `set` become
  std::vector<std::string> set{};  // by stored names
  std::vector<std::string> cleared{};
  std::vector<Transform> transforms{};
};
// Applies the patch. `must_exist`: NOT_FOUND where there is no entity, instead of making one.
Future<PatchResult> patch_async(PatchSpec spec, bool must_exist, const Options& options);

template <class P>
std::string patched() {
  static_assert(!Traits<P>::kComputed && !Traits<P>::kNested,
                "ndb: a patch changes the properties of the model, not computed ones and not those of a struct.");
  return Traits<P>::path();
}

}  // namespace detail

// Changes to one entity, which the Datastore applies together and in one step, so that nothing between a read and a
// write gets lost: counters need no transaction. Made by ndb::patch(); the functions that add a change give the patch
// itself, and put() or update() sends it. First set() and clear() take effect, then the others in their order. A value;
// not thread-safe.
//
// The client does not know what the entity is afterwards. So neither the context cache nor memcache keeps anything of
// it, and a read that follows asks the Datastore; reads of this context that are made before the patch has ended wait
// for it. No hooks run, computed properties keep what was stored, and auto_now properties too: use
// set_to_server_time(). Of the checks of a put, those of the properties in set() are made (BadValueError).
//
// In a transaction the patch is part of the commit, and nothing can say before it what the entity will be: a get,
// another write or another patch of the key in the same transaction is then a BadRequestError, and so is a patch of a
// key that the transaction has written. Make one patch of all changes, and read first.
//
// If an increment were resent after a lost answer, it could be applied twice. So a patch with one is sent once, and an
// error like UNAVAILABLE leaves its outcome unknown.
template <class M>
class Patch {
 public:
  // Of a complete key (BadKeyError when it is sent) of the kind of M (KindError).
  explicit Patch(Key key) : spec_{.key = std::move(key), .values = PayloadPtr(detail::info<M>().make_payload())} {}

  // Gives properties new values: `set(Account::name("Ada"), Account::age(36))`; the others stay as they are stored.
  template <class... P>
    requires(sizeof...(P) > 0)
  Patch& set(detail::Assignment<P>... assignments) {
    (spec_.set.push_back(detail::patched<P>()), ...);
    auto& properties = edited();
    ((properties.*detail::Traits<P>::kMember = std::move(assignments.value)), ...);
    return *this;
  }
  // The same of ndb::Entity, by the stored name.
  Patch& set(std::string_view name, Value value)
    requires std::same_as<M, Entity>
  {
    spec_.set.emplace_back(name);
    edited().insert_or_assign(std::string(name), std::move(value));
    return *this;
  }
  // Removes properties: they are then not stored at all, which is different from null.
  template <detail::IsProperty... P>
    requires(sizeof...(P) > 0)
  Patch& clear(P...) {
    (spec_.cleared.push_back(detail::patched<P>()), ...);
    return *this;
  }
  Patch& clear(std::string_view name) {
    spec_.cleared.emplace_back(name);
    return *this;
  }

  // Adds a number, which may be negative; a value that is no number counts as 0. Integers stop at the ends of int64.
  template <detail::IsProperty P, class V>
  Patch& increment(P, const V& by) {
    return number<P>(Kind::kIncrement, by);
  }
  // Raises the number to at least this, or lowers it to at most this; replaces a value that is no number.
  template <detail::IsProperty P, class V>
  Patch& maximum(P, const V& at_least) {
    return number<P>(Kind::kMaximum, at_least);
  }
  template <detail::IsProperty P, class V>
  Patch& minimum(P, const V& at_most) {
    return number<P>(Kind::kMinimum, at_most);
  }
  // Appends to a repeated property those elements that it does not have, or removes all elements that are equal to one
  // of these. A value that is no array counts as an empty one.
  template <detail::IsProperty P, class V>
  Patch& append_missing(P, std::initializer_list<V> elements) {
    return array<P>(Kind::kAppendMissing, elements);
  }
  template <detail::IsProperty P, class Range>
  Patch& append_missing(P, const Range& elements) {
    return array<P>(Kind::kAppendMissing, elements);
  }
  template <detail::IsProperty P, class V>
  Patch& remove_all(P, std::initializer_list<V> elements) {
    return array<P>(Kind::kRemoveAll, elements);
  }
  template <detail::IsProperty P, class Range>
  Patch& remove_all(P, const Range& elements) {
    return array<P>(Kind::kRemoveAll, elements);
  }
  // Sets a Timestamp to the time at which the Datastore applies the patch, in whole milliseconds.
  template <detail::IsProperty P>
  Patch& set_to_server_time(P) {
    static_assert(std::same_as<typename detail::Traits<P>::Type, Timestamp> ||
                      std::same_as<typename detail::Traits<P>::Type, std::optional<Timestamp>>,
                  "ndb: the server's time is set to an ndb::Timestamp or an optional one.");
    return add(Kind::kServerTime, detail::patched<P>(), {});
  }

  // The same by stored names, with the Datastore's errors for what does not fit (BadValueError for no array).
  Patch& increment(std::string_view name, Value by) { return add(Kind::kIncrement, name, std::move(by)); }
  Patch& maximum(std::string_view name, Value at_least) { return add(Kind::kMaximum, name, std::move(at_least)); }
  Patch& minimum(std::string_view name, Value at_most) { return add(Kind::kMinimum, name, std::move(at_most)); }
  Patch& append_missing(std::string_view name, Array elements) {
    return add(Kind::kAppendMissing, name, Value(std::move(elements)));
  }
  Patch& remove_all(std::string_view name, Array elements) {
    return add(Kind::kRemoveAll, name, Value(std::move(elements)));
  }
  Patch& set_to_server_time(std::string_view name) { return add(Kind::kServerTime, name, {}); }

  // Applies the changes. Where there is no entity, one is made of them, with no other properties; of a PolyModel, whose
  // class would be missing, that is a BadArgumentError. Errors as of a put; BadArgumentError for a patch without
  // changes and for options that make no sense (use_datastore = false, write_through).
  PatchResult put(const Options& options = {}) const { return put_async(options).get(); }
  // The same without waiting.
  Future<PatchResult> put_async(const Options& options = {}) const {
    return detail::patch_async(spec_, false, options);
  }
  // Applies the changes to an entity that must exist: Error with NOT_FOUND otherwise.
  PatchResult update(const Options& options = {}) const { return update_async(options).get(); }
  // The same without waiting.
  Future<PatchResult> update_async(const Options& options = {}) const {
    return detail::patch_async(spec_, true, options);
  }

 private:
  using Kind = detail::PatchSpec::Transform::Kind;
  using PayloadPtr = detail::PayloadPtr;

  // The values, which copies of this patch no longer share.
  typename M::Properties& edited() {
    spec_.values.detach();
    return *static_cast<typename M::Properties*>(spec_.values->properties());
  }
  Patch& add(Kind kind, std::string_view property, Value operand) {
    spec_.transforms.push_back({kind, std::string(property), std::move(operand)});
    return *this;
  }
  template <class P, class V>
  Patch& number(Kind kind, const V& operand) {
    using Type = typename detail::Traits<P>::Operand;
    static_assert(std::is_arithmetic_v<Type> && !std::same_as<Type, bool> && !detail::Traits<P>::repeated() &&
                      detail::comparable<Type, V>() && !detail::Null<V>,
                  "ndb: increment, maximum and minimum take a number of the property's own type.");
    return add(kind, detail::patched<P>(), detail::operand<Type, V>(operand));
  }
  template <class P, class Range>
  Patch& array(Kind kind, const Range& elements) {
    using Type = typename detail::Traits<P>::Operand;
    using V = std::decay_t<decltype(*std::begin(elements))>;
    static_assert(detail::kIsVector<typename detail::Traits<P>::Type> && detail::comparable<Type, V>(),
                  "ndb: append_missing and remove_all take elements of a repeated property.");
    Array all;
    for (const auto& element : elements) {
      Value value = detail::operand<Type, V>(element);
      if (!detail::Traits<P>::indexed()) value.set_indexed(false);
      all.push_back(std::move(value));
    }
    return add(kind, detail::patched<P>(), Value(std::move(all)));
  }

  detail::PatchSpec spec_;
};

// A patch of the entity of this key, which may belong to the class M, or be named by ndb::Entity.
template <class M = Entity>
Patch<M> patch(Key key) {
  return Patch<M>(std::move(key));
}

}  // namespace ndb
