#include "local_datastore/gql/values.h"

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "google/protobuf/util/time_util.h"

namespace ndb::local {
namespace {

using Kind = GqlToken::Kind;

template <class Integer>
absl::StatusOr<Integer> integer(const GqlWords& words, const GqlToken& literal) {
  std::string_view digits = literal.text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  Integer number = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) {
    return words.error(literal, cat("expected an integer of at most ", 8 * sizeof number, " bits"));
  }
  return number;
}

}  // namespace

bool GqlValues::is_next() const {
  switch (words_.token().kind) {
    case Kind::kString:
    case Kind::kInteger:
    case Kind::kDouble:
    case Kind::kBinding:
      return true;
    default:
      return words_.is_keyword("TRUE") || words_.is_keyword("FALSE") || words_.is_keyword("NULL") ||
             words_.is_function("KEY") || words_.is_function("ARRAY") || words_.is_function("BLOB") ||
             words_.is_function("DATETIME");
  }
}

absl::Status GqlValues::allowed(const GqlToken& literal) const {
  if (gql_.allow_literals()) return absl::OkStatus();
  return absl::InvalidArgumentError(cat("Disallowed literal: ", literal.raw));
}

absl::StatusOr<v1::Value> GqlValues::value(bool in_array) {
  if (!is_next()) return words_.error("expected a value: a literal or a binding such as @name or @1");
  const GqlToken& first = words_.token();
  if (first.kind == Kind::kBinding) return bound_value();
  NDB_RETURN_IF_ERROR(allowed(first));
  v1::Value out;
  if (words_.take_function("KEY")) {
    NDB_ASSIGN_OR_RETURN(*out.mutable_key_value(), key());
  } else if (words_.take_function("BLOB")) {
    NDB_RETURN_IF_ERROR(blob(first, *out.mutable_blob_value()));
  } else if (words_.take_function("DATETIME")) {
    NDB_RETURN_IF_ERROR(date_time(first, *out.mutable_timestamp_value()));
  } else if (words_.take_function("ARRAY")) {
    if (in_array) return words_.error(first, "expected no ARRAY within an ARRAY");
    NDB_RETURN_IF_ERROR(array(*out.mutable_array_value()));
  } else {
    NDB_RETURN_IF_ERROR(plain_literal(out));
  }
  return out;
}

