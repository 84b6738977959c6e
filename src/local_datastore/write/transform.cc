#include "local_datastore/write/transform.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"
#include "local_datastore/write/property_path.h"

namespace ndb::local {
namespace {

bool is_number(const v1::Value& value) { return value.has_integer_value() || value.has_double_value(); }

double as_double(const v1::Value& value) {
  return value.has_integer_value() ? static_cast<double>(value.integer_value()) : value.double_value();
}

bool is_nan(const v1::Value& value) { return value.has_double_value() && std::isnan(value.double_value()); }

// An exact comparison; a conversion to double would round the integer.
std::partial_ordering order(std::int64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b >= 0x1p63) return std::partial_ordering::less;
  if (b < -0x1p63) return std::partial_ordering::greater;
  const auto whole = static_cast<std::int64_t>(b);
  return a != whole ? std::partial_ordering(a <=> whole) : static_cast<double>(whole) <=> b;
}

std::partial_ordering order(const v1::Value& a, const v1::Value& b) {
  if (a.has_integer_value() && b.has_integer_value()) return a.integer_value() <=> b.integer_value();
  if (a.has_integer_value()) return order(a.integer_value(), b.double_value());
  if (b.has_integer_value()) return 0 <=> order(b.integer_value(), a.double_value());
  return a.double_value() <=> b.double_value();
}

void increment(v1::Value& current, const v1::Value& operand) {
  if (current.has_integer_value() && operand.has_integer_value()) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(current.integer_value(), operand.integer_value(), &sum)) {
      sum = operand.integer_value() > 0 ? std::numeric_limits<std::int64_t>::max()
                                        : std::numeric_limits<std::int64_t>::min();
    }
    current.set_integer_value(sum);
  } else {
    current.set_double_value(as_double(current) + as_double(operand));
  }
}

// sign 1: maximum, -1: minimum. The result keeps the type of the value that wins; equal values leave the stored one;
// NaN wins.
void take_extreme(v1::Value& current, const v1::Value& operand, int sign) {
  const auto found = order(operand, current);
  const bool better = is_nan(operand) || (sign > 0 ? found > 0 : found < 0);
  if (is_nan(current) || !better) return;
  if (operand.has_integer_value()) {
    current.set_integer_value(operand.integer_value());
  } else {
    current.set_double_value(operand.double_value());
  }
}

// In milliseconds, like the cloud, and the same time for every transform of a commit.
void set_request_time(v1::Value& value, Version request_time) {
  if (!value.has_timestamp_value()) value.clear_meaning();
  set_micros(*value.mutable_timestamp_value(), request_time.micros() / 1000 * 1000);
}

absl::Status check_number(const std::string& property, v1::Value& operand, const Scope& scope) {
  if (is_number(operand)) return check_operand(property, operand, scope, false);
  return absl::InvalidArgumentError("The operand of increment, maximum and minimum must be an integer or a double.");
}

absl::Status check_array(const std::string& property, v1::ArrayValue& array, const Scope& scope) {
  for (v1::Value& element : *array.mutable_values()) {
    if (element.has_array_value()) {
      return absl::InvalidArgumentError("list_value cannot contain a Value containing another list_value.");
    }
    NDB_RETURN_IF_ERROR(check_operand(property, element, scope, false));
  }
  return absl::OkStatus();
}

absl::Status check_transform(v1::PropertyTransform& transform, const Scope& scope) {
  NDB_ASSIGN_OR_RETURN(const std::vector<std::string> path, parse_property_path(transform.property()));
  for (const std::string& name : path) NDB_RETURN_IF_ERROR(check_property_name(name));
  switch (transform.transform_type_case()) {
    case v1::PropertyTransform::kIncrement:
      return check_number(transform.property(), *transform.mutable_increment(), scope);
    case v1::PropertyTransform::kMaximum:
      return check_number(transform.property(), *transform.mutable_maximum(), scope);
    case v1::PropertyTransform::kMinimum:
      return check_number(transform.property(), *transform.mutable_minimum(), scope);
    case v1::PropertyTransform::kAppendMissingElements:
      return check_array(transform.property(), *transform.mutable_append_missing_elements(), scope);
    case v1::PropertyTransform::kRemoveAllFromArray:
      return check_array(transform.property(), *transform.mutable_remove_all_from_array(), scope);
    case v1::PropertyTransform::kSetToServerValue:
      if (transform.set_to_server_value() == v1::PropertyTransform::REQUEST_TIME) return absl::OkStatus();
      break;
    default:
      break;
  }
  return absl::InvalidArgumentError(
      cat("The transform of property ", quoted(transform.property()), " has no known operation."));
}

}  // namespace

