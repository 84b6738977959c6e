#include "ndb/key.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <ostream>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "model/default_partition.h"
#include "model/limits.h"
#include "model/wire.h"

namespace ndb {
namespace {

using detail::append_bytes;
using detail::append_varint;
using detail::kEndGroup;
using detail::kLength;
using detail::kStartGroup;
using detail::kVarint;
using detail::wire_tag;
using detail::WireReader;

struct PartitionView {
  std::string_view project, database, namespace_;
};
using Path = absl::InlinedVector<Key::Element, 2>;

absl::Status check_part(std::string_view what, std::string_view part) {
  if (part.empty()) return bad_key(cat("the ", what, " of a key is empty; it needs 1 to ", kMaxKeyPartBytes, " bytes"));
  if (part.size() > kMaxKeyPartBytes) {
    return bad_key(cat("the ", what, " ", quoted(part), " of a key has ", part.size(), " bytes; ", kMaxKeyPartBytes,
                       " are allowed"));
  }
  if (!detail::is_utf8(part)) return bad_key(cat("the ", what, " ", quoted(part), " of a key is not UTF-8"));
  return absl::OkStatus();
}

absl::Status check_element(const Key::Element& element) {
  NDB_RETURN_IF_ERROR(check_part("kind", element.kind));
  if (const auto* number = std::get_if<std::int64_t>(&element.id); number != nullptr && *number == 0) {
    return bad_key(cat("the id of a key of kind ", quoted(element.kind), " is 0, which the Datastore does not allow"));
  }
  if (const auto* name = std::get_if<std::string_view>(&element.id)) {
    NDB_RETURN_IF_ERROR(check_part("name", *name));
    if (is_reserved(*name)) {
      return bad_key(cat("the name ", quoted(*name), " of a key of kind ", quoted(element.kind),
                         " is reserved: names of the form __x__ belong to the Datastore"));
    }
  }
  return absl::OkStatus();
}

absl::Status check_partition(const PartitionView& where) {
  const std::pair<std::string_view, std::string_view> parts[] = {
      {"project", where.project}, {"database", where.database}, {"namespace", where.namespace_}};
  for (const auto& [what, part] : parts) {
    if (part.size() > kMaxPartitionPartBytes) {
      return bad_key(cat("the ", what, " ", quoted(part), " has more than ", kMaxPartitionPartBytes, " bytes"));
    }
    if (!detail::is_utf8(part)) return bad_key(cat("the ", what, " ", quoted(part), " is not UTF-8"));
  }
  if (where.namespace_.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") !=
      std::string_view::npos) {
    return bad_key(cat("the namespace ", quoted(where.namespace_),
                       " has other characters than letters, digits, '.', '_' and '-'"));
  }
  return absl::OkStatus();
}

absl::Status check(const PartitionView& where, std::span<const Key::Element> path) {
  NDB_RETURN_IF_ERROR(check_partition(where));
  if (path.empty()) return bad_key("a key has no path; it needs at least one kind");
  if (path.size() > kMaxKeyElements) {
    return bad_key(cat("a key of kind ", quoted(path.back().kind), " has a path of ", path.size(), " elements; ",
                       kMaxKeyElements, " are allowed"));
  }
  for (const Key::Element& element : path) {
    NDB_RETURN_IF_ERROR(check_element(element));
    if (element.id.index() == 0 && &element != &path.back()) {
      return bad_key(cat("the ancestor of kind ", quoted(element.kind), " in a key of kind ", quoted(path.back().kind),
                         " has no id; only the last element of a key may be incomplete"));
    }
  }
  return absl::OkStatus();
}

// The canonical google.datastore.v1.Key: fields in ascending order, empty ones omitted.
std::string serialize(const PartitionView& where, std::span<const Key::Element> path) {
  std::string partition;
  if (!where.project.empty()) append_bytes(partition, 2, where.project);
  if (!where.database.empty()) append_bytes(partition, 3, where.database);
  if (!where.namespace_.empty()) append_bytes(partition, 4, where.namespace_);

  std::string out;
  if (!partition.empty()) append_bytes(out, 1, partition);
  std::string one;
  for (const Key::Element& element : path) {
    one.clear();
    append_bytes(one, 1, element.kind);
    if (const auto* number = std::get_if<std::int64_t>(&element.id)) {
      append_varint(one, wire_tag(2, kVarint));
      append_varint(one, static_cast<std::uint64_t>(*number));
    } else if (const auto* name = std::get_if<std::string_view>(&element.id)) {
      append_bytes(one, 3, *name);
    }
    append_bytes(out, 2, one);
  }
  return out;
}

bool parse_partition(std::string_view bytes, PartitionView& where) {
  WireReader in(bytes);
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag)) return false;
    const bool good = tag == wire_tag(2, kLength)   ? in.bytes(where.project)
                      : tag == wire_tag(3, kLength) ? in.bytes(where.database)
                      : tag == wire_tag(4, kLength) ? in.bytes(where.namespace_)
                                                    : in.skip(tag);
    if (!good) return false;
  }
  return true;
}

