#include "local_datastore/gql/values.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "base/rfc3339.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/limits.h"
#include "local_datastore/version.h"

namespace ndb::local {
namespace {

using Kind = GqlToken::Kind;

template <class Integer>
absl::StatusOr<Integer> integer(const TokenStream& tokens, const GqlToken& literal) {
  std::string_view digits = literal.text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  Integer number = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) {
    return tokens.error(literal, cat("expected an integer of at most ", 8 * sizeof number, " bits"));
  }
  return number;
}

// Whether a filter may have the value. The query gets a copy wherever its text names the binding, so what no filter
// may have is not copied.
bool may_be_operand(const v1::Value& value) {
  switch (value.value_type_case()) {
    case v1::Value::kStringValue:
      return value.string_value().size() <= kMaxIndexedBytes;
    case v1::Value::kBlobValue:
      return value.blob_value().size() <= kMaxIndexedBytes;
    case v1::Value::kKeyValue:
      return value.key_value().path_size() <= kMaxPathElements && value.key_value().ByteSizeLong() <= kMaxKeyBytes;
    case v1::Value::kEntityValue:
      return false;
    case v1::Value::kArrayValue: {
      const auto& values = value.array_value().values();
      return static_cast<std::size_t>(values.size()) <= kMaxDisjunctions &&
             std::all_of(values.begin(), values.end(),
                         [](const v1::Value& each) { return !each.has_array_value() && may_be_operand(each); });
    }
    default:
      return true;
  }
}

}  // namespace

bool GqlValues::is_next() const {
  switch (tokens_.token().kind) {
    case Kind::kString:
    case Kind::kInteger:
    case Kind::kDouble:
    case Kind::kBinding:
      return true;
    default:
      return tokens_.is_keyword("TRUE") || tokens_.is_keyword("FALSE") || tokens_.is_keyword("NULL") ||
             tokens_.is_function("KEY") || tokens_.is_function("ARRAY") || tokens_.is_function("BLOB") ||
             tokens_.is_function("DATETIME");
  }
}

absl::Status GqlValues::allowed(const GqlToken& literal) const {
  if (gql_.allow_literals()) return absl::OkStatus();
  return absl::InvalidArgumentError(cat("Disallowed literal: ", literal.raw));
}

absl::StatusOr<v1::Value> GqlValues::value(bool in_array) {
  if (!is_next()) return tokens_.error("expected a value: a literal or a binding such as @name or @1");
  const GqlToken& first = tokens_.token();
  if (first.kind == Kind::kBinding) return bound_value();
  NDB_RETURN_IF_ERROR(allowed(first));
  v1::Value out;
  if (tokens_.take_function("KEY")) {
    NDB_ASSIGN_OR_RETURN(*out.mutable_key_value(), key());
  } else if (tokens_.take_function("BLOB")) {
    NDB_RETURN_IF_ERROR(blob(first, *out.mutable_blob_value()));
  } else if (tokens_.take_function("DATETIME")) {
    NDB_RETURN_IF_ERROR(date_time(first, *out.mutable_timestamp_value()));
  } else if (tokens_.take_function("ARRAY")) {
    if (in_array) return tokens_.error(first, "expected no ARRAY within an ARRAY");
    NDB_RETURN_IF_ERROR(array(*out.mutable_array_value()));
  } else {
    NDB_RETURN_IF_ERROR(plain_literal(out));
  }
  return out;
}

absl::Status GqlValues::plain_literal(v1::Value& out) {
  const GqlToken& literal = tokens_.take();
  switch (literal.kind) {
    case Kind::kString:
      out.set_string_value(literal.text);
      break;
    case Kind::kInteger: {
      NDB_ASSIGN_OR_RETURN(const std::int64_t number, integer<std::int64_t>(tokens_, literal));
      out.set_integer_value(number);
      break;
    }
    case Kind::kDouble:
      out.set_double_value(std::strtod(literal.text.c_str(), nullptr));
      break;
    default:
      if (is_keyword(literal, "NULL")) {
        out.set_null_value(google::protobuf::NULL_VALUE);
      } else {
        out.set_boolean_value(is_keyword(literal, "TRUE"));
      }
  }
  return absl::OkStatus();
}

absl::Status GqlValues::array(v1::ArrayValue& out) {
  do {
    if (static_cast<std::size_t>(out.values_size()) == kMaxDisjunctions) {
      return tokens_.error(cat("expected at most ", kMaxDisjunctions, " values in an ARRAY"));
    }
    NDB_ASSIGN_OR_RETURN(*out.add_values(), value(true));
  } while (tokens_.take_symbol(","));
  return tokens_.expect_symbol(")");
}

absl::Status GqlValues::blob(const GqlToken& first, std::string& out) {
  NDB_ASSIGN_OR_RETURN(const std::string text, tokens_.string("the base64url of a blob"));
  std::optional<std::string> bytes = base64url_decode(text);
  if (!bytes) return tokens_.error(first, "expected BLOB and base64url text");
  out = *std::move(bytes);
  return tokens_.expect_symbol(")");
}

