// Recursive descent: one function per rule of the grammar.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "google/protobuf/util/time_util.h"
#include "local_datastore/gql.h"
#include "local_datastore/gql_lexer.h"
#include "local_datastore/rules.h"

namespace ndb::local {
namespace {

using Kind = GqlToken::Kind;
using Operator = v1::PropertyFilter::Operator;
using Aggregation = v1::AggregationQuery::Aggregation;

constexpr int kMaxDepth = 50;

// Words that are no names unless they are in backquotes. Names of functions are not among them.
constexpr std::array<std::string_view, 26> kReserved = {
    "AGGREGATE", "ANCESTOR", "AND",  "AS",    "ASC",  "BY",     "CONTAINS", "DESC", "DESCENDANT",
    "DISTINCT",  "FALSE",    "FROM", "HAS",   "IN",   "IS",     "LIMIT",    "NOT",  "NULL",
    "OFFSET",    "ON",       "OR",   "ORDER", "OVER", "SELECT", "TRUE",     "WHERE"};

absl::Status invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

// A place in the result: how many rows, or where a cursor is.
struct Position {
  std::optional<std::int32_t> count{};
  std::string cursor{};
};

class Parser {
 public:
  Parser(const v1::GqlQuery& gql, const v1::PartitionId& partition, std::vector<GqlToken> tokens)
      : gql_(gql), partition_(partition), tokens_(std::move(tokens)) {}

  absl::StatusOr<v1::Query> query() {
    if (begins_aggregation()) return error("expected a query that does not aggregate, for RunQuery");
    NDB_ASSIGN_OR_RETURN(v1::Query query, select());
    NDB_RETURN_IF_ERROR(finish());
    return query;
  }

  absl::StatusOr<v1::AggregationQuery> aggregation_query() {
    if (!begins_aggregation()) return error("expected AGGREGATE, or SELECT and COUNT, COUNT_UP_TO, SUM or AVG");
    v1::AggregationQuery out;
    const bool over = take_keyword("AGGREGATE");
    if (!over) NDB_RETURN_IF_ERROR(expect_keyword("SELECT"));
    const std::size_t list = at_;
    if (!over) {
      skip_to_from();
      NDB_ASSIGN_OR_RETURN(kind_, from());
    }
    const std::size_t after_from = std::exchange(at_, list);
    do {
      NDB_RETURN_IF_ERROR(aggregation(*out.add_aggregations()));
    } while (take_symbol(","));
    v1::Query& nested = *out.mutable_nested_query();
    if (over) {
      NDB_RETURN_IF_ERROR(expect_keyword("OVER"));
      NDB_RETURN_IF_ERROR(expect_symbol("("));
      NDB_ASSIGN_OR_RETURN(nested, select());
      NDB_RETURN_IF_ERROR(expect_symbol(")"));
    } else {
      if (is_keyword(token(), "FROM")) at_ = after_from;
      if (!kind_.empty()) nested.add_kind()->set_name(kind_);
      NDB_RETURN_IF_ERROR(where(nested));
    }
    NDB_RETURN_IF_ERROR(finish());
    return out;
  }

 private:
  // --- tokens -------------------------------------------------------------------------------------------------------

