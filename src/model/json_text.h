// JSON as a text: what a valid one is, and one taken apart. A library would not do: a JSON text that NDB stored goes
// out as it came, with numbers of any length, halves of characters and nesting of any depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ndb::detail {

enum class JsonType : std::uint8_t { kNull, kBool, kInteger, kReal, kString, kArray, kObject };

// A JSON text in UTF-8 (RFC 8259), and what Python's json.dumps() writes besides: NaN, Infinity and -Infinity as
// numbers. Parsing takes linear time whatever the text, and no stack. Views point into the text.
class JsonText {
  struct Node {
    JsonType type;
    std::string_view text;
    std::size_t end;  // the index behind its last descendant
  };

 public:
  // Nothing if the text is no JSON.
  static std::optional<JsonText> parse(std::string_view text);

  // A value of it. Valid as long as the JsonText and its text.
  class Value {
   public:
    JsonType type() const { return node().type; }
    std::string_view text() const { return node().text; }  // as it was written
    bool is(JsonType type) const { return node().type == type; }
    bool is_number() const { return is(JsonType::kInteger) || is(JsonType::kReal); }

    bool boolean() const { return text() == "true"; }
    std::optional<std::int64_t> integer() const;  // nothing if it does not fit
    std::optional<double> number() const;         // the nearest; nothing if it is beyond all finite ones
    // The characters of a string. Nothing if it holds a half of a character, as in "\ud800", which UTF-8 has not.
    std::optional<std::string> string() const;

    // Of an array `take(element)`, of an object `take(name, member)`, both Values; names may be there twice.
    template <class Take>
    void for_each_element(const Take& take) const {
      for (std::size_t i = at_ + 1; i < node().end; i = json_->nodes_[i].end) take(Value(*json_, i));
    }
    template <class Take>
    void for_each_member(const Take& take) const {
      for (std::size_t i = at_ + 1; i < node().end; i = json_->nodes_[i + 1].end) {
        take(Value(*json_, i), Value(*json_, i + 1));
      }
    }

   private:
    friend class JsonText;
    Value(const JsonText& json, std::size_t at) : json_(&json), at_(at) {}
    const Node& node() const { return json_->nodes_[at_]; }

    const JsonText* json_;
    std::size_t at_;
  };
  Value root() const { return Value(*this, 0); }

 private:
  friend class JsonParser;
  std::vector<Node> nodes_;  // in the order of the text; the members of an object are name, value, name, value
};

bool is_json(std::string_view text);

// How deep values may be within each other where entities are read from JSON or written as JSON, which is more than an
// entity can have: that work calls itself, and a tasklet's stack is small. What an ndb::Json holds has no such limit.
inline constexpr int kMaxJsonDepth = 64;

// `text`, which is JSON, without blanks between its parts; or with line breaks and so many spaces per level.
std::string compact_json(std::string_view text);
std::string indented_json(std::string_view text, std::size_t spaces);

// `text`, which is UTF-8, as a JSON string with its quotes, at the end of `out`.
void append_json_string(std::string& out, std::string_view text);

}  // namespace ndb::detail
