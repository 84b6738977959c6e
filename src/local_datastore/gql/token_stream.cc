#include "local_datastore/gql/token_stream.h"

#include <algorithm>
#include <array>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

using Kind = GqlToken::Kind;

// Words that are names only within backquotes. Function names are not reserved.
constexpr std::array<std::string_view, 26> kReserved = {
    "AGGREGATE", "ANCESTOR", "AND",  "AS",    "ASC",  "BY",     "CONTAINS", "DESC", "DESCENDANT",
    "DISTINCT",  "FALSE",    "FROM", "HAS",   "IN",   "IS",     "LIMIT",    "NOT",  "NULL",
    "OFFSET",    "ON",       "OR",   "ORDER", "OVER", "SELECT", "TRUE",     "WHERE"};

}  // namespace

absl::StatusOr<TokenStream> TokenStream::of(std::string_view text) {
  NDB_ASSIGN_OR_RETURN(std::vector<GqlToken> tokens, tokenize_gql(text));
  return TokenStream(text, std::move(tokens));
}

const GqlToken& TokenStream::token(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

bool TokenStream::is_symbol(std::string_view symbol, std::size_t ahead) const {
  return token(ahead).kind == Kind::kSymbol && token(ahead).text == symbol;
}

bool TokenStream::is_function(std::string_view name, std::size_t ahead) const {
  return local::is_keyword(token(ahead), name) && is_symbol("(", ahead + 1);
}

bool TokenStream::is_name() const {
  if (token().kind == Kind::kQuotedName) return true;
  return token().kind == Kind::kName &&
         std::ranges::none_of(kReserved, [&](std::string_view word) { return is_keyword(word); });
}

bool TokenStream::take_keyword(std::string_view keyword) {
  if (!is_keyword(keyword)) return false;
  ++at_;
  return true;
}

bool TokenStream::take_symbol(std::string_view symbol) {
  if (!is_symbol(symbol)) return false;
  ++at_;
  return true;
}

bool TokenStream::take_function(std::string_view name) {
  if (!is_function(name)) return false;
  at_ += 2;
  return true;
}

absl::Status TokenStream::expect_keyword(std::string_view keyword) {
  return take_keyword(keyword) ? absl::OkStatus() : error(cat("expected ", keyword));
}

absl::Status TokenStream::expect_symbol(std::string_view symbol) {
  return take_symbol(symbol) ? absl::OkStatus() : error(cat("expected ", quoted(symbol)));
}

absl::StatusOr<std::string> TokenStream::name(std::string_view what) {
  if (!is_name() || token().text.empty()) return error(cat("expected ", what));
  return take().text;
}

absl::StatusOr<std::string> TokenStream::string(std::string_view what) {
  if (token().kind != Kind::kString) return error(cat("expected a string: ", what));
  return take().text;
}

absl::Status TokenStream::error(const GqlToken& where, std::string_view what) const {
  return absl::InvalidArgumentError(
      cat("GQL query, ", gql_position(text_, where.raw), ": ", what,
          where.kind == Kind::kEnd ? ", found the end" : cat(", found ", quoted(where.raw)), "."));
}

}  // namespace ndb::local
