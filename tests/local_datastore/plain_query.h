// Which entities a query selects, by the rules as the documentation gives them and by none of the server's code. For
// tests whose values are null, integers, strings and doubles, and whose ids are numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "google/datastore/v1/query.pb.h"

namespace ndb::testing {

// Does not own the query.
class PlainQuery {
 public:
  explicit PlainQuery(const google::datastore::v1::Query& query) : query_(query) {
    for (const auto& projection : query.projection()) required_.insert(projection.property().name());
    bool by_key = false;
    for (const auto& order : query.order()) {
      by_key = order.property().name() == "__key__";
      if (by_key) break;  // nothing after it matters
      required_.insert(order.property().name());
    }
    // An inequality orders the results too, wherever it stands in the filter, where the query does not say the whole
    // order.
    if (query.has_filter() && !by_key) require_inequalities(query.filter());
    required_.erase("__key__");
  }

  bool selects(const google::datastore::v1::Entity& entity) const {
    const Row row{path(entity.key()), entries(entity)};
    if (query_.kind_size() > 0 && query_.kind(0).name() != row.path.back().first) return false;
    for (const std::string& name : required_) {
      if (!row.values.contains(name)) return false;
    }
    return !query_.has_filter() || holds_for_a_choice(row, row.values.begin(), {});
  }

 private:
  using Filter = google::datastore::v1::Filter;
  using F = google::datastore::v1::PropertyFilter;
  using Value = std::tuple<int, double, std::string>;  // the rank of the type first
  using Path = std::vector<std::pair<std::string, std::int64_t>>;
  using Choice = std::map<std::string, Value>;

  struct Row {
    Path path;
    std::map<std::string, std::vector<Value>> values;  // those that are indexed; no property has none
  };

  static Path path(const google::datastore::v1::Key& key) {
    Path out;
    for (const auto& element : key.path()) out.emplace_back(element.kind(), element.id());
    return out;
  }

  static Value value(const google::datastore::v1::Value& v) {
    if (v.has_integer_value()) return {1, static_cast<double>(v.integer_value()), ""};
    if (v.has_string_value()) return {2, 0, v.string_value()};
    if (v.has_double_value()) return {3, v.double_value(), ""};
    return {0, 0, ""};
  }

  static std::vector<Value> values(const google::datastore::v1::Value& v) {
    std::vector<Value> out;
    if (v.exclude_from_indexes()) return out;
    if (!v.has_array_value()) return {value(v)};
    for (const auto& element : v.array_value().values()) out.push_back(value(element));
    return out;
  }

  static std::map<std::string, std::vector<Value>> entries(const google::datastore::v1::Entity& entity) {
    std::map<std::string, std::vector<Value>> out;
    for (const auto& [name, v] : entity.properties()) {
      if (std::vector<Value> of = values(v); !of.empty()) out.emplace(name, std::move(of));
    }
    return out;
  }

  void require_inequalities(const Filter& filter) {
    if (filter.has_property_filter()) {
      const F& condition = filter.property_filter();
      const bool inequality =
          condition.op() != F::EQUAL && condition.op() != F::IN && condition.op() != F::HAS_ANCESTOR;
      if (inequality) required_.insert(condition.property().name());
    }
    for (const Filter& each : filter.composite_filter().filters()) require_inequalities(each);
  }

  // All conditions on one property that are not equalities hold for the same of its values: so there is a choice of one
  // value for each property with which they hold.
  bool holds_for_a_choice(const Row& row, std::map<std::string, std::vector<Value>>::const_iterator next,
                          Choice choice) const {
    if (next == row.values.end()) return holds(query_.filter(), row, choice);
    for (const Value& v : next->second) {
      choice[next->first] = v;
      if (holds_for_a_choice(row, std::next(next), choice)) return true;
    }
    return false;
  }

  static bool holds(const Filter& filter, const Row& row, const Choice& choice) {
    if (filter.has_property_filter()) return holds(filter.property_filter(), row, choice);
    const auto& filters = filter.composite_filter().filters();
    const auto one = [&](const Filter& each) { return holds(each, row, choice); };
    return filter.composite_filter().op() == google::datastore::v1::CompositeFilter::OR
               ? std::any_of(filters.begin(), filters.end(), one)
               : std::all_of(filters.begin(), filters.end(), one);
  }

  static bool holds(const F& filter, const Row& row, const Choice& choice) {
    const std::string& name = filter.property().name();
    if (name == "__key__") return holds_for_key(filter, row.path);
    if (!row.values.contains(name)) return false;
    const std::vector<Value>& all = row.values.at(name);
    const auto is_given = [given = values(filter.value())](const Value& v) {
      return std::find(given.begin(), given.end(), v) != given.end();
    };
    if (filter.op() == F::EQUAL || filter.op() == F::IN) return std::any_of(all.begin(), all.end(), is_given);
    if (filter.op() == F::NOT_IN) return !is_given(choice.at(name));
    return compares(filter.op(), choice.at(name), value(filter.value()));
  }

  static bool holds_for_key(const F& filter, const Path& mine) {
    const auto& list = filter.value().array_value().values();
    const bool listed = std::any_of(list.begin(), list.end(), [&mine](const google::datastore::v1::Value& each) {
      return path(each.key_value()) == mine;
    });
    if (filter.op() == F::IN) return listed;
    if (filter.op() == F::NOT_IN) return !listed;
    const Path given = path(filter.value().key_value());
    if (filter.op() != F::HAS_ANCESTOR) return compares(filter.op(), mine, given);
    return given.size() <= mine.size() && std::equal(given.begin(), given.end(), mine.begin());
  }

  template <class T>
  static bool compares(F::Operator op, const T& a, const T& b) {
    switch (op) {
      case F::LESS_THAN:
        return a < b;
      case F::LESS_THAN_OR_EQUAL:
        return a <= b;
      case F::GREATER_THAN:
        return a > b;
      case F::GREATER_THAN_OR_EQUAL:
        return a >= b;
      case F::NOT_EQUAL:
        return a != b;
      default:
        return a == b;
    }
  }

  const google::datastore::v1::Query& query_;
  std::set<std::string> required_;  // the properties that an entity must have indexed values of
};

}  // namespace ndb::testing
