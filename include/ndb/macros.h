// NDB_MODEL and NDB_PROPERTIES: the list of properties of a model class, or of a struct stored inside an entity.
// NDB_ENUM: the names of an enumeration.
//
// An item is `field` or `(field, .option = value, ...)` with the options of ndb::PropertyOptions. Computed properties
// (const member functions without parameters) are listed like fields. The same by hand, for NDB_MODEL((age, .name =
// "a"), tags):
//   static constexpr ndb::Property<&Properties::age, ndb::PropertyOptions{.name = "a"}> age{};
//   static constexpr ndb::Property<&Properties::tags> tags{};
//   static constexpr auto ndb_fields() { return ndb::Fields{age, tags}; }
#pragma once
#pragma GCC system_header  // else g++ adds thousands of lines of "in expansion of macro" to a mistake in the list

// The properties of a model class, behind its struct Properties.
#define NDB_MODEL(...)                                                                                             \
  NDB_EACH_(NDB_COLUMN_, __VA_ARGS__)                                                                              \
  static constexpr auto ndb_fields() { return ::ndb::Fields{NDB_LIST_(NDB_NAME_, __VA_ARGS__)}; }                  \
  void ndb_check_base() const { /* a member function, since nothing else can name the class */                     \
    static_assert(::ndb::detail::kNamesItself<std::remove_cvref_t<decltype(*this)>>,                               \
                  "ndb: the base of a model class names that class: class Account : public ndb::Model<Account>."); \
  }

// `Self` is the name of the struct, which an aggregate cannot know itself. Put it after the fields: it adds a field,
// for the stored properties that the struct does not have.
#define NDB_PROPERTIES(Self, ...)                                                                \
  using ndb_self = Self;                                                                         \
  template <class Parent>                                                                        \
  struct ndb_columns {                                                                           \
    NDB_EACH_(NDB_SUBCOLUMN_, __VA_ARGS__)                                                       \
  };                                                                                             \
  static constexpr auto ndb_fields() {                                                           \
    constexpr ::ndb::Fields ndb_list{NDB_LIST_(NDB_LEAF_, __VA_ARGS__)};                         \
    static_assert(::ndb::detail::stored(ndb_list) + 1 == ::ndb::detail::field_count<Self>(),     \
                  "ndb: NDB_PROPERTIES must list every field of the struct, and nothing else."); \
    static_assert(::ndb::detail::good_names(ndb_list),                                           \
                  "ndb: stored names must differ, have no dot, and not be of the form __x__.");  \
    return ndb_list;                                                                             \
  }                                                                                              \
  ::ndb::detail::Unknown ndb_unknown{};

// The names that the values of an enumeration are stored under: `NDB_ENUM(Color, red, (kGreen, .name = "green"))`, in
// the namespace of the enumeration, in front of the model class that uses it. An item is an enumerator, stored under
// its own name, or `(enumerator, .name = "...")`. An enumeration without this is stored as the numbers of its values.
#define NDB_ENUM(Type, ...)                                       \
  constexpr auto ndb_enum_names(Type) {                           \
    using enum Type;                                              \
    return ::std::array{NDB_LIST_(NDB_ENUMERATOR_, __VA_ARGS__)}; \
  }

#define NDB_COLUMN_(item) NDB_CALL_(NDB_COLUMN2_, NDB_ITEM_(item))
#define NDB_COLUMN2_(p, ...)                                                                       \
  static_assert(::ndb::detail::free_name(#p), "ndb: a property cannot be called " #p               \
                                              ", which ndb::Model uses. Give the field another "   \
                                              "name and list it as (field, .name = \"" #p "\")."); \
  static constexpr ::ndb::Property<&Properties::p, ::ndb::PropertyOptions{__VA_ARGS__}> p{};
#define NDB_SUBCOLUMN_(item) NDB_CALL_(NDB_SUBCOLUMN2_, NDB_ITEM_(item))
#define NDB_SUBCOLUMN2_(p, ...) \
  static constexpr ::ndb::Property<&ndb_self::p, ::ndb::PropertyOptions{__VA_ARGS__}, Parent> p{};
#define NDB_LEAF_(item) NDB_CALL_(NDB_LEAF2_, NDB_ITEM_(item))
#define NDB_LEAF2_(p, ...) \
  ::ndb::Property<&ndb_self::p, ::ndb::PropertyOptions{__VA_ARGS__}> {}
#define NDB_NAME_(item) NDB_CALL_(NDB_NAME2_, NDB_ITEM_(item))
#define NDB_NAME2_(p, ...) p

#define NDB_ENUMERATOR_(item) NDB_CALL_(NDB_ENUMERATOR2_, NDB_ITEM_(item))
#define NDB_ENUMERATOR2_(e, ...) ::ndb::detail::enumerator(e, #e, ::ndb::EnumeratorOptions{__VA_ARGS__})

// An item with parentheses, whether it was written with them or not.
#define NDB_ITEM_(item) NDB_SECOND_(NDB_PROBE_ item, (item), ~)
#define NDB_PROBE_(...) ~, (__VA_ARGS__)
#define NDB_SECOND_(...) NDB_SECOND2_(__VA_ARGS__)
#define NDB_SECOND2_(a, b, ...) b
#define NDB_CALL_(M, item) M item

// M applied to each of up to 256 arguments: EACH puts nothing between the results, LIST a comma.
#define NDB_EACH_(M, ...) __VA_OPT__(NDB_EXPAND_(NDB_EACH2_(M, __VA_ARGS__)))
#define NDB_EACH2_(M, a, ...) M(a) __VA_OPT__(NDB_EACH3_ NDB_PARENS_(M, __VA_ARGS__))
#define NDB_EACH3_() NDB_EACH2_
#define NDB_LIST_(M, ...) __VA_OPT__(NDB_EXPAND_(NDB_LIST2_(M, __VA_ARGS__)))
#define NDB_LIST2_(M, a, ...) M(a) __VA_OPT__(, NDB_LIST3_ NDB_PARENS_(M, __VA_ARGS__))
#define NDB_LIST3_() NDB_LIST2_
#define NDB_PARENS_ ()
#define NDB_EXPAND_(...) NDB_EXPAND4_(NDB_EXPAND4_(NDB_EXPAND4_(NDB_EXPAND4_(__VA_ARGS__))))
#define NDB_EXPAND4_(...) NDB_EXPAND3_(NDB_EXPAND3_(NDB_EXPAND3_(NDB_EXPAND3_(__VA_ARGS__))))
#define NDB_EXPAND3_(...) NDB_EXPAND2_(NDB_EXPAND2_(NDB_EXPAND2_(NDB_EXPAND2_(__VA_ARGS__))))
#define NDB_EXPAND2_(...) NDB_EXPAND1_(NDB_EXPAND1_(NDB_EXPAND1_(NDB_EXPAND1_(__VA_ARGS__))))
#define NDB_EXPAND1_(...) __VA_ARGS__