  const GqlToken& token(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

  bool is_symbol(std::string_view symbol, std::size_t ahead = 0) const {
    return token(ahead).kind == Kind::kSymbol && token(ahead).text == symbol;
  }
  // A word that is special only before a parenthesis.
  bool is_function(std::string_view name, std::size_t ahead = 0) const {
    return is_keyword(token(ahead), name) && is_symbol("(", ahead + 1);
  }
  bool take_keyword(std::string_view keyword) {
    if (!is_keyword(token(), keyword)) return false;
    ++at_;
    return true;
  }
  bool take_symbol(std::string_view symbol) {
    if (!is_symbol(symbol)) return false;
    ++at_;
    return true;
  }
  bool take_function(std::string_view name) {
    if (!is_function(name)) return false;
    at_ += 2;
    return true;
  }

  absl::Status error(std::string_view what) const { return error(token(), what); }
  absl::Status error(const GqlToken& where, std::string_view what) const {
    return invalid(cat("GQL query, ", gql_position(gql_.query_string(), where.raw), ": ", what,
                       where.kind == Kind::kEnd ? ", found the end" : cat(", found ", quoted(where.raw)), "."));
  }
  absl::Status expect_keyword(std::string_view keyword) {
    return take_keyword(keyword) ? absl::OkStatus() : error(cat("expected ", keyword));
  }
  absl::Status expect_symbol(std::string_view symbol) {
    return take_symbol(symbol) ? absl::OkStatus() : error(cat("expected ", quoted(symbol)));
  }

  absl::Status disallowed_unless_literals(const GqlToken& literal) const {
    if (gql_.allow_literals()) return absl::OkStatus();
    return invalid(cat("Disallowed literal: ", literal.raw));
  }

  absl::Status finish() const {
    if (token().kind != Kind::kEnd) return error("expected the end of the query");
    for (int i = 0; i < gql_.positional_bindings_size(); ++i) {
      if (!used_.contains(i + 1)) return invalid(cat("The query uses no @", i + 1, ", but there is a binding for it."));
    }
    return absl::OkStatus();
  }

  // --- names --------------------------------------------------------------------------------------------------------

  bool is_name(std::size_t ahead = 0) const {
    if (token(ahead).kind == Kind::kQuotedName) return true;
    return token(ahead).kind == Kind::kName &&
           std::none_of(kReserved.begin(), kReserved.end(),
                        [&](std::string_view word) { return is_keyword(token(ahead), word); });
  }

  absl::StatusOr<std::string> name(std::string_view what) {
    if (!is_name() || token().text.empty()) return error(cat("expected ", what));
    return tokens_[at_++].text;
  }

  // A property's name may have dots, and the kind in front.
  absl::StatusOr<std::string> property() {
    NDB_ASSIGN_OR_RETURN(std::string first, name("the name of a property"));
    std::string rest;
    while (take_symbol(".")) {
      NDB_ASSIGN_OR_RETURN(const std::string part, name("the name of a property"));
      rest += (rest.empty() ? "" : ".") + part;
    }
    if (rest.empty()) return first;
    return first == kind_ && !kind_.empty() ? rest : cat(first, '.', rest);
  }

  // --- SELECT -------------------------------------------------------------------------------------------------------

  // The kind stands behind the properties that it may qualify, so it is looked for first.
  void skip_to_from() {
    int depth = 0;
    for (; token().kind != Kind::kEnd; ++at_) {
      if (depth == 0 && is_keyword(token(), "FROM")) break;
      if (is_symbol("(")) ++depth;
      if (is_symbol(")") && depth-- == 0) break;
    }
  }

  absl::StatusOr<std::string> from() {
    if (!take_keyword("FROM")) return std::string();
    return name("the name of a kind");
  }

  absl::StatusOr<v1::Query> select() {
    NDB_RETURN_IF_ERROR(expect_keyword("SELECT"));
    v1::Query query;
    const std::size_t results = at_;
    skip_to_from();
    const bool has_from = is_keyword(token(), "FROM");
    NDB_ASSIGN_OR_RETURN(kind_, from());
    const std::size_t after_from = std::exchange(at_, results);
    NDB_RETURN_IF_ERROR(result(query));
    if (has_from && !is_keyword(token(), "FROM")) return error("expected \",\" or FROM");
    if (has_from) at_ = after_from;
    if (!kind_.empty()) query.add_kind()->set_name(kind_);
    NDB_RETURN_IF_ERROR(where(query));
    NDB_RETURN_IF_ERROR(order_by(query));
    NDB_RETURN_IF_ERROR(limit(query));
    NDB_RETURN_IF_ERROR(offset(query));
    return query;
  }

  absl::Status result(v1::Query& query) {
    const bool distinct = take_keyword("DISTINCT");
    if (distinct && take_keyword("ON")) {
      NDB_RETURN_IF_ERROR(expect_symbol("("));
      do {
        NDB_ASSIGN_OR_RETURN(*query.add_distinct_on()->mutable_name(), property());
      } while (take_symbol(","));
      NDB_RETURN_IF_ERROR(expect_symbol(")"));
    } else if (distinct) {
      NDB_RETURN_IF_ERROR(projection(query));
      for (const v1::Projection& projected : query.projection()) *query.add_distinct_on() = projected.property();
      return absl::OkStatus();
    }
    if (take_symbol("*")) return absl::OkStatus();
    if (!is_name()) return error("expected * or the name of a property");
    return projection(query);
  }

  absl::Status projection(v1::Query& query) {
    do {
      NDB_ASSIGN_OR_RETURN(*query.add_projection()->mutable_property()->mutable_name(), property());
    } while (take_symbol(","));
    return absl::OkStatus();
  }

  absl::Status where(v1::Query& query) {
    if (!take_keyword("WHERE")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(*query.mutable_filter(), disjunction(0));
    return absl::OkStatus();
  }

  absl::Status order_by(v1::Query& query) {
    if (!take_keyword("ORDER")) return absl::OkStatus();
    NDB_RETURN_IF_ERROR(expect_keyword("BY"));
    do {
      v1::PropertyOrder& order = *query.add_order();
      NDB_ASSIGN_OR_RETURN(*order.mutable_property()->mutable_name(), property());
      const bool descending = take_keyword("DESC");
      if (!descending) take_keyword("ASC");
      order.set_direction(descending ? v1::PropertyOrder::DESCENDING : v1::PropertyOrder::ASCENDING);
    } while (take_symbol(","));
    return absl::OkStatus();
  }

  // --- conditions ---------------------------------------------------------------------------------------------------

  absl::StatusOr<v1::Filter> disjunction(int depth) { return joined(v1::CompositeFilter::OR, "OR", depth); }

  // OR of ANDs of conditions.
  absl::StatusOr<v1::Filter> joined(v1::CompositeFilter::Operator op, std::string_view keyword, int depth) {
    const auto part = [&] {
      return op == v1::CompositeFilter::OR ? joined(v1::CompositeFilter::AND, "AND", depth) : condition(depth);
    };
    NDB_ASSIGN_OR_RETURN(v1::Filter first, part());
    if (!is_keyword(token(), keyword)) return first;
    v1::Filter out;
    out.mutable_composite_filter()->set_op(op);
    *out.mutable_composite_filter()->add_filters() = std::move(first);
    while (take_keyword(keyword)) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_composite_filter()->add_filters(), part());
    }
    return out;
  }