absl::Status check_transforms(google::protobuf::RepeatedPtrField<v1::PropertyTransform>& transforms,
                              const Scope& scope) {
  std::int64_t count = 0;
  for (const v1::PropertyTransform& transform : transforms) {
    count += std::max(
        1, transform.append_missing_elements().values_size() + transform.remove_all_from_array().values_size());
  }
  if (count > kMaxTransforms) {
    return absl::InvalidArgumentError(cat("An entity has more than ", kMaxTransforms, " transforms in one commit."));
  }
  for (v1::PropertyTransform& transform : transforms) NDB_RETURN_IF_ERROR(check_transform(transform, scope));
  return absl::OkStatus();
}

// A change at a path replaces pending arrays above and below it.
void Transformer::forget_above(const Path& path) {
  for (Path above = path; above.size() > 1;) {
    above.pop_back();
    arrays_.erase(above);
  }
}

void Transformer::forget_below(const Path& path) {
  const auto is_below = [&path](const Path& other) {
    return other.size() > path.size() && std::equal(path.begin(), path.end(), other.begin());
  };
  for (auto it = arrays_.upper_bound(path); it != arrays_.end() && is_below(it->first);) it = arrays_.erase(it);
}

ArrayEdit& Transformer::array_at(const Path& path) {
  const auto found = arrays_.find(path);
  if (found != arrays_.end()) return found->second;
  return arrays_.try_emplace(path, make_property(entity_, path)).first->second;
}

void Transformer::set(const Path& path, const v1::Value& value) {
  forget_above(path);
  forget_below(path);
  arrays_.erase(path);
  make_property(entity_, path) = value;
}

void Transformer::erase(const Path& path) {
  forget_below(path);
  arrays_.erase(path);
  erase_property(entity_, path);
}

void Transformer::finish() {
  for (auto& [path, array] : arrays_) array.finish();
  arrays_.clear();
}

absl::Status Transformer::apply(const v1::PropertyTransform& transform, v1::Value& result) {
  Path path{transform.property()};  // a name may contain dots
  if (!entity_.properties().contains(transform.property())) {
    NDB_ASSIGN_OR_RETURN(path, parse_property_path(transform.property()));
    NDB_RETURN_IF_ERROR(
        check_depth(path.front(), path.size()));  // checked before the path is built: it may have millions of names
  }
  forget_above(path);
  forget_below(path);
  result.set_null_value(google::protobuf::NULL_VALUE);
  if (transform.has_append_missing_elements()) {
    array_at(path).append_missing(transform.append_missing_elements());
    return absl::OkStatus();
  }
  if (transform.has_remove_all_from_array()) {
    array_at(path).remove_all(transform.remove_all_from_array());
    return absl::OkStatus();
  }
  arrays_.erase(path);
  v1::Value& value = make_property(entity_, path);
  switch (transform.transform_type_case()) {
    case v1::PropertyTransform::kSetToServerValue:
      set_request_time(value, request_time_);
      break;
    case v1::PropertyTransform::kIncrement:
      is_number(value) ? increment(value, transform.increment()) : void(value = transform.increment());
      break;
    case v1::PropertyTransform::kMaximum:
      is_number(value) ? take_extreme(value, transform.maximum(), 1) : void(value = transform.maximum());
      break;
    default:
      is_number(value) ? take_extreme(value, transform.minimum(), -1) : void(value = transform.minimum());
      break;
  }
  result = value;
  result.clear_exclude_from_indexes();
  return absl::OkStatus();
}

}  // namespace ndb::local
