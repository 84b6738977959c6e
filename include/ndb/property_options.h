// Options of properties: what may follow a field in NDB_MODEL and NDB_PROPERTIES, in this order:
//   NDB_MODEL((age, .name = "a", .indexed = false), (colour, .choices = ndb::choices<"red", "green">))
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ndb {

// A literal as a template argument of ndb::choices.
struct Choice {
  static constexpr std::size_t kCapacity = 64;  // bytes of a text, with its end
  // A text of at most 63 bytes, a truth value, an integer or a floating-point number.
  template <std::size_t N>
  constexpr Choice(const char (&s)[N]) : type(Type::kText) {
    static_assert(N <= kCapacity, "ndb: a choice is a text of at most 63 bytes.");
    for (std::size_t i = 0; i < N; ++i) text[i] = s[i];
  }
  template <std::same_as<bool> B>
  constexpr Choice(B b) : type(Type::kBool), number(b) {}
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  constexpr Choice(I i) : type(Type::kNumber), number(static_cast<std::int64_t>(i)) {}
  template <std::floating_point F>
  constexpr Choice(F f) : type(Type::kReal), real(static_cast<double>(f)) {}

  // Which of the members below holds the value.
  enum class Type : std::uint8_t { kText, kBool, kNumber, kReal };
  Type type;                  // of the literal
  std::int64_t number = 0;    // of kBool and kNumber
  double real = 0;            // of kReal
  char text[kCapacity] = {};  // of kText
};

namespace detail {

template <class T>
inline constexpr char kTypeTag = 0;  // its address stands for the type

struct ValidatorInfo {
  void (*run)(void* value);
  bool changes;
  const void* type;  // of the values
};
struct ChoiceList {
  std::span<const Choice> (*all)();
  unsigned types;  // bit n: there is one of Choice::Type n
};

template <class>
struct ValidatorTraits;
template <class R, class A>
struct ValidatorTraits<R (*)(A)> {
  using Argument = std::remove_cvref_t<A>;
  static constexpr bool kChanges = !std::is_void_v<R>;
};
template <class R, class A>
struct ValidatorTraits<R (*)(A) noexcept> : ValidatorTraits<R (*)(A)> {};

template <auto F>
using ValidatorOf = ValidatorTraits<decltype(+F)>;

template <auto F>
void run_validator(void* value) {
  auto& v = *static_cast<typename ValidatorOf<F>::Argument*>(value);
  if constexpr (ValidatorOf<F>::kChanges) {
    v = F(v);
  } else {
    F(v);
  }
}
template <auto F>
inline constexpr ValidatorInfo kValidator{.run = &run_validator<F>,
                                          .changes = ValidatorOf<F>::kChanges,
                                          .type = &kTypeTag<typename ValidatorOf<F>::Argument>};

template <Choice... C>
std::span<const Choice> all_choices() {
  static constexpr Choice kAll[] = {C...};
  return kAll;
}
template <Choice... C>
inline constexpr ChoiceList kChoices{.all = &all_choices<C...>,
                                     .types = (0U | ... | (1U << static_cast<unsigned>(C.type)))};

}  // namespace detail

// What ndb::validator and ndb::choices are: pointers to variables, because g++ 12 takes no pointer to a function within
// a template argument.
struct Validator {
  const detail::ValidatorInfo* info = nullptr;  // null: no validator
};
// See ndb::choices.
struct Choices {
  const detail::ChoiceList* list = nullptr;  // null: any value
};

// `.validator = ndb::validator<function>`. The function takes a value of the property (an element of a repeated one,
// the content of an optional one), and refuses it by throwing; put() then throws BadValueError with its message. It may
// return a value, which replaces the one that it got; it must leave a value that it has returned itself unchanged.
template <auto F>
inline constexpr Validator validator{&detail::kValidator<F>};

// `.choices = ndb::choices<"red", "green">`: a put of another value is a BadValueError. Null is always allowed.
template <Choice... C>
inline constexpr Choices choices{&detail::kChoices<C...>};

// The options of one enumerator in NDB_ENUM: `(kGreen, .name = "green")`.
struct EnumeratorOptions {
  std::string_view name{};  // stored under this name, a literal; default: the enumerator's own
};

// The options of one property, by name: `(age, .name = "a", .indexed = false)`.
struct PropertyOptions {
  // A stored name or a kind, as a template argument.
  struct Name {
    static constexpr std::size_t kCapacity = 128;  // bytes, with its end
    constexpr Name() = default;
    // A literal of at most 127 bytes.
    template <std::size_t N>
    constexpr Name(const char (&s)[N]) {
      static_assert(N <= kCapacity, "ndb: the stored name of a property has at most 127 bytes.");
      for (std::size_t i = 0; i < N; ++i) text[i] = s[i];
    }
    // Whether no name was given.
    constexpr bool empty() const { return text[0] == 0; }
    // The name; lives as long as this.
    constexpr std::string_view view() const { return text; }
    char text[kCapacity] = {};  // ends with 0
  };
  Name name{};                // stored under this name; default: the field's own
  bool indexed = true;        // false: queries cannot filter or sort by it
  bool required = false;      // a put while it is unset is a BadValueError; of a type that can be unset
  Choices choices{};          // the values that a put takes; see ndb::choices
  Validator validator{};      // a function that a put asks; see ndb::validator
  Name kind{};                // of a Key: a put of a key of another kind is a BadValueError
  bool compressed = false;    // of Text, Blob, Json and local structs: stored as zlib bytes
  bool local = false;         // of a struct: stored as bytes without indexes, NDB's LocalStructuredProperty
  bool auto_now = false;      // of a Timestamp: set to the time of every put
  bool auto_now_add = false;  // of a Timestamp: set by a put that finds it unset
};

}  // namespace ndb