  absl::StatusOr<v1::Filter> condition(int depth) {
    if (take_symbol("(")) {
      if (depth == kMaxDepth) return error(cat("expected no more than ", kMaxDepth, " nested parentheses"));
      NDB_ASSIGN_OR_RETURN(v1::Filter inner, disjunction(depth + 1));
      NDB_RETURN_IF_ERROR(expect_symbol(")"));
      return inner;
    }
    v1::Filter out;
    v1::PropertyFilter& filter = *out.mutable_property_filter();
    NDB_RETURN_IF_ERROR(begins_value() ? backward(filter) : forward(filter));
    return out;
  }

  absl::Status forward(v1::PropertyFilter& filter) {
    if (!is_name()) return error("expected a property, a value or \"(\"");
    NDB_ASSIGN_OR_RETURN(*filter.mutable_property()->mutable_name(), property());
    if (take_keyword("IS")) {
      NDB_RETURN_IF_ERROR(expect_keyword("NULL"));
      filter.set_op(v1::PropertyFilter::EQUAL);
      filter.mutable_value()->set_null_value(google::protobuf::NULL_VALUE);
      return absl::OkStatus();
    }
    if (take_keyword("CONTAINS")) {
      filter.set_op(v1::PropertyFilter::EQUAL);
    } else if (take_keyword("IN")) {
      filter.set_op(v1::PropertyFilter::IN);
    } else if (take_keyword("NOT")) {
      NDB_RETURN_IF_ERROR(expect_keyword("IN"));
      filter.set_op(v1::PropertyFilter::NOT_IN);
    } else if (take_keyword("HAS")) {
      NDB_RETURN_IF_ERROR(expect_keyword("ANCESTOR"));
      filter.set_op(v1::PropertyFilter::HAS_ANCESTOR);
    } else {
      NDB_ASSIGN_OR_RETURN(const Operator op, comparator("IS NULL, CONTAINS, IN, NOT IN, HAS ANCESTOR"));
      filter.set_op(op);
    }
    NDB_ASSIGN_OR_RETURN(*filter.mutable_value(), value());
    return absl::OkStatus();
  }

  // The value stands first: 5 < p, 5 IN p, KEY(K, 1) HAS DESCENDANT __key__.
  absl::Status backward(v1::PropertyFilter& filter) {
    NDB_ASSIGN_OR_RETURN(*filter.mutable_value(), value());
    if (take_keyword("IN")) {
      filter.set_op(v1::PropertyFilter::EQUAL);
    } else if (take_keyword("HAS")) {
      NDB_RETURN_IF_ERROR(expect_keyword("DESCENDANT"));
      filter.set_op(v1::PropertyFilter::HAS_ANCESTOR);
    } else {
      NDB_ASSIGN_OR_RETURN(const Operator op, comparator("IN, HAS DESCENDANT"));
      filter.set_op(mirrored(op));
    }
    NDB_ASSIGN_OR_RETURN(*filter.mutable_property()->mutable_name(), property());
    return absl::OkStatus();
  }

