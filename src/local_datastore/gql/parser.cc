// A recursive descent parser: one function per rule of the grammar.
#include "local_datastore/gql/parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/gql/token_stream.h"
#include "local_datastore/gql/values.h"
#include "local_datastore/limits.h"
#include "local_datastore/rules.h"

namespace ndb::local {
namespace {

using Operator = v1::PropertyFilter::Operator;
using Aggregation = v1::AggregationQuery::Aggregation;

class Parser {
 public:
  Parser(const v1::GqlQuery& gql, const v1::PartitionId& partition, TokenStream tokens)
      : tokens_(std::move(tokens)), values_(gql, partition, tokens_) {}
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  absl::StatusOr<v1::Query> query() {
    if (begins_aggregation()) return tokens_.error("expected a query that does not aggregate, for RunQuery");
    NDB_ASSIGN_OR_RETURN(v1::Query query, select());
    NDB_RETURN_IF_ERROR(finish());
    return query;
  }

  absl::StatusOr<v1::AggregationQuery> aggregation_query() {
    if (!begins_aggregation()) return tokens_.error("expected AGGREGATE, or SELECT and COUNT, COUNT_UP_TO, SUM or AVG");
    v1::AggregationQuery out;
    const bool over = tokens_.take_keyword("AGGREGATE");
    if (!over) NDB_RETURN_IF_ERROR(tokens_.expect_keyword("SELECT"));
    const std::size_t list = tokens_.place();
    if (!over) {
      skip_to_from();
      NDB_ASSIGN_OR_RETURN(kind_, from());
    }
    const std::size_t after_from = tokens_.place();
    tokens_.go_to(list);
    do {
      NDB_RETURN_IF_ERROR(aggregation(*out.add_aggregations()));
    } while (tokens_.take_symbol(","));
    v1::Query& nested = *out.mutable_nested_query();
    if (over) {
      NDB_RETURN_IF_ERROR(tokens_.expect_keyword("OVER"));
      NDB_RETURN_IF_ERROR(tokens_.expect_symbol("("));
      NDB_ASSIGN_OR_RETURN(nested, select());
      NDB_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
    } else {
      if (tokens_.is_keyword("FROM")) tokens_.go_to(after_from);
      if (!kind_.empty()) nested.add_kind()->set_name(kind_);
      NDB_RETURN_IF_ERROR(where(nested));
    }
    NDB_RETURN_IF_ERROR(finish());
    return out;
  }

 private:
  absl::Status finish() const {
    if (!tokens_.is_end()) return tokens_.error("expected the end of the query");
    return values_.all_used();
  }

  // A property's name may contain dots, and may be qualified by the kind.
  absl::StatusOr<std::string> property() {
    NDB_ASSIGN_OR_RETURN(std::string first, tokens_.name("the name of a property"));
    std::string rest;
    while (tokens_.take_symbol(".")) {
      NDB_ASSIGN_OR_RETURN(const std::string part, tokens_.name("the name of a property"));
      rest += (rest.empty() ? "" : ".") + part;
    }
    if (rest.empty()) return first;
    return first == kind_ && !kind_.empty() ? rest : cat(first, '.', rest);
  }

  // --- SELECT -------------------------------------------------------------------------------------------------------

  // A property may be qualified by the kind, which comes after the properties, so FROM is parsed first.
  void skip_to_from() {
    int depth = 0;
    for (; !tokens_.is_end(); tokens_.take()) {
      if (depth == 0 && tokens_.is_keyword("FROM")) break;
      if (tokens_.is_symbol("(")) ++depth;
      if (tokens_.is_symbol(")") && depth-- == 0) break;
    }
  }

  absl::StatusOr<std::string> from() {
    if (!tokens_.take_keyword("FROM")) return std::string();
    return tokens_.name("the name of a kind");
  }

