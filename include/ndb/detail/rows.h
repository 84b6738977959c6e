// The rows of a class's table: how they are made from the list of its properties, and what is checked then at compile
// time. Not for users.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ndb/detail/checks.h"
#include "ndb/detail/codec.h"
#include "ndb/detail/property_traits.h"
#include "ndb/detail/types.h"

namespace ndb::detail {

// ---- Checks of a list of properties

// The number of fields of an aggregate; a base class counts as one.
struct Any {
  template <class T>
  operator T() const {
    __builtin_unreachable();  // only in operands that are not evaluated
  }
};
template <class P, class... A>
consteval std::size_t field_count() {
  if constexpr (requires { P{A{}..., Any{}}; }) {
    return field_count<P, A..., Any>();
  } else {
    return sizeof...(A);
  }
}

template <class... P>
consteval std::size_t stored(Fields<P...>) {
  return (std::size_t{!Traits<P>::kComputed} + ... + 0);
}

// A struct that a user did not write by hand keeps what it does not know.
template <class T>
concept KeepsUnknown = requires(T& t) {
  { t.ndb_unknown } -> std::same_as<Unknown&>;
};

// The preparation that a put needs for a list of properties.
template <class... P>
consteval Preparation preparation_of(Fields<P...>);

template <class P>
consteval Preparation preparation_of_field() {
  using Operand = typename Traits<P>::Operand;
  constexpr PropertyOptions o = Traits<P>::kOptions;
  constexpr bool changes = o.validator.info != nullptr && o.validator.info->changes;
  constexpr bool checks = o.required || o.choices.list != nullptr || o.validator.info != nullptr || !o.kind.empty() ||
                          std::same_as<Operand, Json> || std::same_as<Operand, Expando>;
  if constexpr (Traits<P>::kComputed) {
    return Preparation::kNone;
  } else if constexpr (o.auto_now || o.auto_now_add || changes) {
    return Preparation::kChanges;
  } else if constexpr (Structured<Operand>) {
    return std::max(checks ? Preparation::kChecks : Preparation::kNone, preparation_of(Operand::ndb_fields()));
  } else {
    return checks ? Preparation::kChecks : Preparation::kNone;
  }
}

template <class... P>
consteval Preparation preparation_of(Fields<P...>) {
  return std::max({Preparation::kNone, preparation_of_field<P>()...});
}

// Stored names are unique, contain no dot (dots separate sub-properties), and are not of the form __x__.
template <class... P>
consteval bool good_names(Fields<P...>) {
  constexpr std::size_t n = sizeof...(P);
  if constexpr (n > 0) {
    const std::string_view names[] = {Traits<P>::name()...};
    for (std::size_t i = 0; i < n; ++i) {
      if (names[i].find('.') != std::string_view::npos) return false;
      if (names[i].size() >= 4 && names[i].starts_with("__") && names[i].ends_with("__")) return false;
      for (std::size_t j = 0; j < i; ++j) {
        if (names[i] == names[j]) return false;
      }
    }
  }
  return true;
}

// That of PolyModel is its own.
template <class... P>
consteval bool good_class_property(Fields<P...>) {
  return ((Traits<P>::name() != "class") && ... && true);
}

consteval bool free_name(std::string_view name) {
  for (const std::string_view taken : {"key",
                                       "put",
                                       "put_async",
                                       "put_if",
                                       "put_if_async",
                                       "edit",
                                       "make",
                                       "query",
                                       "gql",
                                       "get_by_id",
                                       "get_by_id_async",
                                       "get_or_insert",
                                       "get_or_insert_async",
                                       "insert_or_get",
                                       "insert_or_get_async",
                                       "allocate_ids",
                                       "allocate_ids_async",
                                       "as",
                                       "properties",
                                       "edited",
                                       "populate",
                                       "populate_json",
                                       "to_json",
                                       "from_json",
                                       "to_string",
                                       "class_"}) {
    if (name == taken) return false;
  }
  return true;
}

// ---- Table rows

template <class T, bool Always>
void stamp_field(void* field, Timestamp now) {
  T& time = *static_cast<T*>(field);
  if (Always || time == T()) time = now;
}

template <class T>
void each_value(void* field, void (*run)(void* value)) {
  T& value = *static_cast<T*>(field);
  if constexpr (kIsVector<T>) {
    for (auto& element : value) each_value<typename T::value_type>(&element, run);
  } else if constexpr (kIsOptional<T>) {
    if (value) run(&*value);
  } else {
    run(&value);
  }
}

// The types of choices that a property of T can have, as in ChoiceList.
template <class T>
consteval unsigned choice_types() {
  const auto bit = [](Choice::Type type) { return 1U << static_cast<unsigned>(type); };
  if constexpr (std::same_as<T, Value>) {
    return ~0U;
  } else if constexpr (std::same_as<T, bool>) {
    return bit(Choice::Type::kBool);
  } else if constexpr (std::integral<T>) {
    return bit(Choice::Type::kNumber);
  } else if constexpr (std::floating_point<T>) {
    return bit(Choice::Type::kNumber) | bit(Choice::Type::kReal);
  } else {
    return std::derived_from<T, std::string> ? bit(Choice::Type::kText) : 0U;
  }
}

template <class P>
consteval bool check_options() {
  using Type = typename Traits<P>::Type;
  using Operand = typename Traits<P>::Operand;
  constexpr PropertyOptions o = Traits<P>::kOptions;
  constexpr bool stamped = o.auto_now || o.auto_now_add;
  constexpr bool is_time = std::same_as<Type, Timestamp> || std::same_as<Type, std::optional<Timestamp>>;
  constexpr bool can_be_unset =
      kIsOptional<Type> || std::same_as<Type, Key> || std::same_as<Type, Json> || std::same_as<Type, Value>;
  constexpr bool characters = std::same_as<Operand, Text> || std::same_as<Operand, Blob> || std::same_as<Operand, Json>;
  static_assert(!stamped || (is_time && !Traits<P>::kComputed),
                "ndb: auto_now and auto_now_add need an ndb::Timestamp or an optional one.");
  static_assert(
      !o.required || can_be_unset,
      "ndb: required needs a type that can be unset: std::optional<T>, ndb::Key, ndb::Json or ndb::Value. Any "
      "other always has a value.");
  static_assert(o.choices.list == nullptr || (o.choices.list->types & ~choice_types<Operand>()) == 0,
                "ndb: choices are texts, numbers or booleans, of the property's own type.");
  static_assert(o.validator.info == nullptr ||
                    (o.validator.info->type == &kTypeTag<Operand> && !std::same_as<Type, std::vector<bool>>),
                "ndb: a validator takes a value of the property's type, of a repeated one an element of it.");
  static_assert(o.kind.empty() || std::same_as<Operand, Key>, "ndb: kind is an option of ndb::Key properties.");
  static_assert(!o.local || Structured<Operand>, "ndb: local is an option of structs.");
  static_assert(!o.compressed || characters || o.local,
                "ndb: compressed is an option of ndb::Text, ndb::Blob, ndb::Json and of local structs.");
  static_assert(!Traits<P>::kComputed || (!o.required && o.choices.list == nullptr && o.validator.info == nullptr),
                "ndb: a computed property is not checked.");
  return true;
}

template <class P>
inline constexpr Checks kChecks = [] {
  using Type = typename Traits<P>::Type;
  constexpr PropertyOptions options = Traits<P>::kOptions;
  Checks checks{.validator = options.validator.info,
                .required = options.required,
                .json = std::same_as<typename Traits<P>::Operand, Json>,
                .choices = options.choices.list,
                .kind = Traits<P>::kOptions.kind.view()};
  if constexpr (options.auto_now || options.auto_now_add) checks.stamp = &stamp_field<Type, options.auto_now>;
  if constexpr (options.validator.info != nullptr) checks.each = &each_value<Type>;
  return checks;
}();

// The offset of a member, from an object that is never made.
template <class Owner>
union Unmade {
  constexpr Unmade() : none() {}
  constexpr ~Unmade() {}
  char none;
  Owner owner;
};
template <class Owner>
inline Unmade<Owner> unmade{};
template <class Owner, class Member>
std::ptrdiff_t offset_of(Member member) {
  Owner& owner = unmade<Owner>.owner;
  return reinterpret_cast<const char*>(&(owner.*member)) - reinterpret_cast<const char*>(&owner);
}

template <class Owner, class P>
PropertyRow row() {
  using T = Traits<P>;
  constexpr PropertyOptions options = T::kOptions;
  static_assert(check_options<P>());
  PropertyRow row{.name = T::name(),
                  .indexed = T::indexed(),
                  .storage = options.compressed && options.local ? Storage::kCompressedLocal
                             : options.compressed                ? Storage::kCompressed
                             : options.local                     ? Storage::kLocal
                                                                 : Storage::kPlain,
                  .field = member_name<T::kMember>()};
  if constexpr (T::kComputed) {
    row.compute = [](Encoder& out, const void* object, bool indexed) {
      Codec<typename T::Type>::encode(out, (static_cast<const Owner*>(object)->*T::kMember)(), indexed);
    };
  } else {
    row.offset = offset_of<Owner>(T::kMember);
    if constexpr (!is_expando<P>()) row.ops = &kOps<typename T::Type>;
    if constexpr (preparation_of_field<P>() != Preparation::kNone) row.checks = &kChecks<P>;
  }
  return row;
}

template <class Owner, class... P>
std::vector<PropertyRow> make_rows(Fields<P...>) {
  static_assert((std::size_t{is_expando<P>()} + ... + 0) <= 1, "ndb: one ndb::Expando takes all; there cannot be two.");
  return {row<Owner, P>()...};
}

template <Structured T>
const Table& struct_table() {
  static const Table& table = *std::make_unique<const Table>(make_rows<T>(T::ndb_fields()),
                                                             [] {
                                                               if constexpr (KeepsUnknown<T>)
                                                                 return offset_of<T>(&T::ndb_unknown);
                                                               return Table::kNone;
                                                             }())
                                   .release();  // see model_table()
  return table;
}

}  // namespace ndb::detail
