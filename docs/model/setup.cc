#include "setup.h"

#include <algorithm>

#include "base/strings.h"

namespace ndb::explorer {
namespace {

template <class Enum, std::size_t kSize>
std::optional<Enum> named(const std::array<std::string_view, kSize>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::optional<Variant> variant_named(std::string_view name) { return named<Variant>(kVariantNames, name); }
std::optional<Fault> fault_named(std::string_view name) { return named<Fault>(kFaultNames, name); }

std::string faults_text(const Setup& setup) {
  std::string text;
  for (std::size_t fault = 0; fault < kFaultKinds; ++fault) {
    for (int n = 0; n < setup.faults[fault]; ++n) text += cat(text.empty() ? "" : " ", kFaultNames[fault]);
  }
  return text.empty() ? "none" : text;
}

std::string properties_text(unsigned properties) {
  std::string text;
  if ((properties & kP1) != 0) text += "P1 ";
  if ((properties & kP2) != 0) text += "P2 ";
  if ((properties & kP3) != 0) text += "P3 ";
  if (text.empty()) return "-";
  text.pop_back();
  return text;
}

}  // namespace ndb::explorer
