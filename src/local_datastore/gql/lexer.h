// Splits GQL text into tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ndb::local {

struct GqlToken {
  enum class Kind : std::uint8_t {
    kName,        // a keyword too; `text` is as it was written
    kQuotedName,  // in backquotes, never a keyword
    kString,
    kInteger,
    kDouble,
    kBinding,  // `text` without its @
    kSymbol,   // ( ) , . * + = < <= > >= !=
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text{};      // without quotes and escapes
  std::string_view raw{};  // as it stands in the query
};

// All tokens of the text, the last of which is kEnd. The views are into `text`.
absl::StatusOr<std::vector<GqlToken>> tokenize_gql(std::string_view text);

// The position of `at`, a part of `text`, for messages: "line 1, column 15", counted in characters from 1.
std::string gql_position(std::string_view text, std::string_view at);

// Whether the token is this keyword, given in capitals.
bool is_keyword(const GqlToken& token, std::string_view keyword);

}  // namespace ndb::local