  absl::StatusOr<v1::Query> select() {
    NDB_RETURN_IF_ERROR(tokens_.expect_keyword("SELECT"));
    v1::Query query;
    const std::size_t results = tokens_.place();
    skip_to_from();
    const bool has_from = tokens_.is_keyword("FROM");
    NDB_ASSIGN_OR_RETURN(kind_, from());
    const std::size_t after_from = tokens_.place();
    tokens_.go_to(results);
    NDB_RETURN_IF_ERROR(result(query));
    if (has_from && !tokens_.is_keyword("FROM")) return tokens_.error("expected \",\" or FROM");
    if (has_from) tokens_.go_to(after_from);
    if (!kind_.empty()) query.add_kind()->set_name(kind_);
    NDB_RETURN_IF_ERROR(where(query));
    NDB_RETURN_IF_ERROR(order_by(query));
    NDB_RETURN_IF_ERROR(limit(query));
    NDB_RETURN_IF_ERROR(offset(query));
    return query;
  }

  absl::Status result(v1::Query& query) {
    const bool distinct = tokens_.take_keyword("DISTINCT");
    if (distinct && tokens_.take_keyword("ON")) {
      NDB_RETURN_IF_ERROR(tokens_.expect_symbol("("));
      do {
        NDB_ASSIGN_OR_RETURN(*query.add_distinct_on()->mutable_name(), property());
      } while (tokens_.take_symbol(","));
      NDB_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
    } else if (distinct) {
      NDB_RETURN_IF_ERROR(projection(query));
      for (const v1::Projection& projected : query.projection()) *query.add_distinct_on() = projected.property();
      return absl::OkStatus();
    }
    if (tokens_.take_symbol("*")) return absl::OkStatus();
    if (!tokens_.is_name()) return tokens_.error("expected * or the name of a property");
    return projection(query);
  }

  absl::Status projection(v1::Query& query) {
    do {
      NDB_ASSIGN_OR_RETURN(*query.add_projection()->mutable_property()->mutable_name(), property());
    } while (tokens_.take_symbol(","));
    return absl::OkStatus();
  }

  absl::Status where(v1::Query& query) {
    if (!tokens_.take_keyword("WHERE")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(*query.mutable_filter(), disjunction(0));
    return absl::OkStatus();
  }

  absl::Status order_by(v1::Query& query) {
    if (!tokens_.take_keyword("ORDER")) return absl::OkStatus();
    NDB_RETURN_IF_ERROR(tokens_.expect_keyword("BY"));
    do {
      v1::PropertyOrder& order = *query.add_order();
      NDB_ASSIGN_OR_RETURN(*order.mutable_property()->mutable_name(), property());
      const bool descending = tokens_.take_keyword("DESC");
      if (!descending) tokens_.take_keyword("ASC");
      order.set_direction(descending ? v1::PropertyOrder::DESCENDING : v1::PropertyOrder::ASCENDING);
    } while (tokens_.take_symbol(","));
    return absl::OkStatus();
  }

  // --- conditions ---------------------------------------------------------------------------------------------------

  absl::StatusOr<v1::Filter> disjunction(int depth) { return joined(v1::CompositeFilter::OR, "OR", depth); }

  // A disjunction of conjunctions of conditions.
  absl::StatusOr<v1::Filter> joined(v1::CompositeFilter::Operator op, std::string_view keyword, int depth) {
    const auto part = [&] {
      return op == v1::CompositeFilter::OR ? joined(v1::CompositeFilter::AND, "AND", depth) : condition(depth);
    };
    NDB_ASSIGN_OR_RETURN(v1::Filter first, part());
    if (!tokens_.is_keyword(keyword)) return first;
    v1::Filter out;
    out.mutable_composite_filter()->set_op(op);
    *out.mutable_composite_filter()->add_filters() = std::move(first);
    while (tokens_.take_keyword(keyword)) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_composite_filter()->add_filters(), part());
    }
    return out;
  }

