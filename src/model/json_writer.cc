// Handle::to_json(). Values are converted by way of ndb::Value; the class provides what JSON cannot express.
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/strings.h"
#include "model/json_text.h"
#include "model/property_path.h"
#include "model/wire.h"
#include "ndb/detail/model_info.h"
#include "ndb/entity.h"
#include "ndb/handle.h"

namespace ndb {
namespace detail {
namespace {

// Writes one JSON text without white space. After the first error the text is meaningless.
class JsonWriter {
 public:
  explicit JsonWriter(const JsonOptions& options)
      : include_(options.include.begin(), options.include.end()),
        exclude_(options.exclude.begin(), options.exclude.end()) {}

  const std::string& text() const { return out_; }
  bool ok() const { return why_.empty(); }
  const std::string& path() const { return path_; }  // the path of the property with the error
  const std::string& why() const { return why_; }

  void object(const Entity::Properties& properties) {
    const Nesting nesting(*this, '{', '}');
    for (const auto& [name, value] : properties) {
      member(name, [&] { dynamic(value); });
    }
  }

  // In the order of the class. Properties that the class does not know are written only if it has an ndb::Expando for
  // them.
  void structure(const Table& table, const Entity::Properties& properties) {
    const Nesting nesting(*this, '{', '}');
    for (const PropertyRow& row : table.rows()) {
      const auto found = properties.find(row.name);
      if (found == properties.end()) continue;
      const Value& value = found->second;
      member(row.field, [&] { row.ops != nullptr ? typed(*row.ops, value) : dynamic(value); });
    }
    if (table.expando() == nullptr) return;
    for (const auto& [name, value] : properties) {
      if (table.find(name) == nullptr) member(name, [&] { dynamic(value); });
    }
  }

 private:
  // Writes brackets around what is written during its lifetime.
  class Nesting {
   public:
    Nesting(JsonWriter& writer, char open, char close) : writer_(writer), close_(close) {
      writer_.out_ += open;
      writer_.first_ = true;
      if (++writer_.depth_ > kMaxJsonDepth) writer_.fail("is nested too deeply");
    }
    ~Nesting() {
      --writer_.depth_;
      writer_.first_ = false;
      writer_.out_ += close_;
    }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    JsonWriter& writer_;
    const char close_;
  };

  void comma() {
    if (!std::exchange(first_, false)) out_ += ',';
  }

  template <class Write>
  void member(std::string_view name, const Write& write) {
    if (!ok() || (depth_ == 1 && !is_wanted(name))) return;
    comma();
    string(name);
    out_ += ':';
    if (ok()) write();
    if (!ok()) prepend_name(path_, name);
  }
  bool is_wanted(std::string_view name) const {
    return (include_.empty() || include_.contains(name)) && !exclude_.contains(name);
  }

  template <class Write>
  void array(const Array& elements, const Write& write) {
    const Nesting nesting(*this, '[', ']');
    for (const Value& element : elements) {
      if (!ok()) return;
      comma();
      write(element);
    }
  }

  template <class Write>
  void tagged(std::string_view tag, const Write& write) {
    const Nesting nesting(*this, '{', '}');
    first_ = false;
    string(tag);
    out_ += ':';
    write();
  }

  void string(std::string_view text) {
    if (!is_utf8(text)) return fail(cat("holds ", ndb::quoted(text, 40), ", which is not UTF-8, as JSON has to be"));
    append_json_string(out_, text);
  }
  void blob(std::string_view bytes) { string(absl::Base64Escape(to_absl(bytes))); }

  void number(double number) {
    if (!std::isfinite(number)) return string(std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
    char buffer[32];
    const std::string_view digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
    out_ += digits;
    if (digits.find_first_of(".e") == std::string_view::npos) out_ += ".0";  // otherwise it would be read as an integer
  }

  void point(const GeoPoint& point) {
    const Nesting nesting(*this, '{', '}');
    out_ += R"("latitude":)";
    number(point.latitude);
    out_ += R"(,"longitude":)";
    number(point.longitude);
  }

  // A value whose type is known only from itself.
  void dynamic(const Value& value) {
    switch (value.type()) {
      case ValueType::kNull:
        out_ += "null";
        return;
      case ValueType::kBool:
        out_ += value.as_bool() ? "true" : "false";
        return;
      case ValueType::kInt64:
        out_ += std::to_string(value.as_int64());
        return;
      case ValueType::kDouble:
        if (std::isfinite(value.as_double())) return number(value.as_double());
        return tagged("doubleValue", [&] { number(value.as_double()); });
      case ValueType::kString:
        return string(value.as_string());
      case ValueType::kTimestamp:
        return tagged("timestampValue", [&] { string(value.to_string()); });
      case ValueType::kKey:
        return tagged("keyValue", [&] { string(value.as_key().urlsafe()); });
      case ValueType::kBlob:
        return tagged("blobValue", [&] { blob(value.as_blob()); });
      case ValueType::kGeoPoint:
        return tagged("geoPointValue", [&] { point(value.as_geo_point()); });
      case ValueType::kEntity:
        return tagged("entityValue", [&] { object(value.as_entity().properties()); });
      case ValueType::kArray:
        return array(value.as_array(), [&](const Value& element) { dynamic(element); });
    }
  }

  void typed(const TypeOps& ops, const Value& value) {
    if (value.is_null()) return dynamic(value);
    if (ops.repeated && value.type() == ValueType::kArray) {
      return array(value.as_array(), [&](const Value& element) { typed(ops, element); });
    }
    switch (ops.shape) {
      case Shape::kBytes:
        return blob(value.as_blob());
      case Shape::kJson:  // invalid JSON, which a put would refuse, is written as text
        if (is_json(value.as_blob())) {
          out_ += compact_json(value.as_blob());
          return;
        }
        return string(value.as_blob());
      case Shape::kNumber:
        return number(value.as_double());
      case Shape::kTime:
        return string(value.to_string());
      case Shape::kDay:
        return string(value.to_string().substr(0, 10));
      case Shape::kTimeOfDay: {
        const std::string time = value.to_string();  // 1970-01-01T03:04:05.5Z
        return string(std::string_view(time).substr(11, time.size() - 12));
      }
      case Shape::kReference:
        return string(value.as_key().urlsafe());
      case Shape::kPoint:
        return point(value.as_geo_point());
      case Shape::kStruct:
        return structure(ops.structs->table(), value.as_entity().properties());
      case Shape::kAny:
      case Shape::kNatural:
        return dynamic(value);
    }
  }

  void fail(std::string why) {
    if (ok()) why_ = std::move(why);
  }

  const std::set<std::string_view> include_, exclude_;
  std::string out_, path_, why_;
  bool first_ = true;  // the innermost brackets are still empty
  int depth_ = 0;
};

}  // namespace
}  // namespace detail

std::string Handle::to_json(const JsonOptions& options) const {
  if (!payload_) throw_absent();
  const detail::ModelInfo& info = payload_->info();
  const absl::StatusOr<Entity::Properties> values = detail::dynamic_properties(*payload_.get());
  if (!values.ok()) throw_error(values.status());
  detail::JsonWriter writer(options);
  info.any_kind ? writer.object(*values) : writer.structure(info.table(), *values);
  if (!writer.ok()) {
    throw BadValueError(
        cat("property ", quoted(writer.path()), " of ", info.any_kind ? key_.kind() : info.kind, " ", writer.why()));
  }
  return options.indent < 0 ? writer.text()
                            : detail::indented_json(writer.text(), static_cast<std::size_t>(options.indent));
}

}  // namespace ndb
