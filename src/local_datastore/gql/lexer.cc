#include "local_datastore/gql/lexer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

using Kind = GqlToken::Kind;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Letters, and every byte of a non-ASCII character.
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 128;
}
bool continues_name(char c) { return begins_name(c) || is_digit(c); }

char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::optional<char> escaped(char c) {
  constexpr std::string_view kLetters = "0bnrtZ\\'\"`%_";
  constexpr std::string_view kMeanings("\0\b\n\r\t\x1a\\'\"`%_", 12);
  const std::size_t at = kLetters.find(c);
  return at == std::string_view::npos ? std::nullopt : std::optional<char>(kMeanings[at]);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<GqlToken>> run() {
    std::vector<GqlToken> tokens;
    for (;;) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      const std::size_t begin = at_;
      NDB_ASSIGN_OR_RETURN(GqlToken token, next());
      token.raw = text_.substr(begin, at_ - begin);
      if (tokens.size() == kMaxGqlTokens) return error(begin, cat("expected at most ", kMaxGqlTokens, " tokens"));
      tokens.push_back(std::move(token));
      if (tokens.back().kind == Kind::kEnd) return tokens;
    }
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  absl::Status error(std::size_t where, std::string_view what) const {
    return absl::InvalidArgumentError(cat("GQL query, ", gql_position(text_, text_.substr(where)), ": ", what));
  }

  absl::StatusOr<GqlToken> next() {
    if (at_ == text_.size()) return GqlToken{};
    const char c = peek();
    if (begins_name(c)) return GqlToken{Kind::kName, take_while(continues_name)};
    if (c == '\'' || c == '"') return quoted_text(Kind::kString);
    if (c == '`') return quoted_text(Kind::kQuotedName);
    if (c == '@') return binding();
    const std::size_t sign = c == '+' || c == '-' ? 1 : 0;
    if (is_digit(peek(sign)) || (peek(sign) == '.' && is_digit(peek(sign + 1)))) return number();
    return symbol();
  }

  std::string take_while(bool (*wanted)(char)) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && wanted(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  // A quote within the text is doubled, or escaped by a backslash.
  absl::StatusOr<GqlToken> quoted_text(Kind kind) {
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    GqlToken token{kind};
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) {
        if (peek() != quote || at_ == text_.size()) return token;
        ++at_;
        token.text.push_back(quote);
      } else if (c == '\\') {
        const std::optional<char> meaning = escaped(peek());
        if (at_ == text_.size() || !meaning)
          return error(at_ - 1, "expected one of \\\\ \\0 \\b \\n \\r \\t \\Z \\' \\\" \\` \\% \\_");
        ++at_;
        token.text.push_back(*meaning);
      } else {
        token.text.push_back(c);
      }
    }
    return error(begin, cat("expected a closing ", quote, " for the one here"));
  }

  absl::StatusOr<GqlToken> binding() {
    const std::size_t begin = at_++;
    GqlToken token{Kind::kBinding, take_while(is_digit(peek()) ? is_digit : continues_name)};
    if (token.text.empty()) return error(begin, "expected a name or a number after @");
    return token;
  }

  absl::StatusOr<GqlToken> number() {
    const std::size_t begin = at_;
    bool whole = true;
    if (!is_digit(peek()) && peek() != '.') ++at_;  // the sign
    take_while(is_digit);
    if (peek() == '.') {
      whole = false;
      ++at_;
      take_while(is_digit);
    }
    if (peek() == 'e' || peek() == 'E') {
      const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if (is_digit(peek(1 + sign))) {
        whole = false;
        at_ += 1 + sign;
        take_while(is_digit);
      }
    }
    if (continues_name(peek()) && at_ < text_.size()) return error(at_, "expected a space after the number");
    return GqlToken{whole ? Kind::kInteger : Kind::kDouble, std::string(text_.substr(begin, at_ - begin))};
  }

  absl::StatusOr<GqlToken> symbol() {
    for (const std::string_view two : {"<=", ">=", "!="}) {
      if (text_.substr(at_).starts_with(two)) {
        at_ += 2;
        return GqlToken{Kind::kSymbol, std::string(two)};
      }
    }
    constexpr std::string_view kSymbols = "(),.*+=<>";
    if (kSymbols.find(peek()) == std::string_view::npos || peek() == '\0') {
      return error(at_, cat("unexpected character: ", quoted(text_.substr(at_, 1))));
    }
    return GqlToken{Kind::kSymbol, std::string(1, text_[at_++])};
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<GqlToken>> tokenize_gql(std::string_view text) { return Lexer(text).run(); }

std::string gql_position(std::string_view text, std::string_view at) {
  const std::string_view before = text.substr(0, static_cast<std::size_t>(at.data() - text.data()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::string_view of_line = before.substr(before.rfind('\n') + 1);  // npos + 1 = 0
  const auto column = std::count_if(of_line.begin(), of_line.end(),
                                    [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }) +
                      1;
  return cat("line ", line, ", column ", column);
}

bool is_keyword(const GqlToken& token, std::string_view keyword) {
  return token.kind == Kind::kName && token.text.size() == keyword.size() &&
         std::equal(keyword.begin(), keyword.end(), token.text.begin(),
                    [](char a, char b) { return a == to_upper(b); });
}

}  // namespace ndb::local
