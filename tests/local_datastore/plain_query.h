// The results of a query, computed by examining every entity: the rules of the documentation, and none of the server's
// code. For tests whose ids are numbers, and whose queries the server accepts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "google/datastore/v1/query.pb.h"

namespace ndb::testing {

// A value in the Datastore's order. Equal values of two types, for example a text and a blob, are the same value.
struct PlainValue {
  using Path = std::vector<std::pair<std::string, std::int64_t>>;
  enum Rank : char { kNull, kFixedPoint, kBoolean, kBytes, kDouble, kNan, kGeoPoint, kKey };

  Rank rank = kNull;
  std::int64_t integer = 0;  // microseconds too, and booleans
  std::string bytes{};
  std::pair<double, double> numbers{};  // a double, or latitude and longitude
  Path path{};
  auto tied() const { return std::tie(rank, integer, bytes, numbers, path); }
  bool operator==(const PlainValue& other) const { return tied() == other.tied(); }
  bool operator<(const PlainValue& other) const { return tied() < other.tied(); }

  static PlainValue of(const google::datastore::v1::Key& key) {
    PlainValue out{.rank = kKey};
    for (const auto& element : key.path()) out.path.emplace_back(element.kind(), element.id());
    return out;
  }

  static PlainValue of(const google::datastore::v1::Value& v) {
    if (v.has_integer_value()) return {.rank = kFixedPoint, .integer = v.integer_value()};
    if (v.has_boolean_value()) return {.rank = kBoolean, .integer = v.boolean_value() ? 1 : 0};
    if (v.has_string_value()) return {.rank = kBytes, .bytes = v.string_value()};
    if (v.has_blob_value()) return {.rank = kBytes, .bytes = v.blob_value()};
    if (v.has_key_value()) return of(v.key_value());
    if (v.has_timestamp_value()) {
      const auto& time = v.timestamp_value();
      return {.rank = kFixedPoint, .integer = time.seconds() * 1'000'000 + time.nanos() / 1000};
    }
    if (v.has_double_value()) {
      if (std::isnan(v.double_value())) return {.rank = kNan};
      return {.rank = kDouble, .numbers = {v.double_value(), 0}};
    }
    if (v.has_geo_point_value()) {
      return {.rank = kGeoPoint, .numbers = {v.geo_point_value().latitude(), v.geo_point_value().longitude()}};
    }
    return {};
  }
};

struct PlainRow {
  PlainValue key{};
  std::vector<PlainValue> projected{};  // in the order of the query's projection
  std::vector<PlainValue> position{};   // per order
  // Compares what a query returns.
  bool operator==(const PlainRow& other) const { return key == other.key && projected == other.projected; }
};
inline void PrintTo(const PlainValue& value, std::ostream* out) {  // NOLINT(readability-identifier-naming)
  *out << static_cast<int>(value.rank) << ':' << value.integer << value.bytes << '(' << value.numbers.first << ')';
  for (const auto& [kind, id] : value.path) *out << '/' << kind << id;
}
inline void PrintTo(const PlainRow& row, std::ostream* out) {  // NOLINT(readability-identifier-naming)
  PrintTo(row.key, out);
  for (const PlainValue& value : row.projected) PrintTo(value, &(*out << ' '));
}

class PlainQuery {
 public:
  struct Order {
    std::string property;
    bool descending;
  };

  explicit PlainQuery(const google::datastore::v1::Query& query)
      : kind_(query.kind_size() > 0 ? query.kind(0).name() : ""),
        distinct_(static_cast<std::size_t>(query.distinct_on_size())),
        offset_(static_cast<std::size_t>(query.offset())),
        alternatives_(query.has_filter() ? alternatives(query.filter()) : std::vector<Conditions>(1)) {
    for (const auto& projection : query.projection()) {
      if (projection.property().name() != "__key__") projection_.push_back(projection.property().name());
    }
    // The query's own orders, up to the key; then inequalities in the order of the filter, unless the key comes first;
    // then what distinguishes rows.
    for (const auto& order : query.order()) {
      add_order(order.property().name(), order.direction() == google::datastore::v1::PropertyOrder::DESCENDING);
      if (order.property().name() == "__key__") break;
    }
    if (!is_ordered_by("__key__")) {
      std::map<std::string, bool> inequalities;
      for (const Conditions& alternative : alternatives_) {
        for (const Condition& condition : alternative) {
          if (condition.is_inequality()) inequalities[condition.property] = true;
        }
      }
      for (const auto& [property, is] : inequalities) add_order(property, false);
    }
    for (const auto& property : query.distinct_on()) add_order(property.name(), false);
    for (const std::string& property : projection_) add_order(property, false);
    add_order("__key__", false);
  }

