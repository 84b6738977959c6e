// ndb::Cursor: a place in the results of a query.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace ndb {

// The place behind one result, from which the same query (same kind, filters and orders) can continue later, also in
// another process. Its bytes are opaque. An empty cursor is no place: a query that starts at it starts at its first
// result, and one that ends at it ends at its last. A value.
class Cursor {
 public:
  Cursor() = default;
  // The cursor whose bytes() these are. The Datastore refuses any others when a query uses them.
  static Cursor from_bytes(std::string bytes) { return Cursor(std::move(bytes)); }
  static Cursor from_urlsafe(std::string_view text);  // BadArgumentError if the text was not made by urlsafe()

  // The place as the Datastore gave it.
  const std::string& bytes() const { return bytes_; }
  std::string urlsafe() const;  // for links and forms: letters, digits, - and _
  // Whether it is a place.
  explicit operator bool() const { return !bytes_.empty(); }
  friend bool operator==(const Cursor&, const Cursor&) = default;

 private:
  explicit Cursor(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

}  // namespace ndb