// One path element. The tags differ between google.datastore.v1.Key and the legacy Reference. A tag of `end` ends it.
struct ElementTags {
  std::uint32_t kind, number, name, end;
};
constexpr ElementTags kKeyTags{wire_tag(1, kLength), wire_tag(2, kVarint), wire_tag(3, kLength), 0};
constexpr ElementTags kReferenceTags{wire_tag(2, kLength), wire_tag(3, kVarint), wire_tag(4, kLength),
                                     wire_tag(1, kEndGroup)};

bool parse_element(WireReader& in, const ElementTags& tags, Key::Element& element) {
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag)) return false;
    if (tag == tags.end) return true;
    bool good;
    if (tag == tags.kind) {
      good = in.bytes(element.kind);
    } else if (tag == tags.number) {
      std::uint64_t number;
      good = in.varint(number);
      element.id = static_cast<std::int64_t>(number);
    } else if (tag == tags.name) {
      std::string_view name;
      good = in.bytes(name);
      element.id = name;
    } else {
      good = in.skip(tag);
    }
    if (!good) return false;
  }
  return tags.end == 0;
}

bool parse_key(std::string_view bytes, PartitionView& where, Path& path) {
  WireReader in(bytes);
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag)) return false;
    std::string_view part;
    if (tag == wire_tag(1, kLength)) {
      if (!in.bytes(part) || !parse_partition(part, where)) return false;
    } else if (tag == wire_tag(2, kLength)) {
      if (!in.bytes(part)) return false;
      WireReader element(part);
      if (!parse_element(element, kKeyTags, path.emplace_back())) return false;
    } else if (!in.skip(tag)) {
      return false;
    }
  }
  return true;
}

// The legacy Reference message, in which App Engine and google-cloud-ndb encode url-safe keys: app = 13, path = 14 (a
// message of groups 1 with type = 2, id = 3, name = 4), name_space = 20, database_id = 23.
bool parse_reference(std::string_view bytes, PartitionView& where, Path& path) {
  WireReader in(bytes);
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag)) return false;
    if (tag == wire_tag(14, kLength)) {
      std::string_view part;
      if (!in.bytes(part)) return false;
      for (WireReader groups(part); !groups.done();) {
        if (!groups.tag(tag)) return false;
        const bool good = tag == wire_tag(1, kStartGroup) ? parse_element(groups, kReferenceTags, path.emplace_back())
                                                          : groups.skip(tag);
        if (!good) return false;
      }
      continue;
    }
    const bool good = tag == wire_tag(13, kLength)   ? in.bytes(where.project)
                      : tag == wire_tag(20, kLength) ? in.bytes(where.namespace_)
                      : tag == wire_tag(23, kLength) ? in.bytes(where.database)
                                                     : in.skip(tag);
    if (!good) return false;
  }
  return true;
}

Key::Element last_element(std::string_view kind, const Id& id) {
  if (const auto* number = std::get_if<std::int64_t>(&id)) return {kind, *number};
  if (const auto* name = std::get_if<std::string>(&id)) return {kind, std::string_view(*name)};
  return {kind, {}};
}

std::string_view choose(const std::optional<std::string>& wanted, std::string_view otherwise) {
  return wanted ? std::string_view(*wanted) : otherwise;
}

std::atomic<DefaultPartition> default_partition{nullptr};

PartitionView complete(const Partition& where) {
  static const Partition kNowhere;
  const DefaultPartition source = default_partition.load(std::memory_order_acquire);
  const Partition* const current = source != nullptr ? source() : nullptr;
  const Partition& otherwise = current != nullptr ? *current : kNowhere;
  return {choose(where.project, choose(otherwise.project, "")), choose(where.database, choose(otherwise.database, "")),
          choose(where.namespace_, choose(otherwise.namespace_, ""))};
}

void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '\'';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out.append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
    } else {
      out += c;
    }
  }
  out += '\'';
}

std::strong_ordering compare_bytes(std::string_view a, std::string_view b) { return a.compare(b) <=> 0; }