  absl::StatusOr<Operator> comparator(std::string_view others) {
    constexpr std::array<std::pair<std::string_view, Operator>, 6> kComparators = {{
        {"=", v1::PropertyFilter::EQUAL},
        {"<", v1::PropertyFilter::LESS_THAN},
        {"<=", v1::PropertyFilter::LESS_THAN_OR_EQUAL},
        {">", v1::PropertyFilter::GREATER_THAN},
        {">=", v1::PropertyFilter::GREATER_THAN_OR_EQUAL},
        {"!=", v1::PropertyFilter::NOT_EQUAL},
    }};
    for (const auto& [symbol, op] : kComparators) {
      if (take_symbol(symbol)) return op;
    }
    return error(cat("expected a comparison: =, <, <=, >, >=, !=, ", others));
  }

  static Operator mirrored(Operator op) {
    switch (op) {
      case v1::PropertyFilter::LESS_THAN:
        return v1::PropertyFilter::GREATER_THAN;
      case v1::PropertyFilter::LESS_THAN_OR_EQUAL:
        return v1::PropertyFilter::GREATER_THAN_OR_EQUAL;
      case v1::PropertyFilter::GREATER_THAN:
        return v1::PropertyFilter::LESS_THAN;
      case v1::PropertyFilter::GREATER_THAN_OR_EQUAL:
        return v1::PropertyFilter::LESS_THAN_OR_EQUAL;
      default:
        return op;
    }
  }

  // --- values -------------------------------------------------------------------------------------------------------

  bool begins_value() const {
    switch (token().kind) {
      case Kind::kString:
      case Kind::kInteger:
      case Kind::kDouble:
      case Kind::kBinding:
        return true;
      default:
        return is_keyword(token(), "TRUE") || is_keyword(token(), "FALSE") || is_keyword(token(), "NULL") ||
               is_function("KEY") || is_function("ARRAY") || is_function("BLOB") || is_function("DATETIME");
    }
  }

  absl::StatusOr<v1::Value> value(bool in_array = false) {
    if (!begins_value()) return error("expected a value: a literal or a binding such as @name or @1");
    if (token().kind == Kind::kBinding) return bound_value();
    NDB_RETURN_IF_ERROR(disallowed_unless_literals(token()));
    v1::Value out;
    const GqlToken& first = token();
    if (take_function("KEY")) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_key_value(), key());
    } else if (take_function("BLOB")) {
      NDB_ASSIGN_OR_RETURN(const std::string text, string("the base64url of a blob"));
      std::optional<std::string> bytes = base64url_decode(text);
      if (!bytes) return error(first, "expected BLOB and base64url text");
      out.set_blob_value(*std::move(bytes));
      NDB_RETURN_IF_ERROR(expect_symbol(")"));
    } else if (take_function("DATETIME")) {
      NDB_RETURN_IF_ERROR(date_time(first, *out.mutable_timestamp_value()));
    } else if (take_function("ARRAY")) {
      if (in_array) return error(first, "expected no ARRAY within an ARRAY");
      do {
        NDB_ASSIGN_OR_RETURN(*out.mutable_array_value()->add_values(), value(true));
      } while (take_symbol(","));
      NDB_RETURN_IF_ERROR(expect_symbol(")"));
    } else {
      NDB_RETURN_IF_ERROR(plain_literal(out));
    }
    return out;
  }

