// Short functions to build query messages.
#pragma once

#include <string>
#include <vector>

#include "local_datastore/datastore_client.h"

namespace ndb::testing {

inline v1::Filter where(const std::string& property, v1::PropertyFilter::Operator op, const v1::Value& value) {
  v1::Filter filter;
  filter.mutable_property_filter()->mutable_property()->set_name(property);
  filter.mutable_property_filter()->set_op(op);
  *filter.mutable_property_filter()->mutable_value() = value;
  return filter;
}
inline v1::Filter joined(v1::CompositeFilter::Operator op, const std::vector<v1::Filter>& filters) {
  v1::Filter out;
  out.mutable_composite_filter()->set_op(op);
  for (const v1::Filter& filter : filters) *out.mutable_composite_filter()->add_filters() = filter;
  return out;
}
inline v1::Filter all(const std::vector<v1::Filter>& filters) { return joined(v1::CompositeFilter::AND, filters); }
inline v1::Filter any(const std::vector<v1::Filter>& filters) { return joined(v1::CompositeFilter::OR, filters); }

inline v1::Query of(const std::string& kind) {
  v1::Query query;
  query.add_kind()->set_name(kind);
  return query;
}
inline v1::Query of(const std::string& kind, const v1::Filter& filter) {
  v1::Query query = of(kind);
  *query.mutable_filter() = filter;
  return query;
}
inline v1::Query ordered(v1::Query query, const std::string& order) {
  const bool descending = order[0] == '-';
  v1::PropertyOrder& out = *query.add_order();
  out.mutable_property()->set_name(descending ? order.substr(1) : order);
  out.set_direction(descending ? v1::PropertyOrder::DESCENDING : v1::PropertyOrder::ASCENDING);
  return query;
}
inline v1::Query project(v1::Query query, const std::vector<std::string>& properties) {
  for (const std::string& property : properties) query.add_projection()->mutable_property()->set_name(property);
  return query;
}

// --- large queries

inline std::string numbered(int i) { return "p" + std::to_string(i); }

inline std::vector<v1::Value> integers(int count) {
  std::vector<v1::Value> out;
  out.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) out.push_back(integer(i));
  return out;
}

inline std::vector<v1::Filter> equalities(int count) {
  std::vector<v1::Filter> out;
  out.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) out.push_back(where(numbered(i), v1::PropertyFilter::EQUAL, integer(i)));
  return out;
}

inline v1::Query ordered_by(int count) {
  v1::Query out = of("K");
  for (int i = 0; i < count; ++i) out = ordered(std::move(out), numbered(i));
  return out;
}

inline v1::Query projecting(int count) {
  v1::Query out = of("K");
  for (int i = 0; i < count; ++i) out.add_projection()->mutable_property()->set_name(numbered(i));
  return out;
}

inline v1::Query distinct_on(int count) {
  v1::Query out = of("K");
  for (int i = 0; i < count; ++i) out.add_distinct_on()->set_name(numbered(i));
  return out;
}

// `text` with `separator` between `count` copies of `part`, in which # is the number of the copy.
inline std::string repeated(std::string text, int count, const std::string& part, const std::string& separator) {
  const std::size_t hash = part.find('#');
  for (int i = 0; i < count; ++i) {
    if (i > 0) text += separator;
    text += hash == std::string::npos ? part : part.substr(0, hash) + std::to_string(i) + part.substr(hash + 1);
  }
  return text;
}

inline v1::GqlQuery gql(const std::string& text) {
  v1::GqlQuery out;
  out.set_query_string(text);
  out.set_allow_literals(true);
  return out;
}

}  // namespace ndb::testing
