// The verbs on keys and models: get, put, delete; for one or many, waiting or as futures.
//
// All of them work in the calling thread's current context (ContextError without one). Which tiers they use is decided
// by their options, the context's policies, the model class, the client's defaults, in this order (ndb/context.h). What
// is pending in a context is sent in batches when the caller waits; functions that end in _async do not wait. An entity
// that does not exist is an empty handle and no error.
//
// Errors are ndb::Error or a subclass, thrown by what waits and kept by futures: BadKeyError for a key that is empty or
// incomplete where an entity must be named; BadArgumentError for options that make no sense or leave no tier; KindError
// for the key of another kind than the class; BadValueError for an entity that does not fit its class; otherwise the
// code of the Datastore's answer, UNAVAILABLE or DEADLINE_EXCEEDED where there was none, and UNAVAILABLE for a write
// that memcached could not be locked for. Hooks of the class may throw what they like.
#pragma once

#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ndb/context.h"
#include "ndb/detail/calls.h"
#include "ndb/entity.h"
#include "ndb/error.h"
#include "ndb/future.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/model.h"
#include "ndb/options.h"
#include "ndb/transaction.h"

namespace ndb {

// ---- get ----

template <class M>
M Key::get(const Options& options) const {
  detail::Found found = detail::read(*this, detail::info<M>(), options);
  return detail::HandleAccess::wrap<M>(std::move(found.key), std::move(found.payload));
}
template <class M>
M Key::get() const {
  return get<M>(Options());
}
template <class M>
Future<M> Key::get_async(const Options& options) const {
  auto read = std::make_shared<detail::AsyncRead<M>>(*this, detail::info<M>());
  detail::read_async(read, options);
  return Future<M>(std::move(read));
}
template <class M>
Future<M> Key::get_async() const {
  return get_async<M>(Options());
}

// The entities of the keys, in their order; a key may occur twice. When all gets have ended, throws the error of the
// first key that has one (BadValueError for an entity that does not fit M, an error of its RPC, ...), and then gives
// none of the others: see try_get_multi().
template <class M>
std::vector<M> get_multi(std::span<const Key> keys, const Options& options = {}) {
  std::vector<M> models;
  models.reserve(keys.size());
  for (absl::StatusOr<detail::Found>& found : detail::read_multi(keys, detail::info<M>(), options)) {
    if (!found.ok()) throw_error(found.status());
    models.push_back(detail::HandleAccess::wrap<M>(std::move(found->key), std::move(found->payload)));
  }
  return models;
}
// The same with the error of each key in its place, so that an entity that can't be read does not hide the others.
template <class M>
std::vector<absl::StatusOr<M>> try_get_multi(std::span<const Key> keys, const Options& options = {}) {
  std::vector<absl::StatusOr<M>> models;
  models.reserve(keys.size());
  for (absl::StatusOr<detail::Found>& found : detail::read_multi(keys, detail::info<M>(), options)) {
    if (found.ok()) {
      models.emplace_back(detail::HandleAccess::wrap<M>(std::move(found->key), std::move(found->payload)));
    } else {
      models.emplace_back(std::move(found).status());
    }
  }
  return models;
}
// Each future has the entity or the error of its key.
template <class M>
std::vector<Future<M>> get_multi_async(std::span<const Key> keys, const Options& options = {}) {
  std::vector<Future<M>> futures;
  futures.reserve(keys.size());
  for (const Key& key : keys) futures.push_back(key.get_async<M>(options));
  return futures;
}

// ---- put ----

// Writes the entities and gives their keys, which are completed in the handles too. If some writes fail the others are
// made nevertheless, and the first error is thrown when all have ended. The async form leaves the handles as they are,
// and each of its futures has the key or the error of its entity.
template <std::ranges::forward_range Range>
std::vector<Future<Key>> put_multi_async(Range&& entities, const Options& options = {}) {
  const detail::OneCall call;
  std::vector<Future<Key>> futures;
  for (auto& entity : entities) futures.push_back(entity.put_async(options));
  return futures;
}
template <std::ranges::forward_range Range>
std::vector<Key> put_multi(Range&& entities, const Options& options = {}) {
  const std::vector<Future<Key>> futures = put_multi_async(entities, options);
  wait_all(futures);
  auto entity = std::ranges::begin(entities);
  for (const Future<Key>& future : futures) detail::complete(*entity++, future);
  std::vector<Key> keys;
  keys.reserve(futures.size());
  for (const Future<Key>& future : futures) keys.push_back(future.get());
  return keys;
}

// Writes each entity as Handle::put_if() does: only if the Datastore has it at version_of(), the version that was read
// (0, of a new one: only if there is none). Gives the key of each, or its error in its place: ConflictError where the
// Datastore has another version. The handles of those that were written change as with put_multi(). BadRequestError in
// a transaction.
template <std::ranges::forward_range Range>
std::vector<absl::StatusOr<Key>> try_put_multi_if(Range&& entities, const Options& options = {}) {
  std::vector<Future<Key>> futures;
  {
    const detail::OneCall call;
    for (auto& entity : entities) futures.push_back(entity.put_if_async(version_of(entity), options));
  }
  wait_all(futures);
  std::vector<absl::StatusOr<Key>> keys;
  keys.reserve(futures.size());
  auto entity = std::ranges::begin(entities);
  for (const Future<Key>& future : futures) {
    detail::complete(*entity++, future);
    keys.push_back(future.try_get());
  }
  return keys;
}
// The same; throws the first error when all have ended. The others are written nevertheless.
template <std::ranges::forward_range Range>
std::vector<Key> put_multi_if(Range&& entities, const Options& options = {}) {
  std::vector<Key> keys;
  for (absl::StatusOr<Key>& key : try_put_multi_if(entities, options)) {
    if (!key.ok()) throw_error(key.status());
    keys.push_back(*std::move(key));
  }
  return keys;
}

// ---- delete ----

// Deletes the entities, in as few Commits as the limits allow; one that does not exist is no error. The first error is
// thrown when all have ended; in the async form each future has its own.
std::vector<Future<void>> delete_multi_async(std::span<const Key> keys, const Options& options = {});
void delete_multi(std::span<const Key> keys, const Options& options = {});

// ---- Of model classes ----

template <class D, class Base>
D Model<D, Base>::get_by_id(const SomeId& id, const Options& options) {
  return Key(_get_kind(), id.id).template get<D>(options);
}
template <class D, class Base>
D Model<D, Base>::get_by_id(const SomeId& id, const Key& parent, const Options& options) {
  return Key(_get_kind(), id.id, parent).template get<D>(options);
}
template <class D, class Base>
Future<D> Model<D, Base>::get_by_id_async(const SomeId& id, const Options& options) {
  return Key(_get_kind(), id.id).template get_async<D>(options);
}
template <class D, class Base>
Future<D> Model<D, Base>::get_by_id_async(const SomeId& id, const Key& parent, const Options& options) {
  return Key(_get_kind(), id.id, parent).template get_async<D>(options);
}

namespace detail {
// Reads the entity; if there is none, inserts it in a transaction that looks again, so that of two callers one inserts.
template <class D>
Inserted<D> insert_or_get(const Key& key, typename D::Properties properties, const Options& options) {
  if (D found = key.get<D>(options)) return {std::move(found), false};
  return transaction(
      [&]() -> Inserted<D> {
        if (D found = key.get<D>(options)) return {std::move(found), false};
        D made = D::make(key, properties);
        made.put(options);
        return {std::move(made), true};
      },
      {.propagation = Propagation::kAllowed});
}
template <class D>
D get_or_insert(const Key& key, typename D::Properties properties, const Options& options) {
  return insert_or_get<D>(key, std::move(properties), options).entity;
}
}  // namespace detail

template <class D, class Base>
template <class M>
D Model<D, Base>::get_or_insert(std::string_view name, Props<M> properties, const Options& options) {
  return detail::get_or_insert<D>(Key(_get_kind(), id(name)), std::move(properties), options);
}
template <class D, class Base>
template <class M>
D Model<D, Base>::get_or_insert(std::string_view name, const Key& parent, Props<M> properties, const Options& options) {
  return detail::get_or_insert<D>(Key(_get_kind(), id(name), parent), std::move(properties), options);
}
template <class D, class Base>
template <class M>
Future<D> Model<D, Base>::get_or_insert_async(std::string_view name, Props<M> properties, const Options& options) {
  return detail::write_in_background([key = Key(_get_kind(), id(name)), properties = std::move(properties), options] {
    return detail::get_or_insert<D>(key, properties, options);
  });
}
template <class D, class Base>
template <class M>
Future<D> Model<D, Base>::get_or_insert_async(std::string_view name, const Key& parent, Props<M> properties,
                                              const Options& options) {
  return detail::write_in_background([key = Key(_get_kind(), id(name), parent), properties = std::move(properties),
                                      options] { return detail::get_or_insert<D>(key, properties, options); });
}
template <class D, class Base>
template <class M>
Inserted<M> Model<D, Base>::insert_or_get(std::string_view name, Props<M> properties, const Options& options) {
  return detail::insert_or_get<M>(Key(_get_kind(), id(name)), std::move(properties), options);
}
template <class D, class Base>
template <class M>
Inserted<M> Model<D, Base>::insert_or_get(std::string_view name, const Key& parent, Props<M> properties,
                                          const Options& options) {
  return detail::insert_or_get<M>(Key(_get_kind(), id(name), parent), std::move(properties), options);
}
template <class D, class Base>
template <class M>
Future<Inserted<M>> Model<D, Base>::insert_or_get_async(std::string_view name, Props<M> properties,
                                                        const Options& options) {
  return detail::write_in_background([key = Key(_get_kind(), id(name)), properties = std::move(properties), options] {
    return detail::insert_or_get<M>(key, properties, options);
  });
}
template <class D, class Base>
template <class M>
Future<Inserted<M>> Model<D, Base>::insert_or_get_async(std::string_view name, const Key& parent, Props<M> properties,
                                                        const Options& options) {
  return detail::write_in_background([key = Key(_get_kind(), id(name), parent), properties = std::move(properties),
                                      options] { return detail::insert_or_get<M>(key, properties, options); });
}
template <class D, class Base>
std::vector<Key> Model<D, Base>::allocate_ids(int count, const std::optional<Key>& parent, const Options& options) {
  return detail::allocate_ids(parent ? Key(_get_kind(), Id(), *parent) : Key(_get_kind(), Id()), count, options);
}
template <class D, class Base>
Future<std::vector<Key>> Model<D, Base>::allocate_ids_async(int count, const std::optional<Key>& parent,
                                                            const Options& options) {
  return detail::in_background([count, parent, options] { return allocate_ids(count, parent, options); });
}

}  // namespace ndb
