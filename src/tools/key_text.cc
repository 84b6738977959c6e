#include "tools/key_text.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::tools {
namespace {

absl::StatusOr<std::string> unescape(std::string_view text) {
  std::optional<std::string> out = percent_decoded(text);
  if (out) return *std::move(out);
  return absl::InvalidArgumentError("after % come two hexadecimal digits; % itself is written %25");
}

absl::StatusOr<Id> parse_id(std::string_view text) {
  constexpr std::string_view kName = "name=";
  if (text.starts_with(kName)) return unescape(text.substr(kName.size()));
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != digits.npos) return unescape(text);
  std::int64_t number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) {
    return absl::InvalidArgumentError(
        cat("the id ", text, " is not within 64 bits; a name of digits is written name=", text));
  }
  return number;
}

// `parent` is null for the first element.
absl::StatusOr<Key> parse_element(std::string_view text, const Partition& where, const Key& parent) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) {
    return absl::InvalidArgumentError(cat("the element ", quoted(text),
                                          " has no id: write Kind:id, and %2F for a slash "
                                          "in a name"));
  }
  NDB_ASSIGN_OR_RETURN(const std::string kind, unescape(text.substr(0, colon)));
  NDB_ASSIGN_OR_RETURN(const Id id, parse_id(text.substr(colon + 1)));
  try {
    return parent ? Key(kind, id, parent) : Key(kind, id, where);
  } catch (const BadKeyError& error) {
    return error.status();
  }
}

absl::StatusOr<Key> parse_path(std::string_view text, const Partition& where) {
  Key key;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    NDB_ASSIGN_OR_RETURN(key, parse_element(text.substr(begin, end - begin), where, key));
    begin = end + 1;
  }
  return key;
}

}  // namespace

absl::StatusOr<Key> parse_key(std::string_view text, const Partition& where) {
  if (text.find(':') != text.npos) {
    absl::StatusOr<Key> key = parse_path(text, where);
    if (!key.ok()) return annotate(key.status(), cat("KEY ", quoted(text)));
    return key;
  }
  absl::StatusOr<Key> key = Key::try_from_urlsafe(text);
  if (!key.ok() || !key->is_complete()) {
    return absl::InvalidArgumentError(
        cat("KEY ", quoted(text), " is neither a path, such as Account:ada or Account:42, nor a url-safe key"));
  }
  return key;
}

}  // namespace ndb::tools
