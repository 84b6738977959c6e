// Handle::populate_json(): the opposite of json_writer.cc.
#include <limits>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "model/json_text.h"
#include "model/limits.h"
#include "model/property_path.h"
#include "ndb/detail/model_info.h"
#include "ndb/entity.h"
#include "ndb/handle.h"

namespace ndb {
namespace detail {
namespace {

using Node = JsonText::Value;

std::string shown(const Node& json) {
  constexpr std::size_t kLimit = 100;
  if (json.text().size() <= kLimit) return compact_json(json.text());
  std::size_t size = kLimit;
  while (size > 0 && (json.text()[size] & 0xC0) == 0x80) --size;  // not in the middle of a character
  return cat(json.text().substr(0, size), "...");
}

std::optional<double> special_number(const Node& json) {
  if (json.text() == R"("NaN")") return std::numeric_limits<double>::quiet_NaN();
  if (json.text() == R"("Infinity")") return std::numeric_limits<double>::infinity();
  if (json.text() == R"("-Infinity")") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

// Converts JSON to values. After the first error the results are meaningless.
class JsonReader {
 public:
  bool ok() const { return why_.empty(); }
  const std::string& path() const { return path_; }  // the path of the property with the error
  const std::string& why() const { return why_; }

  Entity::Properties dynamic_object(const Node& json) {
    Entity::Properties properties;
    members(json, [&](const std::string& name, const Node& member) { properties[name] = dynamic(member); });
    return properties;
  }

  // Uses stored names. Ignores computed properties.
  Entity::Properties object(const Table& table, const Node& json) {
    Entity::Properties properties;
    members(json, [&](const std::string& field, const Node& member) {
      const PropertyRow* row = table.find_field(field);
      if (row != nullptr && row->ops != nullptr) {
        properties[std::string(row->name)] = typed(*row->ops, member);
      } else if (row == nullptr && table.expando() != nullptr) {
        properties[field] = dynamic(member);
      } else if (row == nullptr) {
        fail("is not a property of the class");
      }
    });
    return properties;
  }

 private:
  // Calls `take(name, member)` for all members until the first error. If a name is there twice, the last one counts.
  template <class Take>
  void members(const Node& json, const Take& take) {
    if (!json.is(JsonType::kObject)) return (void)wrong(json, "an object");
    if (++depth_ > kMaxJsonDepth) fail("is nested too deeply");
    json.for_each_member([&](const Node& key, const Node& member) {
      if (!ok()) return;
      const std::optional<std::string> name = key.string();
      if (name) {
        take(*name, member);
      } else {
        fail("has a name with a half of a character");
      }
      if (!ok()) prepend_name(path_, name ? *name : std::string(key.text()));
    });
    --depth_;
  }

  template <class Read>
  Value array(const Node& json, const Read& read) {
    Array array;
    if (++depth_ > kMaxJsonDepth) fail("is nested too deeply");
    json.for_each_element([&](const Node& element) {
      if (ok()) array.push_back(read(element));
    });
    --depth_;
    return array;
  }

  Value typed(const TypeOps& ops, const Node& json) {
    if (ops.repeated && json.is(JsonType::kArray)) {
      return array(json, [&](const Node& element) { return one(ops, element); });
    }
    return one(ops, json);
  }

  Value dynamic(const Node& json) {
    switch (json.type()) {
      case JsonType::kNull:
        return nullptr;
      case JsonType::kBool:
        return json.boolean();
      case JsonType::kInteger:
        if (const auto integer = json.integer()) return *integer;
        return wrong(json, "an int64");
      case JsonType::kReal:
        if (const auto number = json.number()) return *number;
        return wrong(json, "a number that a double can hold");
      case JsonType::kString:
        if (auto text = json.string()) return indexable(*std::move(text));
        return wrong(json, "text: it has a half of a character");
      case JsonType::kArray:
        return array(json, [&](const Node& element) { return dynamic(element); });
      case JsonType::kObject:
        break;
    }
    if (auto value = tagged(json)) return *std::move(value);
    return Entity::embedded(dynamic_object(json));
  }

  Value one(const TypeOps& ops, const Node& json) {
    if (json.is(JsonType::kNull)) return nullptr;
    switch (ops.shape) {
      case Shape::kAny:
        return dynamic(json);
      case Shape::kNumber:
        return number(json);
      case Shape::kJson:
        return ndb::Json{compact_json(json.text())};
      case Shape::kStruct:
        return Entity::embedded(object(ops.structs->table(), json));
      case Shape::kBytes:
        return blob(json);
      case Shape::kTime:
        return timestamp(json);
      case Shape::kDay:
        return time(json, "", "T00:00:00Z", "a date like 2026-01-02");
      case Shape::kTimeOfDay:
        return time(json, "1970-01-01T", "Z", "a time of day like 03:04:05");
      case Shape::kReference:
        return key(json);
      case Shape::kPoint:
        return point(json);
      case Shape::kNatural:
        break;
    }
    if (json.is(JsonType::kArray) || json.is(JsonType::kObject)) return wrong(json, "a single value");
    return dynamic(json);
  }

  // An object with one member whose name is a type tag. Nothing if it is an entity with such a property.
  std::optional<Value> tagged(const Node& json) {
    std::string tag;
    std::optional<Node> value;
    std::size_t count = 0;
    json.for_each_member([&](const Node& name, const Node& member) {
      if (++count > 1) return;
      tag = name.string().value_or("");
      value = member;
    });
    if (count != 1) return std::nullopt;
    if (tag == "timestampValue") return timestamp(*value);
    if (tag == "keyValue") return key(*value);
    if (tag == "blobValue") return blob(*value);
    if (tag == "geoPointValue") return point(*value);
    if (tag == "entityValue") return Value(Entity::embedded(dynamic_object(*value)));
    if (tag == "doubleValue") {
      if (const auto number = special_number(*value)) return Value(*number);
    }
    return std::nullopt;
  }

  Value number(const Node& json) {
    if (const auto special = special_number(json)) return *special;
    if (!json.is_number()) return wrong(json, "a number");
    if (const auto number = json.number()) return *number;
    return wrong(json, "a number that a double can hold");
  }

  Value blob(const Node& json) {
    std::string bytes;
    const std::optional<std::string> text = text_of(json);
    if (!text || !absl::Base64Unescape(*text, &bytes)) return wrong(json, "base64 text");
    return indexable(Blob(std::move(bytes)));
  }

  Value key(const Node& json) {
    if (const std::optional<std::string> text = text_of(json)) {
      if (auto key = Key::try_from_urlsafe(*text); key.ok()) return *std::move(key);
    }
    return wrong(json, "the urlsafe text of a key");
  }

  Value point(const Node& json) {
    std::optional<double> latitude, longitude;
    std::size_t count = 0;
    if (json.is(JsonType::kObject)) {
      json.for_each_member([&](const Node& name, const Node& member) {
        ++count;
        if (!member.is_number()) return;
        if (name.text() == R"("latitude")") latitude = member.number();
        if (name.text() == R"("longitude")") longitude = member.number();
      });
    }
    if (count == 2 && latitude && longitude) return GeoPoint{*latitude, *longitude};
    return wrong(json, R"(a point {"latitude": ..., "longitude": ...})");
  }

  Value timestamp(const Node& json) { return time(json, "", "", "a time like 2026-01-02T03:04:05.678Z"); }

  // A time, as text between a prefix and a suffix.
  Value time(const Node& json, std::string_view before, std::string_view behind, std::string_view wanted) {
    const std::optional<std::string> text = text_of(json);
    const std::optional<Timestamp> time = text ? parse_time(cat(before, *text, behind)) : std::nullopt;
    return time ? Value(*time) : wrong(json, wanted);
  }

  // JSON does not say whether a value is indexed; it is indexed if it can be.
  template <class Characters>
  static Value indexable(Characters characters) {
    const bool small = characters.size() <= kMaxIndexedBytes;
    Value value(std::move(characters));
    return std::move(value.set_indexed(small));
  }
  static std::optional<std::string> text_of(const Node& json) {
    return json.is(JsonType::kString) ? json.string() : std::nullopt;
  }

  Value wrong(const Node& json, std::string_view wanted) {
    return fail(cat("is given ", shown(json), ", which is not ", wanted));
  }
  Value fail(std::string why) {
    if (ok()) why_ = std::move(why);
    return {};
  }

  std::string path_, why_;
  int depth_ = 0;
};

// Assigns values of JSON to the fields of a model, by stored names.
absl::Status assign(const ModelInfo& info, const Entity::Properties& values, Payload& payload) {
  Encoder out;
  out.properties(values);
  if (!out.ok()) return bad_value(cat("property ", ndb::quoted(out.path()), " of ", info.kind, " ", out.error()));
  Decoder in;
  if (!in.properties(info.table(), out.bytes(), payload.properties())) return in.status(info.kind, Key());
  return absl::OkStatus();
}

absl::Status populate(std::string_view text, const Key& key, Payload& payload) {
  const ModelInfo& info = payload.info();
  const std::string_view kind = info.any_kind ? key.kind() : info.kind;
  const std::optional<JsonText> json = JsonText::parse(text);
  if (!json || !json->root().is(JsonType::kObject)) {
    return bad_value(cat("an entity of ", kind, " is given ", ndb::quoted(text, 40), ", which is no JSON object"));
  }
  JsonReader reader;
  Entity::Properties values =
      info.any_kind ? reader.dynamic_object(json->root()) : reader.object(info.table(), json->root());
  if (!reader.ok()) return bad_value(cat("property ", ndb::quoted(reader.path()), " of ", kind, " ", reader.why()));
  if (!info.any_kind) return assign(info, values, payload);
  auto& properties = *static_cast<Entity::Properties*>(payload.properties());
  for (auto& [name, value] : values) properties.insert_or_assign(name, std::move(value));
  return absl::OkStatus();
}

}  // namespace
}  // namespace detail

void Handle::populate_json(std::string_view json) {
  if (!payload_) throw_absent();
  const detail::PayloadPtr trial(payload_->clone());  // after an error nothing has changed
  if (const absl::Status status = detail::populate(json, key_, *trial.get()); !status.ok()) throw_error(status);
  edited();
  (void)detail::populate(json, key_, *payload_.get());
}

}  // namespace ndb
