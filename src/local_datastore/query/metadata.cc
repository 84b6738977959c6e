#include "local_datastore/query/metadata.h"

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

// Reads the rows whose keys begin with a prefix, or one row for each name that follows it.
class PrefixScan {
 public:
  PrefixScan(const Snapshot& snapshot, const QueryPlan& plan, ReadSet& reads, ReadStats& stats)
      : reader_(snapshot), plan_(plan), reads_(reads), stats_(stats) {}

  // Calls `found` with each escaped text that follows `prefix`.
  absl::Status names_in(const std::string& prefix, const std::function<absl::Status(const std::string&)>& found) {
    std::string at = prefix;
    const std::string end = after_prefix(prefix);
    reads_.ranges.add({prefix, end});
    for (;;) {
      NDB_ASSIGN_OR_RETURN(const std::optional<Row> row, reader_.seek(at, end));
      if (!row.has_value()) return absl::OkStatus();
      ++stats_.index_rows;
      std::string_view rest = row->key.substr(prefix.size());
      std::string name;
      if (!take_escaped(rest, name)) return absl::DataLossError("a row of the store is damaged");
      at = prefix;
      append_escaped(at, name);
      at = after_prefix(at);
      NDB_RETURN_IF_ERROR(found(name));
    }
  }

  absl::StatusOr<bool> has_rows(const std::string& prefix) {
    NDB_ASSIGN_OR_RETURN(const std::optional<Row> row, reader_.seek(prefix, after_prefix(prefix)));
    ++stats_.index_rows;
    return row.has_value();
  }

  absl::Status rows_in(const std::string& prefix, const std::function<absl::Status(const Row&)>& found) {
    const std::string end = after_prefix(prefix);
    reads_.ranges.add({prefix, end});
    NDB_ASSIGN_OR_RETURN(std::optional<Row> row, reader_.seek(prefix, end));
    while (row.has_value()) {
      ++stats_.index_rows;
      NDB_RETURN_IF_ERROR(found(*row));
      NDB_ASSIGN_OR_RETURN(row, reader_.next(end));
    }
    return absl::OkStatus();
  }

  v1::Entity entity(const std::string& kind, const std::string& name, std::optional<std::string> parent = {}) const {
    v1::Entity out;
    v1::Key& key = *out.mutable_key();
    *key.mutable_partition_id() = plan_.partition_id;
    if (parent.has_value()) {
      key.add_path()->set_kind("__kind__");
      key.mutable_path(0)->set_name(*std::move(parent));
    }
    v1::Key::PathElement& last = *key.add_path();
    last.set_kind(kind);
    if (name.empty()) {
      last.set_id(1);  // the default namespace
    } else {
      last.set_name(name);
    }
    return out;
  }

 private:
  SnapshotReader reader_;
  const QueryPlan& plan_;
  ReadSet& reads_;
  ReadStats& stats_;
};

// The prefix of entities (D), of members of kinds (K) or of index entries (I) in all namespaces of the plan's database.
std::string database_of(char rows, const QueryPlan& plan) {
  std::string out(1, rows);
  append_escaped(out, plan.partition_id.project_id());
  append_escaped(out, plan.partition_id.database_id());
  return out;
}

// Maps the first bytes of encoded values to the names of representations; adds these in sorted order.
absl::Status add_representations(PrefixScan& scan, const std::string& index, v1::Entity& entity) {
  constexpr std::array<std::pair<char, std::string_view>, 7> kRepresentations = {{{kIndexBoolean, "BOOLEAN"},
                                                                                  {kIndexDouble, "DOUBLE"},
                                                                                  {kIndexFixedPoint, "INT64"},
                                                                                  {kIndexNull, "NULL"},
                                                                                  {kIndexGeoPoint, "POINT"},
                                                                                  {kIndexKey, "REFERENCE"},
                                                                                  {kIndexBytes, "STRING"}}};
  v1::ArrayValue& names = *(*entity.mutable_properties())["property_representation"].mutable_array_value();
  for (const auto& [type, name] : kRepresentations) {
    NDB_ASSIGN_OR_RETURN(const bool found, scan.has_rows(index + type));
    if (found) names.add_values()->set_string_value(std::string(name));
  }
  return absl::OkStatus();
}

struct Statistics {
  std::int64_t count = 0;
  std::int64_t entity_bytes = 0;
  std::int64_t index_count = 0;
  std::int64_t index_bytes = 0;
};

// Statistics by kind, over all namespaces.
absl::StatusOr<std::map<std::string, Statistics>> measure(PrefixScan& scan, const QueryPlan& plan) {
  std::map<std::string, Statistics> out;
  std::string text;
  const std::string entities = database_of('D', plan);
  NDB_RETURN_IF_ERROR(scan.rows_in(entities, [&](const Row& row) -> absl::Status {
    std::string_view path = row.key.substr(entities.size());
    v1::Key key;
    if (!take_escaped(path, text) || !decode_path(path, key)) return absl::DataLossError("an entity's row is damaged");
    Statistics& of_kind = out[key.path(key.path_size() - 1).kind()];
    ++of_kind.count;
    of_kind.entity_bytes += static_cast<std::int64_t>(row.key.size() + row.value.size());
    return absl::OkStatus();
  }));
  for (const char rows : {'K', 'I'}) {
    const std::string indexes = database_of(rows, plan);
    NDB_RETURN_IF_ERROR(scan.rows_in(indexes, [&](const Row& row) -> absl::Status {
      std::string_view rest = row.key.substr(indexes.size());
      if (!take_escaped(rest, text) || !take_escaped(rest, text))
        return absl::DataLossError("an index's row is damaged");
      ++out[text].index_count;
      out[text].index_bytes += static_cast<std::int64_t>(row.key.size() + row.value.size());
      return absl::OkStatus();
    }));
  }
  return out;
}

