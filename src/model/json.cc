// Entities as JSON. Values pass through ndb::Value, and what JSON cannot tell is told by the class.
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/rfc3339.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "ndb/detail/model_info.h"
#include "ndb/entity.h"
#include "ndb/handle.h"

namespace ndb {
namespace detail {
namespace {

using Json = nlohmann::ordered_json;

// Of objects and arrays in each other. Some work here is recursive, and a tasklet's stack is small.
constexpr int kMaxDepth = 64;

std::optional<Json> parsed(std::string_view text) {
  bool too_deep = false;
  Json json = Json::parse(
      text,
      [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > kMaxDepth;
        return !too_deep;
      },
      false);
  if (too_deep || json.is_discarded()) return std::nullopt;
  return json;
}

// ---- Writing

Json dynamic_json(const Value& value);

Json number_json(double number) {
  if (std::isfinite(number)) return number;
  return std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
}

Json object_json(const Entity::Properties& properties) {
  Json object = Json::object();
  for (const auto& [name, value] : properties) object[name] = dynamic_json(value);
  return object;
}

std::string blob_json(std::string_view bytes) { return absl::Base64Escape(to_absl(bytes)); }

Json point_json(const GeoPoint& point) { return {{"latitude", point.latitude}, {"longitude", point.longitude}}; }

// A value of a type that only itself tells.
Json dynamic_json(const Value& value) {
  switch (value.type()) {
    case ValueType::kNull:
      return nullptr;
    case ValueType::kBool:
      return value.as_bool();
    case ValueType::kInt64:
      return value.as_int64();
    case ValueType::kDouble:
      if (!std::isfinite(value.as_double())) return {{"doubleValue", number_json(value.as_double())}};
      return value.as_double();
    case ValueType::kString:
      return value.as_string();
    case ValueType::kTimestamp:
      return {{"timestampValue", value.to_string()}};
    case ValueType::kKey:
      return {{"keyValue", value.as_key().urlsafe()}};
    case ValueType::kBlob:
      return {{"blobValue", blob_json(value.as_blob())}};
    case ValueType::kGeoPoint:
      return {{"geoPointValue", point_json(value.as_geo_point())}};
    case ValueType::kEntity:
      return {{"entityValue", object_json(value.as_entity().properties())}};
    case ValueType::kArray:
      break;
  }
  Json array = Json::array();
  for (const Value& element : value.as_array()) array.push_back(dynamic_json(element));
  return array;
}

Json struct_json(const Table& table, const Entity::Properties& properties);

Json typed_json(const TypeOps& ops, const Value& value) {
  if (value.is_null()) return nullptr;
  if (ops.repeated && value.type() == ValueType::kArray) {
    Json array = Json::array();
    for (const Value& element : value.as_array()) array.push_back(typed_json(ops, element));
    return array;
  }
  switch (ops.shape) {
    case Shape::kAny:
      return dynamic_json(value);
    case Shape::kBytes:
      return blob_json(value.as_blob());
    case Shape::kJson:  // what is none, or too deep, is shown as text
      return parsed(value.as_blob()).value_or(Json(static_cast<const std::string&>(value.as_blob())));
    case Shape::kNumber:
      return number_json(value.as_double());
    case Shape::kTime:
      return value.to_string();
    case Shape::kDay:
      return value.to_string().substr(0, 10);
    case Shape::kTimeOfDay: {
      const std::string time = value.to_string();  // 1970-01-01T03:04:05.5Z
      return time.substr(11, time.size() - 12);
    }
    case Shape::kReference:
      return value.as_key().urlsafe();
    case Shape::kPoint:
      return point_json(value.as_geo_point());
    case Shape::kStruct:
      return struct_json(ops.structs->table(), value.as_entity().properties());
    case Shape::kNatural:
      break;
  }
  return dynamic_json(value);
}

// In the order of the class; what the class does not know only if it has an ndb::Expando for it.
Json struct_json(const Table& table, const Entity::Properties& properties) {
  Json object = Json::object();
  for (const Row& row : table.rows()) {
    const auto value = properties.find(row.name);
    if (value == properties.end()) continue;
    object[std::string(row.field)] =
        row.ops != nullptr ? typed_json(*row.ops, value->second) : dynamic_json(value->second);
  }
  if (table.expando() != nullptr) {
    for (const auto& [name, value] : properties) {
      if (table.find(name) == nullptr) object[name] = dynamic_json(value);
    }
  }
  return object;
}

// ---- Reading

std::string shown(const Json& json) {
  constexpr std::size_t kLimit = 100;
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kLimit) text.replace(kLimit, std::string::npos, "...");
  return text;
}

std::optional<double> special_number(const Json& json) {
  if (json == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (json == "Infinity") return std::numeric_limits<double>::infinity();
  if (json == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

// Makes values of JSON. After the first error, what it gives is of no use.
class JsonReader {
 public:
  bool ok() const { return why_.empty(); }
  const std::string& path() const { return path_; }  // of the property at fault
  const std::string& why() const { return why_; }

  Value typed(const TypeOps& ops, const Json& json) {
    if (ops.repeated && json.is_array()) {
      Array array;
      for (const Json& element : json) array.push_back(one(ops, element));
      return array;
    }
    return one(ops, json);
  }

  Value dynamic(const Json& json) {
    if (json.is_null()) return nullptr;
    if (json.is_boolean()) return json.get<bool>();
    if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) return wrong(json, "an int64");
    if (json.is_number_integer()) return json.get<std::int64_t>();
    if (json.is_number()) return json.get<double>();
    if (json.is_string()) return indexable(json.get<std::string>());
    if (json.is_array()) {
      Array array;
      for (const Json& element : json) array.push_back(dynamic(element));
      return array;
    }
    if (json.size() == 1) {
      if (auto value = tagged(json.begin().key(), json.begin().value())) return *std::move(value);
    }
    return Entity::embedded(dynamic_object(json));
  }

  Entity::Properties dynamic_object(const Json& json) {
    Entity::Properties properties;
    if (!json.is_object()) wrong(json, "an object");
    if (!ok()) return properties;
    for (const auto& [name, member] : json.items()) properties[name] = within(name, [&] { return dynamic(member); });
    return properties;
  }

  // By stored names. Computed properties are passed over.
  Entity::Properties object(const Table& table, const Json& json) {
    Entity::Properties properties;
    if (!json.is_object()) wrong(json, "an object");
    if (!ok()) return properties;
    for (const auto& [field, member] : json.items()) {
      const Row* row = row_of(table, field);
      if (row != nullptr && row->ops != nullptr) {
        properties[std::string(row->name)] = within(field, [&] { return typed(*row->ops, member); });
      } else if (row == nullptr && table.expando() != nullptr) {
        properties[field] = within(field, [&] { return dynamic(member); });
      } else if (row == nullptr) {
        within(field, [&] { return fail("is not a property of the class"); });
      }
    }
    return properties;
  }

 private:
  static const Row* row_of(const Table& table, std::string_view field) {
    const std::span<const Row> rows = table.rows();
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.field == field; });
    return row != rows.end() && &*row != table.expando() ? &*row : nullptr;
  }

  Value one(const TypeOps& ops, const Json& json) {
    if (json.is_null()) return nullptr;
    switch (ops.shape) {
      case Shape::kAny:
        return dynamic(json);
      case Shape::kNumber:
        if (json.is_number()) return json.get<double>();
        if (const auto number = special_number(json)) return *number;
        return wrong(json, "a number");
      case Shape::kJson:
        return ndb::Json{json.dump()};
      case Shape::kStruct:
        return Entity::embedded(object(ops.structs->table(), json));
      case Shape::kBytes:
        return blob(json);
      case Shape::kTime:
        return timestamp(json);
      case Shape::kDay:
        return date(json);
      case Shape::kTimeOfDay:
        return time_of_day(json);
      case Shape::kReference:
        return key(json);
      case Shape::kPoint:
        return point(json);
      case Shape::kNatural:
        break;
    }
    if (json.is_structured()) return wrong(json, "a single value");
    return dynamic(json);
  }

  std::optional<Value> tagged(const std::string& tag, const Json& json) {
    if (tag == "timestampValue") return timestamp(json);
    if (tag == "keyValue") return key(json);
    if (tag == "blobValue") return blob(json);
    if (tag == "geoPointValue") return point(json);
    if (tag == "entityValue") return Value(Entity::embedded(dynamic_object(json)));
    if (tag == "doubleValue") {
      if (const auto number = special_number(json)) return Value(*number);
    }
    return std::nullopt;  // an entity with a property of this name
  }

  Value blob(const Json& json) {
    std::string bytes;
    if (!json.is_string() || !absl::Base64Unescape(to_absl(json.get_ref<const std::string&>()), &bytes)) {
      return wrong(json, "base64 text");
    }
    return indexable(Blob(std::move(bytes)));
  }

  Value key(const Json& json) {
    if (json.is_string()) {
      if (auto key = Key::try_from_urlsafe(json.get_ref<const std::string&>()); key.ok()) return *std::move(key);
    }
    return wrong(json, "the urlsafe text of a key");
  }

  Value point(const Json& json) {
    const auto number = [&](const char* name) {
      const auto member = json.find(name);
      return member != json.end() && member->is_number() ? std::optional(member->get<double>()) : std::nullopt;
    };
    if (json.is_object() && json.size() == 2) {
      const auto latitude = number("latitude"), longitude = number("longitude");
      if (latitude && longitude) return GeoPoint{*latitude, *longitude};
    }
    return wrong(json, R"(a point {"latitude": ..., "longitude": ...})");
  }

  Value timestamp(const Json& json) { return time(json, "", "", "a time like 2026-01-02T03:04:05.678Z"); }
  Value date(const Json& json) { return time(json, "", "T00:00:00Z", "a date like 2026-01-02"); }
  Value time_of_day(const Json& json) { return time(json, "1970-01-01T", "Z", "a time of day like 03:04:05"); }

  // A text that is a time between what is put around it.
  Value time(const Json& json, std::string_view before, std::string_view behind, std::string_view wanted) {
    const std::optional<Timestamp> time =
        json.is_string() ? parse_time(cat(before, json.get_ref<const std::string&>(), behind)) : std::nullopt;
    return time ? Value(*time) : wrong(json, wanted);
  }

  // JSON does not say whether a value is indexed: it is where it can be.
  template <class Characters>
  static Value indexable(Characters characters) {
    constexpr std::size_t kMaxIndexedBytes = 1500;
    const bool small = characters.size() <= kMaxIndexedBytes;
    Value value(std::move(characters));
    return std::move(value.set_indexed(small));
  }

  template <class Read>
  Value within(const std::string& name, const Read& read) {
    if (!ok()) return {};
    Value value = read();
    if (!ok()) path_ = path_.empty() ? name : cat(name, ".", path_);
    return value;
  }
  Value wrong(const Json& json, std::string_view wanted) {
    return fail(cat("is given ", shown(json), ", which is not ", wanted));
  }
  Value fail(std::string why) {
    if (ok()) why_ = std::move(why);
    return {};
  }

  std::string path_, why_;
};

// Values of JSON into the fields of a model, by stored names.
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
  const std::optional<Json> json = parsed(text);
  if (!json || !json->is_object()) {
    return bad_value(cat("an entity of ", kind, " is given ", ndb::quoted(text, 40), ", which is no JSON object"));
  }
  JsonReader reader;
  Entity::Properties values = info.any_kind ? reader.dynamic_object(*json) : reader.object(info.table(), *json);
  if (!reader.ok()) return bad_value(cat("property ", ndb::quoted(reader.path()), " of ", kind, " ", reader.why()));
  if (!info.any_kind) return assign(info, values, payload);
  auto& properties = *static_cast<Entity::Properties*>(payload.properties());
  for (auto& [name, value] : values) properties.insert_or_assign(name, std::move(value));
  return absl::OkStatus();
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace
}  // namespace detail

std::string Handle::to_json(const JsonOptions& options) const {
  if (!payload_) throw_absent();
  const detail::ModelInfo& info = payload_->info();
  const absl::StatusOr<Entity::Properties> values = detail::dynamic_properties(*payload_.get());
  if (!values.ok()) throw_error(values.status());
  detail::Json json = info.any_kind ? detail::object_json(*values) : detail::struct_json(info.table(), *values);
  detail::Json chosen = detail::Json::object();
  for (auto& [name, value] : json.items()) {
    const bool wanted = options.include.empty() || detail::contains(options.include, name);
    if (wanted && !detail::contains(options.exclude, name)) chosen[name] = std::move(value);
  }
  return chosen.dump(options.indent);
}

void Handle::populate_json(std::string_view json) {
  if (!payload_) throw_absent();
  const detail::PayloadPtr trial(payload_->clone());  // an error changes nothing
  if (const absl::Status status = detail::populate(json, key_, *trial.get()); !status.ok()) throw_error(status);
  edited();
  (void)detail::populate(json, key_, *payload_.get());
}

}  // namespace ndb