std::strong_ordering compare_elements(const Key::Element& a, const Key::Element& b) {
  if (const auto order = compare_bytes(a.kind, b.kind); order != 0) return order;
  if (a.id.index() != b.id.index()) return a.id.index() <=> b.id.index();
  if (const auto* number = std::get_if<std::int64_t>(&a.id)) return *number <=> std::get<std::int64_t>(b.id);
  if (const auto* name = std::get_if<std::string_view>(&a.id)) {
    return compare_bytes(*name, std::get<std::string_view>(b.id));
  }
  return std::strong_ordering::equal;
}

}  // namespace

// The views point into `bytes`, which is immutable.
struct Key::Rep {
  std::string bytes;
  std::size_t hash = 0;
  PartitionView where;
  Path path;

  // Makes a key's representation from parts that may be stored anywhere.
  static absl::StatusOr<Key> make(const PartitionView& where, std::span<const Element> path) {
    NDB_RETURN_IF_ERROR(check(where, path));
    auto rep = std::make_shared<Rep>();
    rep->bytes = serialize(where, path);
    if (rep->bytes.size() > kMaxKeyBytes) {
      return bad_key(cat("a key of kind ", quoted(path.back().kind), " has ", rep->bytes.size(),
                         " bytes in all; 6 KiB are allowed"));
    }
    rep->hash = seeded_hash(rep->bytes);
    parse_key(rep->bytes, rep->where, rep->path);
    return Key(std::move(rep));
  }
};

Key::Key(std::string_view kind, const Id& id, const Partition& where) {
  const Element element = last_element(kind, id);
  *this = value_or_throw(Rep::make(complete(where), {&element, 1}));
}

Key::Key(std::string_view kind, const Id& id, const Key& parent) {
  if (!parent.is_complete()) {
    throw BadKeyError(cat("the parent of a key of kind ", quoted(kind), " is ", parent.to_string(),
                          ", which has no id; put the parent first or give it one"));
  }
  Path path = parent.rep_->path;
  path.push_back(last_element(kind, id));
  *this = value_or_throw(Rep::make(parent.rep_->where, path));
}

std::string_view Key::project() const { return rep_ ? rep_->where.project : std::string_view(); }
std::string_view Key::database() const { return rep_ ? rep_->where.database : std::string_view(); }
std::string_view Key::namespace_() const { return rep_ ? rep_->where.namespace_ : std::string_view(); }
std::span<const Key::Element> Key::path() const {
  return rep_ ? std::span<const Element>(rep_->path) : std::span<const Element>();
}
std::string_view Key::kind() const { return rep_ ? rep_->path.back().kind : std::string_view(); }

Id Key::id() const {
  if (const auto number = integer_id()) return *number;
  if (const auto name = string_id()) return std::string(*name);
  return {};
}

std::optional<std::string_view> Key::string_id() const {
  const auto* name = rep_ ? std::get_if<std::string_view>(&rep_->path.back().id) : nullptr;
  return name != nullptr ? std::optional(*name) : std::nullopt;
}

std::optional<std::int64_t> Key::integer_id() const {
  const auto* number = rep_ ? std::get_if<std::int64_t>(&rep_->path.back().id) : nullptr;
  return number != nullptr ? std::optional(*number) : std::nullopt;
}

Key Key::parent() const {
  if (path().size() < 2) return {};
  return value_or_throw(Rep::make(rep_->where, path().first(path().size() - 1)));
}

Key Key::root() const {
  if (path().size() < 2) return *this;
  return value_or_throw(Rep::make(rep_->where, path().first(1)));
}

bool Key::is_complete() const { return rep_ != nullptr && rep_->path.back().id.index() != 0; }

bool Key::has_ancestor(const Key& ancestor) const {
  if (!*this || !ancestor || path().size() < ancestor.path().size()) return false;
  // A canonical ancestor is a prefix of its descendants.
  return bytes().starts_with(ancestor.bytes());
}

Key Key::with_id(const Id& id) const {
  if (!*this) throw BadKeyError("there is no key to give an id to");
  Path path = rep_->path;
  path.back() = last_element(kind(), id);
  return value_or_throw(Rep::make(rep_->where, path));
}

Key Key::in_partition(const Partition& where) const {
  if (!*this) throw BadKeyError("there is no key to move to another partition");
  return value_or_throw(Rep::make(
      {choose(where.project, project()), choose(where.database, database()), choose(where.namespace_, namespace_())},
      path()));
}