  const std::vector<Order>& orders() const { return orders_; }

  // All rows in their order, after the offset.
  std::vector<PlainRow> rows(const std::vector<google::datastore::v1::Entity>& entities) const {
    std::vector<PlainRow> all;
    for (const google::datastore::v1::Entity& entity : entities) {
      std::vector<PlainRow> some = rows_of(entity);
      all.insert(all.end(), some.begin(), some.end());
    }
    std::sort(all.begin(), all.end(), [this](const PlainRow& a, const PlainRow& b) { return comes_before(a, b); });
    std::vector<PlainRow> out;
    for (PlainRow& row : all) {
      if (distinct_ > 0 && !out.empty() && group_of(out.back()) == group_of(row)) continue;
      out.push_back(std::move(row));
    }
    out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(std::min(offset_, out.size())));
    return out;
  }

  bool comes_before(const PlainRow& a, const PlainRow& b) const {
    for (std::size_t i = 0; i < orders_.size(); ++i) {
      if (a.position[i] == b.position[i]) continue;
      return (a.position[i] < b.position[i]) != orders_[i].descending;
    }
    return false;
  }

 private:
  using Filter = google::datastore::v1::Filter;
  using F = google::datastore::v1::PropertyFilter;
  using Values = std::vector<PlainValue>;

  struct Condition {
    std::string property;
    F::Operator op;
    Values given;

    bool is_inequality() const { return op != F::EQUAL && op != F::HAS_ANCESTOR; }
    bool holds(const PlainValue& v) const {
      const PlainValue& one = given.front();
      switch (op) {
        case F::LESS_THAN:
          return v < one;
        case F::LESS_THAN_OR_EQUAL:
          return !(one < v);
        case F::GREATER_THAN:
          return one < v;
        case F::GREATER_THAN_OR_EQUAL:
          return !(v < one);
        case F::HAS_ANCESTOR:
          return one.path.size() <= v.path.size() && std::equal(one.path.begin(), one.path.end(), v.path.begin());
        case F::EQUAL:
          return v == one;
        default:  // != and NOT_IN
          return std::find(given.begin(), given.end(), v) == given.end();
      }
    }
  };
  using Conditions = std::vector<Condition>;  // that all hold
  using Entries = std::map<std::string, Values>;

  // OR of ANDs; IN is OR of equalities.
  static std::vector<Conditions> alternatives(const Filter& filter) {
    std::vector<Conditions> out;
    if (filter.has_property_filter()) {
      const F& one = filter.property_filter();
      const Values given = values(one.value());
      if (one.op() != F::IN) return {{{.property = one.property().name(), .op = one.op(), .given = given}}};
      for (const PlainValue& v : given) {
        out.push_back({{.property = one.property().name(), .op = F::EQUAL, .given = {v}}});
      }
      return out;
    }
    const bool any = filter.composite_filter().op() == google::datastore::v1::CompositeFilter::OR;
    if (!any) out.emplace_back();
    for (const Filter& part : filter.composite_filter().filters()) {
      const std::vector<Conditions> more = alternatives(part);
      if (any) {
        out.insert(out.end(), more.begin(), more.end());
        continue;
      }
      std::vector<Conditions> product;
      for (const Conditions& a : out) {
        for (const Conditions& b : more) {
          product.push_back(a);
          product.back().insert(product.back().end(), b.begin(), b.end());
        }
      }
      out = std::move(product);
    }
    return out;
  }

