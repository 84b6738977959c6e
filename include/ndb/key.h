// ndb::Key: the name of an entity.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"

namespace ndb {

struct Options;
template <class T>
class Future;

// The last part of a key: nothing (an incomplete key, whose id the Datastore assigns at put), a number, or a name.
using Id = std::variant<std::monostate, std::int64_t, std::string>;
inline Id id(std::string_view name) { return std::string(name); }
inline Id id(std::int64_t number) { return number; }
inline Id id(int number) { return std::int64_t{number}; }

// Where a key lives. A field that is not set comes from the thread's current context; outside of any context the key
// stays without a project until it is used in one. An empty string is a value: the default database, the default
// namespace.
struct Partition {
  std::optional<std::string> project{};     // project id
  std::optional<std::string> database{};    // database id
  std::optional<std::string> namespace_{};  // namespace
};

// An immutable value; copying costs one reference count. Thread-safe like a const object.
//
// Identity is the canonical serialization (google.datastore.v1.Key), kept in the key together with its hash: equality
// is one comparison of bytes, and no tier builds or parses a key again. Limits (Datastore API): 1 to 100 path elements,
// kind and name of 1 to 1500 bytes of UTF-8, ids other than 0, 6 KiB in all, no name of the form __x__ (kinds of that
// form are metadata, which can be read). A constructor that is given anything else throws BadKeyError, which names the
// part.
class Key {
 public:
  // One element of the path. The views live as long as the key.
  struct Element {
    std::string_view kind;                                            // never empty
    std::variant<std::monostate, std::int64_t, std::string_view> id;  // none: incomplete
  };

  Key() = default;  // no key at all: false
  // A root key, or the child of a complete `parent`, whose partition it gets. BadKeyError for a part of the key that is
  // not allowed.
  Key(std::string_view kind, const Id& id, const Partition& where = {});
  Key(std::string_view kind, const Id& id, const Key& parent);

  // False for the default-constructed key, which allows no other calls than comparisons and to_string().
  explicit operator bool() const { return rep_ != nullptr; }

  // The parts of the key. Views live as long as the key. The project is empty while the key was given none.
  std::string_view project() const;
  std::string_view database() const;    // "" is the default one
  std::string_view namespace_() const;  // "" is the default one
  std::span<const Element> path() const;
  std::string_view kind() const;                      // of the last element
  Id id() const;                                      // of the last element
  std::optional<std::string_view> string_id() const;  // nullopt if the last id is no name
  std::optional<std::int64_t> integer_id() const;     // nullopt if the last id is no number
  Key parent() const;                                 // no key if this is a root
  Key root() const;                                   // its first ancestor, or the key itself
  bool is_complete() const;                           // has an id, and so do all its ancestors
  bool has_ancestor(const Key& ancestor) const;       // inclusive of the key itself

  Key with_id(const Id& id) const;                 // the same key with another last id
  Key in_partition(const Partition& where) const;  // fields that `where` sets replace the key's

  // NDB's url-safe text, the same in both directions as google-cloud-ndb's: unpadded base64url of the legacy Reference
  // message. The key must be complete (BadKeyError).
  std::string urlsafe() const;
  static Key from_urlsafe(std::string_view text);  // BadKeyError if it is not one
  static absl::StatusOr<Key> try_from_urlsafe(std::string_view text);

  // The serialized google.datastore.v1.Key, canonical. `from_bytes` takes any valid serialization.
  const std::string& bytes() const;
  static absl::StatusOr<Key> from_bytes(std::string_view bytes);

  // For messages: Key('Account', 'ada', project='shop', namespace='eu'), as NDB prints keys.
  std::string to_string() const;

  friend std::ostream& operator<<(std::ostream& out, const Key& key);  // to_string()

  // Kept in the key; the same for equal keys, within one process.
  std::size_t hash() const noexcept;
  friend bool operator==(const Key& a, const Key& b) noexcept;
  // By project, database, namespace, then the path element by element: kind, ids before names (Datastore's order).
  friend std::strong_ordering operator<=>(const Key& a, const Key& b) noexcept;

  // The verbs. Defined with the context; see ndb/verbs.h.
  template <class M>
  M get(const Options& options) const;
  template <class M>
  M get() const;
  template <class M>
  Future<M> get_async(const Options& options) const;
  template <class M>
  Future<M> get_async() const;
  void delete_() const;
  void delete_(const Options& options) const;
  Future<void> delete_async() const;
  Future<void> delete_async(const Options& options) const;
  // Deletes the entity only if the Datastore has it at `version` (see version_of(); more than 0, else
  // BadArgumentError). Otherwise, also if there is no entity, nothing is deleted, all caches drop what they hold of the
  // key, and ConflictError is thrown. BadRequestError in a transaction, which detects conflicts itself.
  void delete_if(std::uint64_t version) const;
  void delete_if(std::uint64_t version, const Options& options) const;
  Future<void> delete_if_async(std::uint64_t version) const;
  Future<void> delete_if_async(std::uint64_t version, const Options& options) const;

 private:
  struct Rep;
  explicit Key(std::shared_ptr<const Rep> rep) : rep_(std::move(rep)) {}
  std::shared_ptr<const Rep> rep_;
};

}  // namespace ndb

// So that keys can be in the standard library's hash tables.
template <>
struct std::hash<ndb::Key> {
  // See Key::hash().
  std::size_t operator()(const ndb::Key& key) const noexcept { return key.hash(); }
};