  absl::Status plain_literal(v1::Value& out) {
    const GqlToken& literal = tokens_[at_++];
    switch (literal.kind) {
      case Kind::kString:
        out.set_string_value(literal.text);
        break;
      case Kind::kInteger: {
        NDB_ASSIGN_OR_RETURN(const std::int64_t number, integer<std::int64_t>(literal));
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

  template <class Integer>
  absl::StatusOr<Integer> integer(const GqlToken& literal) const {
    std::string_view digits = literal.text;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    Integer number = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) {
      return error(literal, cat("expected an integer of at most ", 8 * sizeof number, " bits"));
    }
    return number;
  }

  absl::StatusOr<std::string> string(std::string_view what) {
    if (token().kind != Kind::kString) return error(cat("expected a string: ", what));
    return tokens_[at_++].text;
  }

  absl::Status date_time(const GqlToken& where, google::protobuf::Timestamp& out) {
    NDB_ASSIGN_OR_RETURN(const std::string text, string("a time as in RFC 3339"));
    const std::size_t point = text.find('.');
    const std::size_t fraction_end =
        point == std::string::npos ? point : text.find_first_not_of("0123456789", point + 1);
    if (fraction_end != std::string::npos && fraction_end - point - 1 > 6) {
      return error(where, "expected a DATETIME with at most 6 digits of a second");
    }
    if (!google::protobuf::util::TimeUtil::FromString(text, &out)) {
      return error(where, "expected a DATETIME as in DATETIME('2024-02-29T12:30:00.5Z')");
    }
    return expect_symbol(")");
  }

  // What is between the parentheses of KEY(...).
  absl::StatusOr<v1::Key> key() {
    v1::Key out;
    *out.mutable_partition_id() = partition_;
    if (take_function("PROJECT")) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_partition_id()->mutable_project_id(), string("a project"));
      NDB_RETURN_IF_ERROR(expect_symbol(")"));
      NDB_RETURN_IF_ERROR(expect_symbol(","));
    }
    if (take_function("NAMESPACE")) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_partition_id()->mutable_namespace_id(), string("a namespace"));
      NDB_RETURN_IF_ERROR(expect_symbol(")"));
      NDB_RETURN_IF_ERROR(expect_symbol(","));
    }
    do {
      v1::Key::PathElement& element = *out.add_path();
      NDB_ASSIGN_OR_RETURN(*element.mutable_kind(), name("the name of a kind"));
      NDB_RETURN_IF_ERROR(expect_symbol(","));
      if (token().kind == Kind::kInteger) {
        NDB_ASSIGN_OR_RETURN(const std::int64_t id, integer<std::int64_t>(tokens_[at_++]));
        element.set_id(id);
      } else {
        NDB_ASSIGN_OR_RETURN(*element.mutable_name(), string("a name; or an id"));
      }
    } while (take_symbol(","));
    NDB_RETURN_IF_ERROR(expect_symbol(")"));
    return out;
  }

  // --- bindings -----------------------------------------------------------------------------------------------------

  absl::StatusOr<const v1::GqlQueryParameter*> binding() {
    const GqlToken& site = tokens_[at_++];
    if (site.text.front() < '0' || site.text.front() > '9') {
      const auto found = gql_.named_bindings().find(site.text);
      if (found == gql_.named_bindings().end()) return error(site, "expected a binding of that name in named_bindings");
      return &found->second;
    }
    NDB_ASSIGN_OR_RETURN(const int number, integer<int>(site));
    if (number < 1 || number > gql_.positional_bindings_size()) {
      return error(site,
                   cat("expected the number of one of the ", gql_.positional_bindings_size(), " positional_bindings"));
    }
    used_.insert(number);
    return &gql_.positional_bindings(number - 1);
  }

  absl::StatusOr<v1::Value> bound_value() {
    const GqlToken& site = token();
    NDB_ASSIGN_OR_RETURN(const v1::GqlQueryParameter* parameter, binding());
    if (!parameter->has_value()) return error(site, "expected the binding to have a value");
    return parameter->value();
  }

  // --- LIMIT and OFFSET ---------------------------------------------------------------------------------------------

  absl::StatusOr<Position> position() {
    Position out;
    const GqlToken& first = token();
    if (first.kind == Kind::kInteger) {
      NDB_RETURN_IF_ERROR(disallowed_unless_literals(first));
      NDB_ASSIGN_OR_RETURN(out.count, integer<std::int32_t>(tokens_[at_++]));
      return out;
    }
    if (first.kind != Kind::kBinding) return error("expected an integer or a binding");
    NDB_ASSIGN_OR_RETURN(const v1::GqlQueryParameter* parameter, binding());
    if (parameter->parameter_type_case() == v1::GqlQueryParameter::kCursor) {
      out.cursor = parameter->cursor();
      return out;
    }
    const v1::Value& value = parameter->value();
    if (!value.has_integer_value() || value.integer_value() != static_cast<std::int32_t>(value.integer_value())) {
      return error(first, "expected the binding to be a cursor or an integer of at most 32 bits");
    }
    out.count = static_cast<std::int32_t>(value.integer_value());
    return out;
  }

  absl::Status add_limit(v1::Query& query) {
    const GqlToken& first = token();
    NDB_ASSIGN_OR_RETURN(Position limit, position());
    if (limit.count.has_value() ? query.has_limit() : !query.end_cursor().empty()) {
      return error(first, "expected FIRST to have one number and one cursor");
    }
    if (limit.count.has_value()) {
      query.mutable_limit()->set_value(*limit.count);
    } else {
      query.set_end_cursor(std::move(limit.cursor));
    }
    return absl::OkStatus();
  }

  absl::Status limit(v1::Query& query) {
    if (!take_keyword("LIMIT")) return absl::OkStatus();
    if (!take_function("FIRST")) return add_limit(query);
    NDB_RETURN_IF_ERROR(add_limit(query));
    NDB_RETURN_IF_ERROR(expect_symbol(","));
    NDB_RETURN_IF_ERROR(add_limit(query));
    return expect_symbol(")");
  }

  absl::Status offset(v1::Query& query) {
    if (!take_keyword("OFFSET")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(Position first, position());
    query.set_start_cursor(std::move(first.cursor));
    query.set_offset(first.count.value_or(0));
    const GqlToken& plus = token();
    if (!take_symbol("+")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(const Position second, position());
    if (first.count.has_value() || !second.count.has_value()) {
      return error(plus, "expected OFFSET to add a number to a cursor");
    }
    query.set_offset(*second.count);
    return absl::OkStatus();
  }

  // --- aggregations -------------------------------------------------------------------------------------------------

  bool begins_aggregation() const {
    if (is_keyword(token(), "AGGREGATE")) return true;
    return is_keyword(token(), "SELECT") &&
           (is_function("COUNT", 1) || is_function("COUNT_UP_TO", 1) || is_function("SUM", 1) || is_function("AVG", 1));
  }

  absl::Status aggregation(Aggregation& out) {
    if (take_function("COUNT")) {
      NDB_RETURN_IF_ERROR(expect_symbol("*"));
      out.mutable_count();
    } else if (take_function("COUNT_UP_TO")) {
      NDB_RETURN_IF_ERROR(up_to(*out.mutable_count()->mutable_up_to()));
    } else if (take_function("SUM")) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_sum()->mutable_property()->mutable_name(), property());
    } else if (take_function("AVG")) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_avg()->mutable_property()->mutable_name(), property());
    } else {
      return error("expected COUNT(*), COUNT_UP_TO(number), SUM(property) or AVG(property)");
    }
    NDB_RETURN_IF_ERROR(expect_symbol(")"));
    if (!take_keyword("AS")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(*out.mutable_alias(), name("an alias"));
    return absl::OkStatus();
  }

  absl::Status up_to(google::protobuf::Int64Value& out) {
    const GqlToken& first = token();
    if (first.kind != Kind::kInteger && first.kind != Kind::kBinding) return error("expected an integer or a binding");
    NDB_ASSIGN_OR_RETURN(const v1::Value number, value());
    if (!number.has_integer_value()) return error(first, "expected the binding to be an integer");
    out.set_value(number.integer_value());
    return absl::OkStatus();
  }

  const v1::GqlQuery& gql_;
  const v1::PartitionId& partition_;
  std::vector<GqlToken> tokens_;
  std::size_t at_ = 0;
  std::string kind_;    // of the SELECT that is being parsed
  std::set<int> used_;  // positional bindings
};

absl::StatusOr<Parser> make_parser(const v1::GqlQuery& gql, const v1::PartitionId& partition) {
  for (const auto& [name, parameter] : gql.named_bindings()) {
    if (name.empty() || is_reserved(name)) return invalid(cat("A named binding cannot be called ", quoted(name), "."));
  }
  NDB_ASSIGN_OR_RETURN(std::vector<GqlToken> tokens, split_gql(gql.query_string()));
  return Parser(gql, partition, std::move(tokens));
}

}  // namespace

absl::StatusOr<v1::Query> parse_gql_query(const v1::GqlQuery& gql, const v1::PartitionId& partition) {
  NDB_ASSIGN_OR_RETURN(Parser parser, make_parser(gql, partition));
  return parser.query();
}

absl::StatusOr<v1::AggregationQuery> parse_gql_aggregation(const v1::GqlQuery& gql, const v1::PartitionId& partition) {
  NDB_ASSIGN_OR_RETURN(Parser parser, make_parser(gql, partition));
  return parser.aggregation_query();
}

}  // namespace ndb::local