  static Values values(const google::datastore::v1::Value& v) {
    Values out;
    if (v.exclude_from_indexes()) return out;
    if (!v.has_array_value()) return {PlainValue::of(v)};
    for (const auto& element : v.array_value().values()) out.push_back(PlainValue::of(element));
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  static Entries entries(const google::datastore::v1::Entity& entity) {
    Entries out;
    for (const auto& [name, v] : entity.properties()) {
      if (Values of = values(v); !of.empty()) out.emplace(name, std::move(of));
    }
    out["__key__"] = {PlainValue::of(entity.key())};
    return out;
  }

  bool is_ordered_by(const std::string& property) const {
    return std::any_of(orders_.begin(), orders_.end(), [&](const Order& order) { return order.property == property; });
  }
  void add_order(const std::string& property, bool descending) {
    if (!is_ordered_by(property)) orders_.push_back({property, descending});
  }

  Values group_of(const PlainRow& row) const {
    return {row.position.begin(), row.position.begin() + static_cast<std::ptrdiff_t>(distinct_)};
  }

  // An equality may hold for any of the values; all other conditions on one property hold for the same value.
  static Values inequal(const Conditions& conditions, const std::string& property, const Values& all) {
    Values out;
    for (const PlainValue& v : all) {
      const bool holds = std::all_of(conditions.begin(), conditions.end(), [&](const Condition& condition) {
        return condition.property != property || condition.op == F::EQUAL || condition.holds(v);
      });
      if (holds) out.push_back(v);
    }
    return out;
  }

  static bool match(const Conditions& conditions, const Entries& entries) {
    return std::all_of(conditions.begin(), conditions.end(), [&](const Condition& condition) {
      const auto found = entries.find(condition.property);
      if (found == entries.end() || inequal(conditions, condition.property, found->second).empty()) return false;
      const auto equals = [&condition](const PlainValue& v) { return condition.holds(v); };
      return condition.op != F::EQUAL || std::any_of(found->second.begin(), found->second.end(), equals);
    });
  }

  // The values of a property that a row may have: those that satisfy the inequalities and, if there are any, those
  // among them that the equalities name.
  static Values choices(const Conditions& conditions, const std::string& property, const Entries& entries) {
    const Values within = inequal(conditions, property, entries.at(property));
    Values out;
    for (const PlainValue& v : within) {
      if (std::any_of(conditions.begin(), conditions.end(), [&](const Condition& condition) {
            return condition.property == property && condition.op == F::EQUAL && condition.holds(v);
          })) {
        out.push_back(v);
      }
    }
    return out.empty() ? within : out;
  }

  std::vector<PlainRow> rows_of(const google::datastore::v1::Entity& entity) const {
    std::vector<PlainRow> out;
    const Entries all = entries(entity);
    const PlainValue key = all.at("__key__").front();
    if (!kind_.empty() && kind_ != key.path.back().first) return out;
    for (const Order& order : orders_) {
      if (!all.contains(order.property)) return out;
    }
    for (const Conditions& conditions : alternatives_) {
      if (match(conditions, all)) add_rows(conditions, all, {.key = key}, out);
    }
    // Equal rows are merged into the first of them.
    std::sort(out.begin(), out.end(), [this](const PlainRow& a, const PlainRow& b) { return comes_before(a, b); });
    std::vector<PlainRow> different;
    for (const PlainRow& row : out) {
      if (std::find(different.begin(), different.end(), row) == different.end()) different.push_back(row);
    }
    return different;
  }

  // Adds a row for each combination of projected values, each beginning with `begun`.
  void add_rows(const Conditions& conditions, const Entries& all, const PlainRow& begun,
                std::vector<PlainRow>& out) const {
    if (begun.projected.size() < projection_.size()) {
      for (const PlainValue& v : choices(conditions, projection_[begun.projected.size()], all)) {
        PlainRow next = begun;
        next.projected.push_back(v);
        add_rows(conditions, all, next, out);
      }
      return;
    }
    PlainRow row = begun;
    for (const Order& order : orders_) {
      const auto projected = std::find(projection_.begin(), projection_.end(), order.property);
      const Values some = choices(conditions, order.property, all);
      row.position.push_back(projected != projection_.end()
                                 ? row.projected[static_cast<std::size_t>(projected - projection_.begin())]
                             : order.descending ? some.back()
                                                : some.front());
    }
    out.push_back(std::move(row));
  }

  const std::string kind_;
  const std::size_t distinct_;
  const std::size_t offset_;
  const std::vector<Conditions> alternatives_;
  std::vector<std::string> projection_;  // without __key__
  std::vector<Order> orders_;            // the last of which tells all rows apart
};

}  // namespace ndb::testing