  absl::StatusOr<v1::Filter> condition(int depth) {
    if (tokens_.take_symbol("(")) {
      if (depth == kMaxFilterDepth)
        return tokens_.error(cat("expected no more than ", kMaxFilterDepth, " nested parentheses"));
      NDB_ASSIGN_OR_RETURN(v1::Filter inner, disjunction(depth + 1));
      NDB_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
      return inner;
    }
    if (++conditions_ > kMaxFiltersAndOrders) {
      return tokens_.error(cat("expected at most ", kMaxFiltersAndOrders, " conditions"));
    }
    v1::Filter out;
    v1::PropertyFilter& filter = *out.mutable_property_filter();
    NDB_RETURN_IF_ERROR(values_.is_next() ? backward(filter) : forward(filter));
    return out;
  }

  absl::Status forward(v1::PropertyFilter& filter) {
    if (!tokens_.is_name()) return tokens_.error("expected a property, a value or \"(\"");
    NDB_ASSIGN_OR_RETURN(*filter.mutable_property()->mutable_name(), property());
    if (tokens_.take_keyword("IS")) {
      NDB_RETURN_IF_ERROR(tokens_.expect_keyword("NULL"));
      filter.set_op(v1::PropertyFilter::EQUAL);
      filter.mutable_value()->set_null_value(google::protobuf::NULL_VALUE);
      return absl::OkStatus();
    }
    if (tokens_.take_keyword("CONTAINS")) {
      filter.set_op(v1::PropertyFilter::EQUAL);
    } else if (tokens_.take_keyword("IN")) {
      filter.set_op(v1::PropertyFilter::IN);
    } else if (tokens_.take_keyword("NOT")) {
      NDB_RETURN_IF_ERROR(tokens_.expect_keyword("IN"));
      filter.set_op(v1::PropertyFilter::NOT_IN);
    } else if (tokens_.take_keyword("HAS")) {
      NDB_RETURN_IF_ERROR(tokens_.expect_keyword("ANCESTOR"));
      filter.set_op(v1::PropertyFilter::HAS_ANCESTOR);
    } else {
      NDB_ASSIGN_OR_RETURN(const Operator op, comparator("IS NULL, CONTAINS, IN, NOT IN, HAS ANCESTOR"));
      filter.set_op(op);
    }
    NDB_ASSIGN_OR_RETURN(*filter.mutable_value(), values_.value());
    return absl::OkStatus();
  }

