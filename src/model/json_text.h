// JSON texts: validation and parsing. A library would not do, because a JSON text that NDB stored must be written back
// unchanged, with numbers of any length, unpaired surrogates and nesting of any depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ndb::detail {

enum class JsonType : std::uint8_t { kNull, kBool, kInteger, kReal, kString, kArray, kObject };

// A JSON text in UTF-8 (RFC 8259), or one with the extensions of Python's json.dumps(): NaN, Infinity and -Infinity as
// numbers. Parsing takes linear time for any text and does not recurse. Views point into the text.
class JsonText {
  struct Node {
    JsonType type;
    std::string_view text;
    std::size_t end;  // the index after its last descendant
  };

 public:
  // Nothing if the text is not JSON.
  static std::optional<JsonText> parse(std::string_view text);

  // A value in the text. Valid as long as the JsonText and its text.
  class Value {
   public:
    JsonType type() const { return node().type; }
    std::string_view text() const { return node().text; }  // as it was written
    bool is(JsonType type) const { return node().type == type; }
    bool is_number() const { return is(JsonType::kInteger) || is(JsonType::kReal); }

    bool boolean() const { return text() == "true"; }
    std::optional<std::int64_t> integer() const;  // nothing if it is out of range
    std::optional<double> number() const;         // the nearest one; nothing if it is out of range
    // The characters of a string. Nothing if it contains an unpaired surrogate, as in "\ud800", which UTF-8 cannot
    // represent.
    std::optional<std::string> string() const;

    // Calls `take(element)` for an array, `take(name, member)` for an object, with Values; names may occur twice.
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

// How deep values may be nested where entities are read from or written as JSON: deeper than entities can be. That code
// is recursive, and a tasklet's stack is small. The contents of an ndb::Json have no such limit.
inline constexpr int kMaxJsonDepth = 64;

// `text`, which must be JSON, without white space; or with line breaks and this many spaces per level.
std::string compact_json(std::string_view text);
std::string indented_json(std::string_view text, std::size_t spaces);

// Appends `text`, which must be UTF-8, to `out` as a JSON string with quotes.
void append_json_string(std::string& out, std::string_view text);

}  // namespace ndb::detail
