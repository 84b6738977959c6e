#include "tools/entity_json.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "base/rfc3339.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::tools {
namespace {

using Json = nlohmann::json;  // its objects are sorted by name

// More than a Datastore accepts: it allows 100 nested messages, some of which are two levels of JSON.
constexpr std::size_t kMaxDepth = 200;

constexpr int kMaxPathElements = 100;  // of a key, in a Datastore

// ---- Writing

Json key_json(const v1::Key& key, const Home& home) {
  Json out = Json::object();
  const v1::PartitionId& partition = key.partition_id();
  if (partition.project_id() != home.project || partition.database_id() != home.database) {
    if (!partition.project_id().empty()) out["partitionId"]["projectId"] = partition.project_id();
    if (!partition.database_id().empty()) out["partitionId"]["databaseId"] = partition.database_id();
  }
  if (!partition.namespace_id().empty()) out["partitionId"]["namespaceId"] = partition.namespace_id();
  for (const v1::Key::PathElement& element : key.path()) {
    Json& json = out["path"].emplace_back(Json::object());
    json["kind"] = element.kind();
    if (element.has_id()) json["id"] = std::to_string(element.id());
    if (element.has_name()) json["name"] = element.name();
  }
  return out;
}

Json double_json(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return number;
}

Json point_json(const google::type::LatLng& point) {
  return {{"latitude", double_json(point.latitude())}, {"longitude", double_json(point.longitude())}};
}

std::string timestamp_text(const google::protobuf::Timestamp& time) {
  return format_time(WallTime(std::chrono::seconds(time.seconds()) + std::chrono::microseconds(time.nanos() / 1000)));
}

Json entity_json(const v1::Entity& entity, const Home& home);

Json value_json(const v1::Value& value, const Home& home) {
  Json out = Json::object();
  switch (value.value_type_case()) {
    case v1::Value::kNullValue:
      out["nullValue"] = nullptr;
      break;
    case v1::Value::kBooleanValue:
      out["booleanValue"] = value.boolean_value();
      break;
    case v1::Value::kIntegerValue:
      out["integerValue"] = std::to_string(value.integer_value());
      break;
    case v1::Value::kDoubleValue:
      out["doubleValue"] = double_json(value.double_value());
      break;
    case v1::Value::kTimestampValue:
      out["timestampValue"] = timestamp_text(value.timestamp_value());
      break;
    case v1::Value::kKeyValue:
      out["keyValue"] = key_json(value.key_value(), home);
      break;
    case v1::Value::kStringValue:
      out["stringValue"] = value.string_value();
      break;
    case v1::Value::kBlobValue:
      out["blobValue"] = absl::Base64Escape(value.blob_value());
      break;
    case v1::Value::kGeoPointValue:
      out["geoPointValue"] = point_json(value.geo_point_value());
      break;
    case v1::Value::kEntityValue:
      out["entityValue"] = entity_json(value.entity_value(), home);
      break;
    case v1::Value::kArrayValue: {
      Json& elements = out["arrayValue"]["values"] = Json::array();
      for (const v1::Value& element : value.array_value().values()) elements.push_back(value_json(element, home));
      break;
    }
    case v1::Value::VALUE_TYPE_NOT_SET:
      break;
  }
  if (value.meaning() != 0) out["meaning"] = value.meaning();
  if (value.exclude_from_indexes()) out["excludeFromIndexes"] = true;
  return out;
}

Json entity_json(const v1::Entity& entity, const Home& home) {
  Json out = Json::object();
  if (entity.has_key()) out["key"] = key_json(entity.key(), home);
  Json& properties = out["properties"] = Json::object();
  for (const auto& [name, value] : entity.properties()) properties[name] = value_json(value, home);
  return out;
}

// ---- Reading. The path of an error is built from the inside out as the error is returned.

absl::Status wrong(std::string_view what) { return absl::InvalidArgumentError(to_absl(what)); }

absl::Status at(std::string_view where, const absl::Status& status) {
  if (status.ok()) return status;
  const std::string_view message = from_absl(status.message());
  const bool goes_on = message.starts_with('.') || message.starts_with('[');
  return wrong(cat(where, goes_on ? "" : ": ", message));
}

// One step of a path. Names that are ambiguous are quoted.
std::string step(std::string_view name) {
  const bool plain = std::all_of(name.begin(), name.end(),
                                 [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; });
  return cat('.', plain && !name.empty() ? std::string(name) : ndb::quoted(name));
}

absl::Status unknown_field(const std::string& name) { return wrong(cat("there is no field ", ndb::quoted(name))); }

template <class Read>
absl::Status for_each_field(const Json& json, const Read& read) {
  if (!json.is_object()) return wrong("must be an object");
  for (const auto& [name, field] : json.items()) NDB_RETURN_IF_ERROR(at(step(name), read(name, field)));
  return absl::OkStatus();
}

template <class Read>
absl::Status for_each_element(const Json& json, const Read& read) {
  if (!json.is_array()) return wrong("must be an array");
  for (std::size_t i = 0; i < json.size(); ++i) NDB_RETURN_IF_ERROR(at(cat('[', i, ']'), read(json[i])));
  return absl::OkStatus();
}

absl::StatusOr<std::string> read_string(const Json& json) {
  if (!json.is_string()) return wrong("must be a string");
  return json.get<std::string>();
}

absl::StatusOr<bool> read_boolean(const Json& json) {
  if (!json.is_boolean()) return wrong("must be true or false");
  return json.get<bool>();
}

absl::StatusOr<std::int64_t> read_integer(const Json& json) {
  const std::string text = json.is_string() ? json.get<std::string>() : json.dump();
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || parsed != end) return wrong("must be an integer of 64 bits, as in \"42\"");
  return number;
}

