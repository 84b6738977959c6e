#include "ndb/detail/checks.h"

#include <exception>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "model/json_text.h"
#include "ndb/detail/payload.h"

namespace ndb::detail {
namespace {

Value value_of(const Choice& choice) {
  switch (choice.type) {
    case Choice::Type::kBool:
      return choice.number != 0;
    case Choice::Type::kNumber:
      return choice.number;
    case Choice::Type::kReal:
      return choice.real;
    case Choice::Type::kText:
      break;
  }
  return choice.text;
}

bool matches(const Choice& choice, const Value& value) {
  if (choice.type == Choice::Type::kNumber && value.type() == ValueType::kDouble) {
    return value.as_double() == static_cast<double>(choice.number);
  }
  return value_of(choice) == value;
}

std::string shown(const Value& value) {
  constexpr std::size_t kLimit = 100;
  std::string text = value.to_string();
  if (text.size() > kLimit) text.replace(kLimit, std::string::npos, "...");
  return text;
}

// One walk over an entity and the structs in it.
class Preparing {
 public:
  Preparing(Timestamp now, std::string_view kind, const Key& key) : now_(now), kind_(kind), key_(key) {}

  void table(const Table& table, void* object) {
    for (const PropertyRow& row : table.rows()) {
      path_.push_back(row.name);
      if (row.checks != nullptr) checks(table, row, field_of(row, object));
      if (row.ops != nullptr && row.ops->structs != nullptr) structs(*row.ops->structs, field_of(row, object));
      path_.pop_back();
      if (!status_.ok()) return;
    }
  }

  absl::Status status() const {
    if (!status_.ok() || missing_.empty()) return status_;
    return bad_value(cat(kind_, " has no value for required properties: ", missing_, " (", key_.to_string(), ")"));
  }

 private:
  void structs(const StructOps& structs, void* field) {
    for (std::size_t i = 0; status_.ok() && i < structs.size(field); ++i) {
      if (void* object = const_cast<void*>(structs.at(field, i))) table(structs.table(), object);
    }
  }

  void checks(const Table& table, const PropertyRow& row, void* field) {
    const Checks& checks = *row.checks;
    if (row.ops == nullptr) return expando(table, *static_cast<const Expando*>(field));
    if (checks.stamp != nullptr) checks.stamp(field, now_);
    if (checks.validator != nullptr) validate(row, field);
    if (!checks.required && !checks.json && checks.choices == nullptr && checks.kind.empty()) return;
    const std::optional<Value> value = read(row, field);
    if (!value) return;  // the encoder reports that it cannot be written
    if (checks.required && value->is_null()) missing_ += cat(missing_.empty() ? "" : ", ", ndb::quoted(path()));
    if (value->type() != ValueType::kArray) return one_value(checks, *value);
    for (const Value& element : value->as_array()) one_value(checks, element);
  }

  void expando(const Table& table, const Expando& properties) {
    for (const auto& [name, value] : properties) {
      if (table.find(name) == nullptr) continue;
      refuse(cat("holds the dynamic property ", ndb::quoted(name), ", but the class has a property of that name"));
    }
  }

  void validate(const PropertyRow& row, void* field) {
    try {
      row.checks->each(field, row.checks->validator->run);
    } catch (...) {  // a user's function may throw anything
      const absl::Status error = status_of(std::current_exception());
      const std::optional<Value> value = read(row, field);
      refuse(cat("holds ", value ? shown(*value) : "a value that cannot be stored",
                 ", which its validator refuses: ", from_absl(error.message())));
    }
  }

  void one_value(const Checks& checks, const Value& value) {
    if (value.is_null()) return;
    if (checks.json && !is_json(value.as_blob())) {
      refuse(cat("holds ", shown(value), ", which is no JSON text"));
    }
    if (!checks.kind.empty() && value.as_key().kind() != checks.kind) {
      refuse(cat("holds ", value.to_string(), ", which is not of kind ", ndb::quoted(checks.kind)));
    }
    if (checks.choices == nullptr) return;
    std::string list;
    for (const Choice& choice : checks.choices->all()) {
      if (matches(choice, value)) return;
      list += cat(list.empty() ? "" : ", ", value_of(choice).to_string());
    }
    refuse(cat("holds ", shown(value), ", which is none of its choices: ", list));
  }

  static std::optional<Value> read(const PropertyRow& row, const void* field) {
    Encoder out;
    row.ops->encode(out, field, false);
    if (!out.ok()) return std::nullopt;
    absl::StatusOr<Value> value = decode_value(out.bytes());
    return value.ok() ? std::optional(*std::move(value)) : std::nullopt;
  }

  std::string path() const {
    std::string path;
    for (const std::string_view name : path_) path += cat(path.empty() ? "" : ".", name);
    return path;
  }

  void refuse(std::string_view why) {
    if (status_.ok())
      status_ = bad_value(cat("property ", ndb::quoted(path()), " of ", kind_, " ", why, " (", key_.to_string(), ")"));
  }

  const Timestamp now_;
  const std::string_view kind_;
  const Key& key_;
  std::vector<std::string_view> path_;
  std::string missing_;
  absl::Status status_;
};

}  // namespace

absl::Status prepare(const Table& table, void* object, Timestamp now, std::string_view kind, const Key& key) {
  Preparing preparing(now, kind, key);
  preparing.table(table, object);
  return preparing.status();
}

std::string unlisted(std::string_view enumeration, std::int64_t number) {
  return cat("holds the value ", number, " of ", enumeration, ", which its NDB_ENUM does not list");
}

void refuse_unlisted(std::string_view enumeration, std::int64_t number) {
  throw BadValueError(cat("a filter ", unlisted(enumeration, number)));
}

void refuse_assignment(std::string_view property, const Value& value) {
  throw BadValueError(cat("the value ", value.to_string(), " does not fit into the property ", ndb::quoted(property)));
}

}  // namespace ndb::detail
