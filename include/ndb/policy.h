// Policies: who is cached where, and for how long. The manual's "policy functions".
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "ndb/key.h"
#include "ndb/options.h"

namespace ndb {

namespace detail {
template <class>
inline constexpr bool kPolicyNever = false;
template <class T>
inline constexpr bool kPolicyOptional = false;
template <class T>
inline constexpr bool kPolicyOptional<std::optional<T>> = true;

// The answer that a flag, policy or model-class variable gives for `key`: it may be a constant, an optional of one, or
// a callable that takes the key and returns either. No opinion is nullopt.
template <class Constant, class V>
std::optional<Constant> policy_answer(V&& v, const Key& key) {
  using Plain = std::remove_cvref_t<V>;
  if constexpr (std::same_as<Plain, std::nullopt_t>) {
    return std::nullopt;
  } else if constexpr (std::invocable<V&, const Key&>) {
    return policy_answer<Constant>(v(key), key);
  } else if constexpr (kPolicyOptional<Plain>) {
    return v ? policy_answer<Constant>(*v, key) : std::nullopt;
  } else if constexpr (std::convertible_to<V, Constant>) {
    return Constant(v);
  } else {
    static_assert(kPolicyNever<V>,
                  "ndb: a policy is a bool (a timeout: seconds), a std::optional of it, or a callable that takes a "
                  "const ndb::Key& and returns one of these; or nullptr, the default.");
  }
}
}  // namespace detail

// A policy of a context. Made from a constant, a callable of the key, or nullptr: the default policy, which asks the
// key's model class. A policy that answers nullopt has no opinion; the model class is then not asked (as in NDB: a
// policy of your own replaces the default one whole; call Context::default_*_policy from it to fall back).
template <class Constant>
class Policy {
 public:
  // The default policy.
  Policy(std::nullptr_t) {}
  // A constant, an optional of one, or a callable of the key. It is called by the context's thread.
  template <class V>
    requires(!std::same_as<std::remove_cvref_t<V>, Policy> && !std::same_as<std::remove_cvref_t<V>, std::nullptr_t>)
  Policy(V v) : ask_([v = std::move(v)](const Key& key) mutable { return detail::policy_answer<Constant>(v, key); }) {}

  // Whether this is the default policy, which asks the model class.
  bool is_default() const { return ask_ == nullptr; }
  // The answer for `key`, nullopt if it has no opinion. Not of the default policy.
  std::optional<Constant> operator()(const Key& key) const { return ask_(key); }

 private:
  std::function<std::optional<Constant>(const Key&)> ask_;
};

// Policies that answer yes or no, and the one that answers with a time-out.
using FlagPolicy = Policy<Flag>;
using TimeoutPolicy = Policy<Timeout>;

}  // namespace ndb