absl::StatusOr<double> read_double(const Json& json) {
  if (json.is_number_integer() && !json.is_number_unsigned() && json == 0) return -0.0;  // only -0 is parsed this way
  if (json.is_number()) return json.get<double>();
  if (json == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (json == "Infinity") return std::numeric_limits<double>::infinity();
  if (json == "-Infinity") return -std::numeric_limits<double>::infinity();
  return wrong("must be a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
}

absl::Status read_timestamp(const Json& json, google::protobuf::Timestamp& out) {
  const std::optional<WallTime> time = json.is_string() ? parse_time(json.get<std::string>()) : std::nullopt;
  if (!time) return wrong("must be a time such as \"2026-01-31T12:00:00.123456Z\"");
  const auto seconds = std::chrono::floor<std::chrono::seconds>(*time);
  out.set_seconds(seconds.time_since_epoch().count());
  out.set_nanos(static_cast<std::int32_t>(std::chrono::nanoseconds(*time - seconds).count()));
  return absl::OkStatus();
}

absl::Status read_blob(const Json& json, std::string& out) {
  if (json.is_string() && absl::Base64Unescape(json.get<std::string>(), &out)) return absl::OkStatus();
  return wrong("must be a string of base64");
}

absl::Status read_point(const Json& json, google::type::LatLng& out) {
  return for_each_field(json, [&out](const std::string& name, const Json& field) -> absl::Status {
    NDB_ASSIGN_OR_RETURN(const double number, read_double(field));
    if (name == "latitude") {
      out.set_latitude(number);
    } else if (name == "longitude") {
      out.set_longitude(number);
    } else {
      return unknown_field(name);
    }
    return absl::OkStatus();
  });
}

absl::Status read_partition(const Json& json, v1::PartitionId& out) {
  return for_each_field(json, [&out](const std::string& name, const Json& field) -> absl::Status {
    NDB_ASSIGN_OR_RETURN(const std::string text, read_string(field));
    if (name == "projectId") {
      out.set_project_id(text);
    } else if (name == "databaseId") {
      out.set_database_id(text);
    } else if (name == "namespaceId") {
      out.set_namespace_id(text);
    } else {
      return unknown_field(name);
    }
    return absl::OkStatus();
  });
}

absl::Status read_path_element(const Json& json, v1::Key::PathElement& out) {
  if (json.is_object() && json.contains("id") && json.contains("name")) return wrong("has both an id and a name");
  return for_each_field(json, [&out](const std::string& name, const Json& field) -> absl::Status {
    if (name == "id") {
      NDB_ASSIGN_OR_RETURN(const std::int64_t id, read_integer(field));
      out.set_id(id);
      return absl::OkStatus();
    }
    if (name != "kind" && name != "name") return unknown_field(name);
    NDB_ASSIGN_OR_RETURN(const std::string text, read_string(field));
    name == "kind" ? out.set_kind(text) : out.set_name(text);
    return absl::OkStatus();
  });
}

absl::Status read_key(const Json& json, v1::Key& out) {
  return for_each_field(json, [&out](const std::string& name, const Json& field) {
    if (name == "partitionId") return read_partition(field, *out.mutable_partition_id());
    if (name != "path") return unknown_field(name);
    return for_each_element(field, [&out](const Json& element) { return read_path_element(element, *out.add_path()); });
  });
}

absl::Status read_entity(const Json& json, v1::Entity& out);
absl::Status read_value(const Json& json, v1::Value& out);

absl::Status read_array(const Json& json, v1::ArrayValue& out) {
  return for_each_field(json, [&out](const std::string& name, const Json& field) {
    if (name != "values") return unknown_field(name);
    return for_each_element(field, [&out](const Json& element) { return read_value(element, *out.add_values()); });
  });
}

// False: there is no such type.
absl::StatusOr<bool> read_typed(const std::string& type, const Json& json, v1::Value& out) {
  if (type == "nullValue") {
    if (!json.is_null() && json != "NULL_VALUE") return wrong("must be null");
    out.set_null_value(google::protobuf::NULL_VALUE);
  } else if (type == "booleanValue") {
    NDB_ASSIGN_OR_RETURN(const bool boolean, read_boolean(json));
    out.set_boolean_value(boolean);
  } else if (type == "integerValue") {
    NDB_ASSIGN_OR_RETURN(const std::int64_t number, read_integer(json));
    out.set_integer_value(number);
  } else if (type == "doubleValue") {
    NDB_ASSIGN_OR_RETURN(const double number, read_double(json));
    out.set_double_value(number);
  } else if (type == "timestampValue") {
    NDB_RETURN_IF_ERROR(read_timestamp(json, *out.mutable_timestamp_value()));
  } else if (type == "keyValue") {
    NDB_RETURN_IF_ERROR(read_key(json, *out.mutable_key_value()));
  } else if (type == "stringValue") {
    NDB_ASSIGN_OR_RETURN(*out.mutable_string_value(), read_string(json));
  } else if (type == "blobValue") {
    NDB_RETURN_IF_ERROR(read_blob(json, *out.mutable_blob_value()));
  } else if (type == "geoPointValue") {
    NDB_RETURN_IF_ERROR(read_point(json, *out.mutable_geo_point_value()));
  } else if (type == "entityValue") {
    NDB_RETURN_IF_ERROR(read_entity(json, *out.mutable_entity_value()));
  } else if (type == "arrayValue") {
    NDB_RETURN_IF_ERROR(read_array(json, *out.mutable_array_value()));
  } else {
    return false;
  }
  return true;
}

absl::Status read_value(const Json& json, v1::Value& out) {
  std::string type;
  const auto read = [&](const std::string& name, const Json& field) -> absl::Status {
    if (name == "meaning") {
      NDB_ASSIGN_OR_RETURN(const std::int64_t meaning, read_integer(field));
      if (meaning != static_cast<std::int32_t>(meaning)) return wrong("must be an integer of 32 bits");
      out.set_meaning(static_cast<std::int32_t>(meaning));
    } else if (name == "excludeFromIndexes") {
      NDB_ASSIGN_OR_RETURN(const bool exclude, read_boolean(field));
      out.set_exclude_from_indexes(exclude);
    } else {
      if (!type.empty()) return wrong(cat("a value has one type only, and this one has ", type, " already"));
      NDB_ASSIGN_OR_RETURN(const bool known, read_typed(name, field, out));
      if (!known) return unknown_field(name);
      type = name;
    }
    return absl::OkStatus();
  };
  return for_each_field(json, read);
}

absl::Status read_properties(const Json& json, v1::Entity& out) {
  return for_each_field(json, [&out](const std::string& name, const Json& value) {
    return read_value(value, (*out.mutable_properties())[name]);
  });
}

absl::Status read_entity(const Json& json, v1::Entity& out) {
  return for_each_field(json, [&out](const std::string& name, const Json& field) {
    if (name == "key") return read_key(field, *out.mutable_key());
    if (name == "properties") return read_properties(field, out);
    return unknown_field(name);
  });
}

// An entity with an incomplete key would become a new one with each import.
absl::Status check_key(const v1::Entity& entity) {
  if (entity.key().path().empty()) return wrong(".key: the entity has no key");
  if (entity.key().path_size() > kMaxPathElements) {
    return wrong(cat(".key.path: a key has at most ", kMaxPathElements, " elements"));
  }
  for (int i = 0; i < entity.key().path_size(); ++i) {
    const v1::Key::PathElement& element = entity.key().path(i);
    const auto lacks = [i](std::string_view what) { return wrong(cat(".key.path[", i, "]: has no ", what)); };
    if (element.kind().empty()) return lacks("kind");
    if (element.name().empty() && element.id() == 0) return lacks("id and no name");
  }
  return absl::OkStatus();
}

// Builds the JSON during parsing. The library's own parser would silently keep the second of two equal names, and
// ignore everything after a NUL.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // text has none
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    const auto [member, is_new] = open_.back()->emplace(name, nullptr);
    if (!is_new) return fail(cat("the name ", ndb::quoted(name), " is twice in one object"));
    member_ = &*member;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& token, const Json::exception& error) override {
    if (error.id == kOutOfRange) {
      return fail(cat("column ", position, ": the number ", token.substr(0, 40),
                      " is out of a double's range; infinity is written \"Infinity\" or \"-Infinity\""));
    }
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ...; last read: ..."
    const std::string_view what = error.what();
    const std::size_t begin = std::min(what.find("column"), what.size());
    return fail(cat("this is no JSON: ", what.substr(begin, what.find("; last read") - begin)));
  }

  absl::StatusOr<Json> result() && {
    if (!status_.ok()) return status_;
    return std::move(root_);
  }

 private:
  static constexpr int kOutOfRange = 406;

  bool fail(std::string_view why) {
    if (status_.ok()) status_ = wrong(why);
    return false;
  }

  Json& place() {
    if (open_.empty()) return root_;
    return open_.back()->is_array() ? open_.back()->emplace_back() : *member_;
  }
  bool add(Json value) {
    place() = std::move(value);
    return true;
  }
  bool open(Json empty) {
    if (open_.size() >= kMaxDepth) return fail("objects and arrays are nested too deeply");
    Json& opened = place();
    opened = std::move(empty);
    open_.push_back(&opened);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;  // from the outermost to the current one; only that one grows
  Json* member_ = nullptr;   // the member whose name was read last
  absl::Status status_;
};

absl::StatusOr<Json> parse(std::string_view line) {
  if (const std::size_t nul = line.find('\0'); nul != line.npos) {
    return wrong(cat("this is no JSON: column ", nul + 1, ": a byte is NUL"));
  }
  Builder builder;
  (void)Json::sax_parse(line, &builder);
  return std::move(builder).result();
}

}  // namespace

absl::StatusOr<std::string> to_json(const v1::Entity& entity, const Home& home) {
  v1::Entity known = entity;
  known.DiscardUnknownFields();
  if (known.ByteSizeLong() != entity.ByteSizeLong()) {
    return absl::DataLossError("the entity has fields that this version of ndb does not know");
  }
  try {
    return entity_json(entity, home).dump();
  } catch (const Json::exception& error) {  // the text is not UTF-8, although protobuf accepted it
    return absl::DataLossError(cat("the entity cannot be written as JSON: ", std::string_view(error.what())));
  }
}

absl::StatusOr<v1::Entity> from_json(std::string_view line) {
  NDB_ASSIGN_OR_RETURN(const Json json, parse(line));
  v1::Entity entity;
  absl::Status status = read_entity(json, entity);
  if (status.ok()) status = check_key(entity);
  if (status.ok()) return entity;
  const std::string_view message = from_absl(status.message());
  return wrong(message.substr(message.starts_with('.') ? 1 : 0));
}

}  // namespace ndb::tools
