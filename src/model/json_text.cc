#include "model/json_text.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "absl/strings/charconv.h"
#include "model/wire.h"

namespace ndb::detail {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The value of the four digits of \uXXXX; nothing if they are missing.
std::optional<std::uint32_t> hex4(std::string_view digits) {
  std::uint32_t unit = 0;
  const char* const begin = digits.data();
  const auto [end, error] = std::from_chars(begin, begin + std::min<std::size_t>(digits.size(), 4), unit, 16);
  return error == std::errc() && end == begin + 4 ? std::optional(unit) : std::nullopt;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

// The length of the token at the beginning of `text`, including its closing quote if it is a string, whose opening
// quote has been read. The text is valid JSON.
std::size_t string_size(std::string_view text) {
  std::size_t i = 1;
  while (text[i] != '"') i += text[i] == '\\' ? 2 : 1;
  return i + 1;
}

// The characters that may follow a backslash and what they stand for, in pairs.
constexpr std::string_view kEscapes = "\"\"\\\\//b\bf\fn\nr\rt\t";

char unescaped(char c) {
  for (std::size_t i = 0; i < kEscapes.size(); i += 2) {
    if (kEscapes[i] == c) return kEscapes[i + 1];
  }
  return 0;
}

}  // namespace

// Parses in one pass, and keeps the open arrays and objects in a list instead of on the stack.
class JsonParser {
 public:
  JsonParser(std::string_view text, JsonText* out) : text_(text), out_(out) {}

  bool run() {
    if (!is_utf8(text_)) return false;
    for (;;) {
      skip_blanks();
      if (!value()) return false;
      if (opened_) continue;  // its first element or member follows
      if (!close_ended()) return false;
      if (open_.empty()) return at_ == text_.size();
    }
  }

 private:
  using Node = JsonText::Node;
  struct Open {
    bool object;
    std::size_t node, begin;
  };

  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) { return at(c) && ++at_ != 0; }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }

  // Parses a value; of a non-empty array or object only the beginning, up to its first value.
  bool value() {
    opened_ = false;
    if (at_ == text_.size()) return false;
    const std::size_t begin = at_;
    switch (text_[at_]) {
      case '{':
      case '[':
        return open();
      case '"':
        return string() && add(JsonType::kString, begin);
      case 't':
        return take("true") && add(JsonType::kBool, begin);
      case 'f':
        return take("false") && add(JsonType::kBool, begin);
      case 'n':
        return take("null") && add(JsonType::kNull, begin);
      default:
        return number();
    }
  }

  bool open() {
    const std::size_t begin = at_;
    const bool object = text_[at_++] == '{';
    const std::size_t node = count_;
    add(object ? JsonType::kObject : JsonType::kArray, begin);
    skip_blanks();
    if (take(object ? '}' : ']')) {
      finish(node, begin);
      return true;
    }
    open_.push_back({object, node, begin});
    opened_ = true;
    return !object || name();
  }

  // After a value: a comma and what precedes the next value, or the ends of the arrays and objects that end here.
  bool close_ended() {
    for (skip_blanks(); !open_.empty(); skip_blanks()) {
      const Open& open = open_.back();
      if (take(',')) return !open.object || name();
      if (!take(open.object ? '}' : ']')) return false;
      finish(open.node, open.begin);
      open_.pop_back();
    }
    return true;
  }

  bool name() {
    skip_blanks();
    const std::size_t begin = at_;
    if (!at('"') || !string() || !add(JsonType::kString, begin)) return false;
    skip_blanks();
    return take(':');
  }

  bool string() {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') return ++at_ != 0;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      if (++at_ == text_.size()) return false;
      if (text_[at_] == 'u') {
        if (!hex4(text_.substr(at_ + 1))) return false;
        at_ += 4;
      } else if (unescaped(text_[at_]) == 0) {
        return false;
      }
    }
    return false;
  }

  bool number() {
    const std::size_t begin = at_;
    if (take("NaN")) return add(JsonType::kReal, begin);
    take('-');
    if (take("Infinity")) return add(JsonType::kReal, begin);
    if (!take('0') && !digits()) return false;
    bool real = false;
    if (take('.')) {
      real = true;
      if (!digits()) return false;
    }
    if (take('e') || take('E')) {
      real = true;
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    return add(real ? JsonType::kReal : JsonType::kInteger, begin);
  }
  bool digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > begin;
  }

  bool add(JsonType type, std::size_t begin) {
    ++count_;
    if (out_ != nullptr) out_->nodes_.push_back({type, text_.substr(begin, at_ - begin), count_});
    return true;
  }
  void finish(std::size_t node, std::size_t begin) {
    if (out_ == nullptr) return;
    out_->nodes_[node].text = text_.substr(begin, at_ - begin);
    out_->nodes_[node].end = count_;
  }

  const std::string_view text_;
  JsonText* const out_;  // null: only validate
  std::size_t at_ = 0, count_ = 0;
  std::vector<Open> open_;
  bool opened_ = false;
};