std::string Key::urlsafe() const {
  if (!is_complete()) throw BadKeyError(cat(to_string(), " has no id, so it has no url-safe form"));
  std::string groups;
  for (const Element& element : path()) {
    append_varint(groups, wire_tag(1, kStartGroup));
    append_bytes(groups, 2, element.kind);
    if (const auto* number = std::get_if<std::int64_t>(&element.id)) {
      append_varint(groups, wire_tag(3, kVarint));
      append_varint(groups, static_cast<std::uint64_t>(*number));
    } else {
      append_bytes(groups, 4, std::get<std::string_view>(element.id));
    }
    append_varint(groups, wire_tag(1, kEndGroup));
  }
  std::string reference;
  // A project with a '~' would be read as the part after it; see from_urlsafe().
  const bool has_tilde = project().find('~') != std::string_view::npos;
  append_bytes(reference, 13, has_tilde ? cat('~', project()) : std::string(project()));
  append_bytes(reference, 14, groups);
  if (!namespace_().empty()) append_bytes(reference, 20, namespace_());
  if (!database().empty()) append_bytes(reference, 23, database());
  return base64url_encode(reference);
}

Key Key::from_urlsafe(std::string_view text) { return value_or_throw(try_from_urlsafe(text)); }

absl::StatusOr<Key> Key::try_from_urlsafe(std::string_view text) {
  const std::optional<std::string> bytes = base64url_decode(text);
  PartitionView where;
  Path path;
  if (!bytes || !parse_reference(*bytes, where, path)) {
    return bad_key(cat(quoted(text), " is not a url-safe key"));
  }
  // App Engine put the location before the project, as in "s~shop".
  where.project.remove_prefix(where.project.find('~') + 1);
  auto key = Rep::make(where, path);
  if (!key.ok()) return annotate(key.status(), cat(quoted(text), " is not a url-safe key"));
  return key;
}

const std::string& Key::bytes() const {
  static const std::string kNone;
  return rep_ ? rep_->bytes : kNone;
}

absl::StatusOr<Key> Key::from_bytes(std::string_view bytes) {
  PartitionView where;
  Path path;
  if (!parse_key(bytes, where, path)) return bad_key(cat("these bytes are not a serialized key: ", quoted(bytes)));
  return Rep::make(where, path);
}

std::string Key::to_string() const {
  if (!*this) return "Key()";
  std::string out = "Key(";
  for (const Element& element : path()) {
    append_quoted(out, element.kind);
    out += ", ";
    if (const auto* number = std::get_if<std::int64_t>(&element.id)) {
      out += std::to_string(*number);
    } else if (const auto* name = std::get_if<std::string_view>(&element.id)) {
      append_quoted(out, *name);
    } else {
      out += "None";
    }
    out += ", ";
  }
  const std::pair<std::string_view, std::string_view> parts[] = {
      {"project=", project()}, {"database=", database()}, {"namespace=", namespace_()}};
  for (const auto& [name, value] : parts) {
    if (value.empty()) continue;
    out += name;
    append_quoted(out, value);
    out += ", ";
  }
  out.replace(out.size() - 2, 2, ")");
  return out;
}

std::size_t Key::hash() const noexcept { return rep_ ? rep_->hash : 0; }

bool operator==(const Key& a, const Key& b) noexcept {
  if (a.rep_ == b.rep_) return true;
  return a.rep_ && b.rep_ && a.rep_->hash == b.rep_->hash && a.rep_->bytes == b.rep_->bytes;
}

std::strong_ordering operator<=>(const Key& a, const Key& b) noexcept {
  if (a.rep_ == b.rep_) return std::strong_ordering::equal;
  if (!a.rep_ || !b.rep_) return static_cast<bool>(a.rep_) <=> static_cast<bool>(b.rep_);
  if (const auto order = compare_bytes(a.project(), b.project()); order != 0) return order;
  if (const auto order = compare_bytes(a.database(), b.database()); order != 0) return order;
  if (const auto order = compare_bytes(a.namespace_(), b.namespace_()); order != 0) return order;
  return std::lexicographical_compare_three_way(a.rep_->path.begin(), a.rep_->path.end(), b.rep_->path.begin(),
                                                b.rep_->path.end(), compare_elements);
}

std::ostream& operator<<(std::ostream& out, const Key& key) { return out << key.to_string(); }

absl::Status check_partition(const Partition& where) {
  return check_partition({choose(where.project, ""), choose(where.database, ""), choose(where.namespace_, "")});
}

void set_default_partition(DefaultPartition source) noexcept {
  default_partition.store(source, std::memory_order_release);
}

}  // namespace ndb
