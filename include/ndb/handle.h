// What all entities are, typed or not: a key, and properties that are shared until they are edited.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ndb/detail/payload.h"
#include "ndb/key.h"
#include "ndb/options.h"

namespace ndb {

template <class T>
class Future;

namespace detail {
struct HandleAccess;
struct Unset {};
}  // namespace detail

// What a hook that runs after a commit learns about a put.
struct Committed {
  std::uint64_t version = 0;  // as version_of() returns it; 0: unknown, or the entity is not in the Datastore
  // Whether the put created the entity, because the Datastore had none with this key. Without a value it is unknown:
  // the Datastore does not say so, the put was sent more than once, or the entity is not stored in the Datastore.
  std::optional<bool> created{};
};

// What to_json() writes, and how.
struct JsonOptions {
  std::vector<std::string> include{};  // only these properties, by their names in C++; empty: all
  std::vector<std::string> exclude{};  // none of these
  int indent = -1;                     // spaces per level; negative: one line
};

// The base of model classes and of ndb::Entity. A value: copying shares the properties, editing one copy never shows in
// another, nor in a cache. An empty handle is an entity that does not exist. Not thread-safe, but copies of a handle
// may be used by different threads.
class Handle {
 public:
  // Whether the entity exists: false for an empty handle, which a get of an absent entity gives.
  explicit operator bool() const { return static_cast<bool>(payload_); }
  // The key; that of what was asked for if the handle is empty. Incomplete until a put has given it an id.
  const Key& key() const { return key_; }

  // Writes the entity and returns its key; an incomplete key is completed, in this handle too. Defined with the
  // context.
  Key put();
  Key put(const Options& options);
  Future<Key> put_async();
  Future<Key> put_async(const Options& options);
  // Writes the entity only if the Datastore has it at `version` (see version_of(); 0: only if it has none). Otherwise
  // nothing is written, all caches drop what they hold of the key, and ConflictError is thrown. BadRequestError in a
  // transaction, which detects conflicts itself.
  Key put_if(std::uint64_t version);
  Key put_if(std::uint64_t version, const Options& options);
  // The same as a future, which has the error, if there is one.
  Future<Key> put_if_async(std::uint64_t version);
  Future<Key> put_if_async(std::uint64_t version, const Options& options);

  // Same class, same key, same values (as they are stored).
  friend bool operator==(const Handle& a, const Handle& b);

  // The properties as a JSON object, by their names in C++. Texts, numbers, booleans, null, arrays and structs are what
  // they are in JSON; blobs are base64, times RFC 3339, keys urlsafe text, points {"latitude", "longitude"}, NaN and
  // infinities texts. Values of a type that is chosen at run time (ndb::Value, ndb::Expando, ndb::Entity) are tagged
  // where JSON could not tell: {"timestampValue": "2026-01-02T03:04:05Z"}, or blobValue, keyValue, geoPointValue,
  // entityValue. Throws ndb::Error if the handle is empty.
  std::string to_json(const JsonOptions& options = {}) const;
  // Sets the properties that `json` names and leaves the others; computed ones are passed over. BadValueError, which
  // changes nothing, for text that is no JSON object, a property that the class does not have, or a value that does not
  // fit. What to_json() gave is read back as it was.
  void populate_json(std::string_view json);

  // For logs and messages: Account(Key('Account', 'ada'), {name: "Ada", age: 36}).
  std::string to_string() const;
  friend std::ostream& operator<<(std::ostream& out, const Handle& entity);

  // The class variables and hooks that a model class may redeclare. They are declared here so that a private one is an
  // error instead of being ignored.
  static constexpr detail::Unset _kind{}, _use_cache{}, _use_memcache{}, _use_datastore{}, _memcache_timeout{},
      _write_through{}, _best_effort{}, _use_shared_cache{}, _class_name{}, _legacy_data{}, _keep_unknown{},
      _pre_get_hook{}, _post_get_hook{}, _pre_put_hook{}, _post_put_hook{}, _pre_delete_hook{}, _post_delete_hook{},
      _pre_allocate_ids_hook{}, _post_allocate_ids_hook{}, _post_commit_put_hook{}, _post_commit_delete_hook{};

 protected:
  Handle() = default;
  Handle(Key key, detail::PayloadPtr payload) : key_(std::move(key)), payload_(std::move(payload)) {}

  // The properties; throws ndb::Error if the handle is empty. edited() detaches from other owners first.
  const void* properties() const {
    if (!payload_) throw_absent();
    return payload_->properties();
  }
  void* edited() {
    if (!payload_) throw_absent();
    payload_.detach();
    return payload_->properties();
  }

 private:
  friend struct detail::HandleAccess;
  [[noreturn]] void throw_absent() const;

  Key key_;
  detail::PayloadPtr payload_;
};

namespace detail {

// The insides of handles, for the verbs and version_of().
struct HandleAccess {
  static Key& key(Handle& handle) { return handle.key_; }
  static PayloadPtr& payload(Handle& handle) { return handle.payload_; }
  static const PayloadPtr& payload(const Handle& handle) { return handle.payload_; }

  // The handle of class M; `payload` is one of M's, or empty for an entity that does not exist.
  template <class M>
  static M wrap(Key key, PayloadPtr payload) {
    M model;
    static_cast<Handle&>(model).key_ = std::move(key);
    static_cast<Handle&>(model).payload_ = std::move(payload);
    return model;
  }
};

}  // namespace detail

// The version that the Datastore gave to this entity when it was read, or when put() wrote it; it grows with every
// change of the stored entity. Editing does not change it. An entity that a transaction has put, and copies made of it
// since, get the version of the commit when that has succeeded. 0: never stored, an empty handle, or an entity that is
// not stored in the Datastore. Thread-safe.
inline std::uint64_t version_of(const Handle& entity) {
  const detail::PayloadPtr& payload = detail::HandleAccess::payload(entity);
  return payload ? payload->version() : 0;
}

}  // namespace ndb