std::optional<JsonText> JsonText::parse(std::string_view text) {
  JsonText json;
  return JsonParser(text, &json).run() ? std::optional(std::move(json)) : std::nullopt;
}

bool is_json(std::string_view text) { return JsonParser(text, nullptr).run(); }

std::optional<std::int64_t> JsonText::Value::integer() const {
  std::int64_t value = 0;
  const char* const begin = text().data();
  const char* const end = begin + text().size();
  const auto [parsed, error] = std::from_chars(begin, end, value);
  return error == std::errc() && parsed == end ? std::optional(value) : std::nullopt;
}

std::optional<double> JsonText::Value::number() const {
  double value = 0;
  // std::from_chars does not distinguish numbers that are too large from those nearest to 0.
  const auto [end, error] = absl::from_chars(text().data(), text().data() + text().size(), value);
  return error == std::errc::result_out_of_range && value != 0 ? std::nullopt : std::optional(value);
}

std::optional<std::string> JsonText::Value::string() const {
  std::string out;
  const std::string_view in = text().substr(1, text().size() - 2);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] != '\\') {
      out += in[i];
      continue;
    }
    if (in[++i] != 'u') {
      out += unescaped(in[i]);
      continue;
    }
    std::uint32_t point = *hex4(in.substr(i + 1));
    i += 4;
    if (point >= 0xD800 && point < 0xE000) {  // half of a surrogate pair
      const bool escaped = point < 0xDC00 && in.substr(i + 1).starts_with("\\u");
      const std::uint32_t low = escaped ? *hex4(in.substr(i + 3)) : 0;
      if (low < 0xDC00 || low >= 0xE000) return std::nullopt;
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      i += 6;
    }
    append_utf8(out, point);
  }
  return out;
}

std::string compact_json(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = text.front() == '"' ? string_size(text) : 1;
    if (!is_blank(text.front())) out.append(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}

std::string indented_json(std::string_view text, std::size_t spaces) {
  const std::string compact = compact_json(text);
  std::string out;
  std::size_t level = 0;
  const auto new_line = [&] { out.append(1, '\n').append(level * spaces, ' '); };
  for (std::string_view rest = compact; !rest.empty();) {
    const char c = rest.front();
    const std::size_t size = c == '"' ? string_size(rest) : 1;
    const bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
    const bool empty = closes && (out.back() == '{' || out.back() == '[');
    if (closes) {
      --level;
      if (!empty) new_line();
    }
    out.append(rest.substr(0, size));
    rest.remove_prefix(size);
    if (c == ':') out += ' ';
    if (c == ',') new_line();
    if (opens) {
      ++level;
      if (rest.front() != '}' && rest.front() != ']') new_line();
    }
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    out += '\\';
    std::size_t i = 0;
    while (i < kEscapes.size() && kEscapes[i + 1] != c) i += 2;
    if (i < kEscapes.size()) {
      out += kEscapes[i];
    } else {
      out.append({'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  out += '"';
}

}  // namespace ndb::detail