absl::Status GqlValues::plain_literal(v1::Value& out) {
  const GqlToken& literal = words_.take();
  switch (literal.kind) {
    case Kind::kString:
      out.set_string_value(literal.text);
      break;
    case Kind::kInteger: {
      NDB_ASSIGN_OR_RETURN(const std::int64_t number, integer<std::int64_t>(words_, literal));
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
    NDB_ASSIGN_OR_RETURN(*out.add_values(), value(true));
  } while (words_.take_symbol(","));
  return words_.expect_symbol(")");
}

absl::Status GqlValues::blob(const GqlToken& first, std::string& out) {
  NDB_ASSIGN_OR_RETURN(const std::string text, words_.string("the base64url of a blob"));
  std::optional<std::string> bytes = base64url_decode(text);
  if (!bytes) return words_.error(first, "expected BLOB and base64url text");
  out = *std::move(bytes);
  return words_.expect_symbol(")");
}

absl::Status GqlValues::date_time(const GqlToken& first, google::protobuf::Timestamp& out) {
  NDB_ASSIGN_OR_RETURN(const std::string text, words_.string("a time as in RFC 3339"));
  const std::size_t point = text.find('.');
  const std::size_t fraction_end = point == std::string::npos ? point : text.find_first_not_of("0123456789", point + 1);
  if (fraction_end != std::string::npos && fraction_end - point - 1 > 6) {
    return words_.error(first, "expected a DATETIME with at most 6 digits of a second");
  }
  if (!google::protobuf::util::TimeUtil::FromString(text, &out)) {
    return words_.error(first, "expected a DATETIME as in DATETIME('2024-02-29T12:30:00.5Z')");
  }
  return words_.expect_symbol(")");
}

absl::StatusOr<v1::Key> GqlValues::key() {
  v1::Key out;
  NDB_RETURN_IF_ERROR(partition_of(*out.mutable_partition_id()));
  do {
    v1::Key::PathElement& element = *out.add_path();
    NDB_ASSIGN_OR_RETURN(*element.mutable_kind(), words_.name("the name of a kind"));
    NDB_RETURN_IF_ERROR(words_.expect_symbol(","));
    if (words_.token().kind == Kind::kInteger) {
      NDB_ASSIGN_OR_RETURN(const std::int64_t id, integer<std::int64_t>(words_, words_.take()));
      element.set_id(id);
    } else {
      NDB_ASSIGN_OR_RETURN(*element.mutable_name(), words_.string("a name; or an id"));
    }
  } while (words_.take_symbol(","));
  NDB_RETURN_IF_ERROR(words_.expect_symbol(")"));
  return out;
}

absl::Status GqlValues::partition_of(v1::PartitionId& out) {
  out = partition_;
  if (words_.take_function("PROJECT")) {
    NDB_ASSIGN_OR_RETURN(*out.mutable_project_id(), words_.string("a project"));
    NDB_RETURN_IF_ERROR(words_.expect_symbol(")"));
    NDB_RETURN_IF_ERROR(words_.expect_symbol(","));
  }
  if (words_.take_function("NAMESPACE")) {
    NDB_ASSIGN_OR_RETURN(*out.mutable_namespace_id(), words_.string("a namespace"));
    NDB_RETURN_IF_ERROR(words_.expect_symbol(")"));
    NDB_RETURN_IF_ERROR(words_.expect_symbol(","));
  }
  return absl::OkStatus();
}

absl::StatusOr<const v1::GqlQueryParameter*> GqlValues::binding() {
  const GqlToken& site = words_.take();
  if (site.text.front() < '0' || site.text.front() > '9') {
    const auto found = gql_.named_bindings().find(site.text);
    if (found != gql_.named_bindings().end()) return &found->second;
    return words_.error(site, "expected a binding of that name in named_bindings");
  }
  NDB_ASSIGN_OR_RETURN(const int number, integer<int>(words_, site));
  if (number < 1 || number > gql_.positional_bindings_size()) {
    return words_.error(
        site, cat("expected the number of one of the ", gql_.positional_bindings_size(), " positional_bindings"));
  }
  used_.insert(number);
  return &gql_.positional_bindings(number - 1);
}

absl::StatusOr<v1::Value> GqlValues::bound_value() {
  const GqlToken& site = words_.token();
  NDB_ASSIGN_OR_RETURN(const v1::GqlQueryParameter* parameter, binding());
  if (!parameter->has_value()) return words_.error(site, "expected the binding to have a value");
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
  const GqlToken& first = words_.token();
  if (first.kind == Kind::kInteger) {
    NDB_RETURN_IF_ERROR(allowed(first));
    NDB_ASSIGN_OR_RETURN(out.count, integer<std::int32_t>(words_, words_.take()));
    return out;
  }
  if (first.kind != Kind::kBinding) return words_.error("expected an integer or a binding");
  NDB_ASSIGN_OR_RETURN(const v1::GqlQueryParameter* parameter, binding());
  if (parameter->parameter_type_case() == v1::GqlQueryParameter::kCursor) {
    out.cursor = parameter->cursor();
    return out;
  }
  const v1::Value& value = parameter->value();
  if (!value.has_integer_value() || value.integer_value() != static_cast<std::int32_t>(value.integer_value())) {
    return words_.error(first, "expected the binding to be a cursor or an integer of at most 32 bits");
  }
  out.count = static_cast<std::int32_t>(value.integer_value());
  return out;
}

absl::StatusOr<std::int64_t> GqlValues::number() {
  const GqlToken& first = words_.token();
  if (first.kind != Kind::kInteger && first.kind != Kind::kBinding) {
    return words_.error("expected an integer or a binding");
  }
  NDB_ASSIGN_OR_RETURN(const v1::Value number, value());
  if (!number.has_integer_value()) return words_.error(first, "expected the binding to be an integer");
  return number.integer_value();
}

}  // namespace ndb::local