  // Conditions with the value first: 5 < p, 5 IN p, KEY(K, 1) HAS DESCENDANT __key__.
  absl::Status backward(v1::PropertyFilter& filter) {
    NDB_ASSIGN_OR_RETURN(*filter.mutable_value(), values_.value());
    if (tokens_.take_keyword("IN")) {
      filter.set_op(v1::PropertyFilter::EQUAL);
    } else if (tokens_.take_keyword("HAS")) {
      NDB_RETURN_IF_ERROR(tokens_.expect_keyword("DESCENDANT"));
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
      if (tokens_.take_symbol(symbol)) return op;
    }
    return tokens_.error(cat("expected a comparison: =, <, <=, >, >=, !=, ", others));
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

  // --- LIMIT and OFFSET ---------------------------------------------------------------------------------------------

  absl::Status add_limit(v1::Query& query) {
    const GqlToken& first = tokens_.token();
    NDB_ASSIGN_OR_RETURN(GqlPosition limit, values_.position());
    if (limit.count.has_value() ? query.has_limit() : !query.end_cursor().empty()) {
      return tokens_.error(first, "expected FIRST to have one number and one cursor");
    }
    if (limit.count.has_value()) {
      query.mutable_limit()->set_value(*limit.count);
    } else {
      query.set_end_cursor(std::move(limit.cursor));
    }
    return absl::OkStatus();
  }

  absl::Status limit(v1::Query& query) {
    if (!tokens_.take_keyword("LIMIT")) return absl::OkStatus();
    if (!tokens_.take_function("FIRST")) return add_limit(query);
    NDB_RETURN_IF_ERROR(add_limit(query));
    NDB_RETURN_IF_ERROR(tokens_.expect_symbol(","));
    NDB_RETURN_IF_ERROR(add_limit(query));
    return tokens_.expect_symbol(")");
  }

  absl::Status offset(v1::Query& query) {
    if (!tokens_.take_keyword("OFFSET")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(GqlPosition first, values_.position());
    query.set_start_cursor(std::move(first.cursor));
    query.set_offset(first.count.value_or(0));
    const GqlToken& plus = tokens_.token();
    if (!tokens_.take_symbol("+")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(const GqlPosition second, values_.position());
    if (first.count.has_value() || !second.count.has_value()) {
      return tokens_.error(plus, "expected OFFSET to add a number to a cursor");
    }
    query.set_offset(*second.count);
    return absl::OkStatus();
  }

  // --- aggregations -------------------------------------------------------------------------------------------------

  bool begins_aggregation() const {
    if (tokens_.is_keyword("AGGREGATE")) return true;
    return tokens_.is_keyword("SELECT") && (tokens_.is_function("COUNT", 1) || tokens_.is_function("COUNT_UP_TO", 1) ||
                                            tokens_.is_function("SUM", 1) || tokens_.is_function("AVG", 1));
  }

  absl::Status aggregation(Aggregation& out) {
    if (tokens_.take_function("COUNT")) {
      NDB_RETURN_IF_ERROR(tokens_.expect_symbol("*"));
      out.mutable_count();
    } else if (tokens_.take_function("COUNT_UP_TO")) {
      NDB_ASSIGN_OR_RETURN(const std::int64_t most, values_.number());
      out.mutable_count()->mutable_up_to()->set_value(most);
    } else if (tokens_.take_function("SUM")) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_sum()->mutable_property()->mutable_name(), property());
    } else if (tokens_.take_function("AVG")) {
      NDB_ASSIGN_OR_RETURN(*out.mutable_avg()->mutable_property()->mutable_name(), property());
    } else {
      return tokens_.error("expected COUNT(*), COUNT_UP_TO(number), SUM(property) or AVG(property)");
    }
    NDB_RETURN_IF_ERROR(tokens_.expect_symbol(")"));
    if (!tokens_.take_keyword("AS")) return absl::OkStatus();
    NDB_ASSIGN_OR_RETURN(*out.mutable_alias(), tokens_.name("an alias"));
    return absl::OkStatus();
  }

  TokenStream tokens_;
  GqlValues values_;
  std::string kind_;  // kind of the current SELECT
  int conditions_ = 0;
};

// query.proto: the name of a binding matches [A-Za-z_$][A-Za-z_$0-9]* and not __.*__.
bool names_binding(std::string_view name) {
  const auto may_begin = [](char c) {
    return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$';
  };
  const auto may_follow = [&](char c) { return may_begin(c) || absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  return !name.empty() && !is_reserved(name) && may_begin(name.front()) &&
         std::all_of(name.begin(), name.end(), may_follow);
}

absl::StatusOr<TokenStream> tokens_of(const v1::GqlQuery& gql) {
  for (const auto& [name, parameter] : gql.named_bindings()) {
    if (names_binding(name)) continue;
    return absl::InvalidArgumentError(
        cat("A named binding cannot be called ", quoted(name),
            "; a name has letters, digits, _ and $, begins with none of the digits, and is "
            "not __reserved__."));
  }
  return TokenStream::of(gql.query_string());
}

}  // namespace

absl::StatusOr<v1::Query> parse_gql_query(const v1::GqlQuery& gql, const v1::PartitionId& partition) {
  NDB_ASSIGN_OR_RETURN(TokenStream tokens, tokens_of(gql));
  return Parser(gql, partition, std::move(tokens)).query();
}

absl::StatusOr<v1::AggregationQuery> parse_gql_aggregation(const v1::GqlQuery& gql, const v1::PartitionId& partition) {
  NDB_ASSIGN_OR_RETURN(TokenStream tokens, tokens_of(gql));
  return Parser(gql, partition, std::move(tokens)).aggregation_query();
}

}  // namespace ndb::local