// The cloud computes statistics once a day. Clients read the timestamp of the latest ones first, and then those with
// that timestamp. Here the timestamp is the beginning of the day, so both reads agree.
Version day_of(Version at) {
  constexpr std::int64_t kDay = 24 * 3600 * std::int64_t{1'000'000};
  return Version(at.micros() / kDay * kDay);
}

void set_statistics(const Statistics& statistics, Version at, v1::Entity& entity) {
  auto& properties = *entity.mutable_properties();
  properties["count"].set_integer_value(statistics.count);
  properties["bytes"].set_integer_value(statistics.entity_bytes + statistics.index_bytes);
  properties["entity_bytes"].set_integer_value(statistics.entity_bytes);
  properties["builtin_index_count"].set_integer_value(statistics.index_count);
  properties["builtin_index_bytes"].set_integer_value(statistics.index_bytes);
  properties["composite_index_count"].set_integer_value(0);
  properties["composite_index_bytes"].set_integer_value(0);
  set_timestamp(*properties["timestamp"].mutable_timestamp_value(), day_of(at));
}

using Entities = std::vector<v1::Entity>;

absl::Status add_properties(PrefixScan& scan, const QueryPlan& plan, const std::string& kind, Entities& out) {
  std::string properties = cat('I', plan.partition);
  append_escaped(properties, kind);
  std::vector<std::string> names;
  NDB_RETURN_IF_ERROR(scan.names_in(properties, [&](const std::string& property) {
    names.push_back(property);
    return absl::OkStatus();
  }));
  for (const std::string& name : names) {
    v1::Entity& entity = out.emplace_back(scan.entity(plan.kind, name, kind));
    if (plan.keys_only) continue;
    NDB_RETURN_IF_ERROR(add_representations(scan, index_of(plan.partition, kind, name), entity));
  }
  return absl::OkStatus();
}

absl::Status add_properties(PrefixScan& scan, const QueryPlan& plan, Entities& out) {
  std::vector<std::string> kinds;
  NDB_RETURN_IF_ERROR(scan.names_in(cat('I', plan.partition), [&](const std::string& kind) {
    kinds.push_back(kind);
    return absl::OkStatus();
  }));
  for (const std::string& kind : kinds) NDB_RETURN_IF_ERROR(add_properties(scan, plan, kind, out));
  return absl::OkStatus();
}

absl::Status add_kind_statistics(PrefixScan& scan, const QueryPlan& plan, Version at, Entities& out) {
  NDB_ASSIGN_OR_RETURN(const auto by_kind, measure(scan, plan));
  for (const auto& [kind, statistics] : by_kind) {
    v1::Entity& entity = out.emplace_back(scan.entity(plan.kind, kind));
    (*entity.mutable_properties())["kind_name"].set_string_value(kind);
    set_statistics(statistics, at, entity);
  }
  return absl::OkStatus();
}

absl::Status add_total_statistics(PrefixScan& scan, const QueryPlan& plan, Version at, Entities& out) {
  NDB_ASSIGN_OR_RETURN(const auto by_kind, measure(scan, plan));
  Statistics total;
  for (const auto& [kind, statistics] : by_kind) {
    total.count += statistics.count;
    total.entity_bytes += statistics.entity_bytes;
    total.index_count += statistics.index_count;
    total.index_bytes += statistics.index_bytes;
  }
  if (total.count > 0) set_statistics(total, at, out.emplace_back(scan.entity(plan.kind, "total_entity_usage")));
  return absl::OkStatus();
}

}  // namespace

bool is_metadata(std::string_view kind) {
  return kind == "__namespace__" || kind == "__kind__" || kind == "__property__" || kind == "__Stat_Total__" ||
         kind == "__Stat_Kind__";
}

absl::StatusOr<std::vector<v1::Entity>> metadata_of(const Snapshot& snapshot, const QueryPlan& plan, ReadSet& reads,
                                                    ReadStats& stats) {
  Entities out;
  PrefixScan scan(snapshot, plan, reads, stats);
  const auto add = [&](const std::string& name) {
    out.push_back(scan.entity(plan.kind, name));
    return absl::OkStatus();
  };
  absl::Status status;
  if (plan.kind == "__namespace__") {
    status = scan.names_in(database_of('D', plan), add);
  } else if (plan.kind == "__kind__") {
    status = scan.names_in(cat('K', plan.partition), add);
  } else if (plan.kind == "__property__") {
    status = add_properties(scan, plan, out);
  } else if (!plan.partition_id.namespace_id().empty()) {
    // Statistics cover all namespaces, and are stored in the default one.
  } else if (plan.kind == "__Stat_Kind__") {
    status = add_kind_statistics(scan, plan, snapshot.at, out);
  } else {
    status = add_total_statistics(scan, plan, snapshot.at, out);
  }
  NDB_RETURN_IF_ERROR(status);
  return out;
}

}  // namespace ndb::local
