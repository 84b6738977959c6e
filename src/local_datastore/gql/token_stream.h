// The tokens of one query, in the order in which the parser consumes them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "local_datastore/gql/lexer.h"

namespace ndb::local {

// is_...() functions look at the next token; take_...() functions also consume it if it is the one asked for; all
// others fail unless it is. One thread.
class TokenStream {
 public:
  // `text` must outlive this.
  static absl::StatusOr<TokenStream> of(std::string_view text);

  // The token at that distance from the next one; kEnd after the last one.
  const GqlToken& token(std::size_t ahead = 0) const;
  const GqlToken& take() { return tokens_[at_++]; }  // must not be at the end
  bool is_end() const { return token().kind == GqlToken::Kind::kEnd; }

  bool is_keyword(std::string_view keyword) const { return local::is_keyword(token(), keyword); }
  bool is_symbol(std::string_view symbol, std::size_t ahead = 0) const;
  // The name of a function; it counts as one only before a parenthesis.
  bool is_function(std::string_view name, std::size_t ahead = 0) const;
  // A name, and not a keyword.
  bool is_name() const;

  bool take_keyword(std::string_view keyword);
  bool take_symbol(std::string_view symbol);
  bool take_function(std::string_view name);  // and the "(" after it

  absl::Status expect_keyword(std::string_view keyword);
  absl::Status expect_symbol(std::string_view symbol);
  absl::StatusOr<std::string> name(std::string_view what);    // `what` for the message
  absl::StatusOr<std::string> string(std::string_view what);  // a string literal

  // The parser's position, to return to later.
  std::size_t place() const { return at_; }
  void go_to(std::size_t place) { at_ = place; }

  // INVALID_ARGUMENT that names the place, `what`, and what was found there.
  absl::Status error(std::string_view what) const { return error(token(), what); }
  absl::Status error(const GqlToken& where, std::string_view what) const;

 private:
  TokenStream(std::string_view text, std::vector<GqlToken> tokens) : text_(text), tokens_(std::move(tokens)) {}

  std::string_view text_;
  std::vector<GqlToken> tokens_;
  std::size_t at_ = 0;
};

}  // namespace ndb::local
