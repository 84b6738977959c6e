// Names, from the compiler's own spelling of members and types. Not for users.
#pragma once

#include <string_view>

namespace ndb::detail {

// "age" of &Account::Properties::age. Both compilers spell "... M = &Account::Properties::age" and then ";" or "]".
template <auto M>
consteval std::string_view member_name() {
  std::string_view s = __PRETTY_FUNCTION__;
  s = s.substr(s.find("M = ") + 4);
  s = s.substr(0, s.find(';') != s.npos ? s.find(';') : s.rfind(']'));
  return s.substr(s.rfind(':') + 1);
}

// "Account" of app::Account; empty for a template, whose spelling is not fit for a kind.
template <class T>
consteval std::string_view class_name() {
  std::string_view s = __PRETTY_FUNCTION__;
  s = s.substr(s.find("T = ") + 4);
  s = s.substr(0, s.find_first_of(";]"));
  return s.find('<') == s.npos ? s.substr(s.rfind(':') + 1) : std::string_view();
}

}  // namespace ndb::detail