absl::Status GqlValues::date_time(const GqlToken& first, google::protobuf::Timestamp& out) {
  NDB_ASSIGN_OR_RETURN(const std::string text, tokens_.string("a time as in RFC 3339"));
  const std::size_t point = text.find('.');
  const std::size_t fraction_end = point == std::string::npos ? point : text.find_first_not_of("0123456789", point + 1);
  if (fraction_end != std::string::npos && fraction_end - point - 1 > 6) {
    return tokens_.error(first, "expected a DATETIME with at most 6 digits of a second");
  }
  const std::optional<WallTime> time = parse_time(text);
  if (!time) return tokens_.error(first, "expected a DATETIME as in DATETIME('2024-02-29T12:30:00.5Z')");
  set_micros(out, time->time_since_epoch().count());
  return tokens_.expect_symbol(")");
}

absl::StatusOr<v1::Key> GqlValues::key() {
  v1::Key out;
  NDB_RETURN_IF_ERROR(partition_of(*out.mutable_partition_id()));
  do {
    v1::Key::PathElement& element = *out.add_path();
    NDB_ASSIGN_OR_RETURN(*element.mutable_kind(), tokens_.name("the name of a kind"));
    NDB_RETURN_IF_ERROR(tokens_.expect_symbol(","));
    if (tokens_.token().kind == Kind::kInteger) {
      NDB_ASSIGN_OR_RETURN(const std::int64_t id, integer<std::int64_t>(tokens_, tokens_.take()));
      element.set_id(id);
    } else {
      NDB_ASSIGN_OR_RETURN(*element.mutable_name(), tokens_.string("a name; or an id"));
    }
  } while (tokens_.take_symbol(","));
  NDB_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
  return out;
}

absl::Status GqlValues::partition_of(v1::PartitionId& out) {
  out = partition_;
  if (tokens_.take_function("PROJECT")) {
    NDB_ASSIGN_OR_RETURN(*out.mutable_project_id(), tokens_.string("a project"));
    NDB_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
    NDB_RETURN_IF_ERROR(tokens_.expect_symbol(","));
  }
  if (tokens_.take_function("NAMESPACE")) {
    NDB_ASSIGN_OR_RETURN(*out.mutable_namespace_id(), tokens_.string("a namespace"));
    NDB_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
    NDB_RETURN_IF_ERROR(tokens_.expect_symbol(","));
  }
  return absl::OkStatus();
}

absl::StatusOr<const v1::GqlQueryParameter*> GqlValues::binding() {
  const GqlToken& site = tokens_.take();
  if (site.text.front() < '0' || site.text.front() > '9') {
    const auto found = gql_.named_bindings().find(site.text);
    if (found != gql_.named_bindings().end()) return &found->second;
    return tokens_.error(site, "expected a binding of that name in named_bindings");
  }
  NDB_ASSIGN_OR_RETURN(const int number, integer<int>(tokens_, site));
  if (number < 1 || number > gql_.positional_bindings_size()) {
    return tokens_.error(
        site, cat("expected the number of one of the ", gql_.positional_bindings_size(), " positional_bindings"));
  }
  used_.insert(number);
  return &gql_.positional_bindings(number - 1);
}

absl::StatusOr<v1::Value> GqlValues::bound_value() {
  const GqlToken& site = tokens_.token();
  NDB_ASSIGN_OR_RETURN(const v1::GqlQueryParameter* parameter, binding());
  if (!parameter->has_value()) return tokens_.error(site, "expected the binding to have a value");
  if (!may_be_operand(parameter->value())) {
    return tokens_.error(site, cat("expected a binding that an index can have: at most ", kMaxIndexedBytes,
                                   " bytes, no entity, and at most ", kMaxDisjunctions, " values in an array"));
  }
  return parameter->value();
}

absl::Status GqlValues::all_used() const {
  for (int i = 1; i <= gql_.positional_bindings_size(); ++i) {
    if (used_.contains(i)) continue;
    return absl::InvalidArgumentError(cat("The query uses no @", i, ", but there is a binding for it."));
  }
  return absl::OkStatus();
}

absl::StatusOr<GqlPosition> GqlValues::position() {
  GqlPosition out;
  const GqlToken& first = tokens_.token();
  if (first.kind == Kind::kInteger) {
    NDB_RETURN_IF_ERROR(allowed(first));
    NDB_ASSIGN_OR_RETURN(out.count, integer<std::int32_t>(tokens_, tokens_.take()));
    return out;
  }
  if (first.kind != Kind::kBinding) return tokens_.error("expected an integer or a binding");
  NDB_ASSIGN_OR_RETURN(const v1::GqlQueryParameter* parameter, binding());
  if (parameter->parameter_type_case() == v1::GqlQueryParameter::kCursor) {
    out.cursor = parameter->cursor();
    return out;
  }
  const v1::Value& value = parameter->value();
  if (!value.has_integer_value() || value.integer_value() != static_cast<std::int32_t>(value.integer_value())) {
    return tokens_.error(first, "expected the binding to be a cursor or an integer of at most 32 bits");
  }
  out.count = static_cast<std::int32_t>(value.integer_value());
  return out;
}

absl::StatusOr<std::int64_t> GqlValues::number() {
  const GqlToken& first = tokens_.token();
  if (first.kind != Kind::kInteger && first.kind != Kind::kBinding) {
    return tokens_.error("expected an integer or a binding");
  }
  NDB_ASSIGN_OR_RETURN(const v1::Value number, value());
  if (!number.has_integer_value()) return tokens_.error(first, "expected the binding to be an integer");
  return number.integer_value();
}

}  // namespace ndb::local
