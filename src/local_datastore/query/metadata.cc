#include "local_datastore/query/metadata.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

// Which entities of a metadata kind a query can want, by their paths.
class WantedPaths {
 public:
  WantedPaths(const QueryPlan& plan, std::size_t needed, bool from_start) {
    const QueryAccess access(plan, needed);
    const std::string prefix = "-";  // of no row
    std::optional<KeyRange> all;
    for (const Conjunction& conjunction : plan.any_of) {
      KeyRange some = access.path_range(conjunction, prefix, from_start, false);
      if (!all.has_value()) all = some;
      all->begin = std::min(all->begin, some.begin);
      all->end = std::max(all->end, some.end);
    }
    if (!all.has_value()) return;
    if (all->begin.starts_with(prefix)) (void)decode_path(all->begin.substr(prefix.size()), first_);
    if (all->end.starts_with(prefix)) end_ = all->end.substr(prefix.size());
  }

  // The name from which on entities are wanted, in an element of their path; empty: from the first one.
  std::string first_name(int element, std::string_view kind) const {
    if (element >= first_.path_size() || first_.path(element).kind() != kind) return "";
    return first_.path(element).name();
  }
  bool are_behind(const v1::Key& key) const { return end_.has_value() && encode_path(key) >= *end_; }

 private:
  v1::Key first_;  // as much as there is of a path before which none is wanted
  std::optional<std::string> end_;
};

// Reads the rows whose keys begin with a prefix, or one row for each name that follows it.
class PrefixScan {
 public:
  PrefixScan(const Snapshot& snapshot, const QueryPlan& plan, ReadSet& reads, ReadStats& stats)
      : reader_(snapshot), plan_(plan), reads_(reads), stats_(stats) {}

  // Calls `found` with each escaped text that follows `prefix`, from `first` on, until it says false. It may scan too.
  absl::StatusOr<bool> names_in(const std::string& prefix, const std::string& first,
                                const std::function<absl::StatusOr<bool>(const std::string&)>& found) {
    std::string at = prefix;
    if (!first.empty()) append_escaped(at, first);
    const std::string end = after_prefix(prefix);
    reads_.ranges.add({prefix, end});
    for (;;) {
      NDB_ASSIGN_OR_RETURN(const std::optional<Row> row, reader_.seek(at, end));
      if (!row.has_value()) return true;
      ++stats_.index_rows;
      std::string_view rest = row->key.substr(prefix.size());
      std::string name;
      if (!take_escaped(rest, name)) return absl::DataLossError("a row of the store is damaged");
      at = prefix;
      append_escaped(at, name);
      at = after_prefix(at);
      NDB_ASSIGN_OR_RETURN(const bool wanted, found(name));
      if (!wanted) return false;
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

absl::StatusOr<bool> find_properties(PrefixScan& scan, const QueryPlan& plan, const WantedPaths& paths,
                                     const FoundEntity& found) {
  const std::string first_kind = paths.first_name(0, "__kind__");
  return scan.names_in(cat('I', plan.partition), first_kind, [&](const std::string& kind) {
    std::string properties = cat('I', plan.partition);
    append_escaped(properties, kind);
    const std::string first = kind == first_kind ? paths.first_name(1, "__property__") : "";
    return scan.names_in(properties, first, [&](const std::string& name) -> absl::StatusOr<bool> {
      v1::Entity entity = scan.entity(plan.kind, name, kind);
      if (paths.are_behind(entity.key())) return false;
      if (!plan.keys_only) {
        NDB_RETURN_IF_ERROR(add_representations(scan, index_of(plan.partition, kind, name), entity));
      }
      return found(entity);
    });
  });
}

absl::StatusOr<bool> find_kind_statistics(PrefixScan& scan, const QueryPlan& plan, Version at,
                                          const FoundEntity& found) {
  NDB_ASSIGN_OR_RETURN(const auto by_kind, measure(scan, plan));
  for (const auto& [kind, statistics] : by_kind) {
    v1::Entity entity = scan.entity(plan.kind, kind);
    (*entity.mutable_properties())["kind_name"].set_string_value(kind);
    set_statistics(statistics, at, entity);
    NDB_ASSIGN_OR_RETURN(const bool wanted, found(entity));
    if (!wanted) return false;
  }
  return true;
}

absl::StatusOr<bool> find_total_statistics(PrefixScan& scan, const QueryPlan& plan, Version at,
                                           const FoundEntity& found) {
  NDB_ASSIGN_OR_RETURN(const auto by_kind, measure(scan, plan));
  Statistics total;
  for (const auto& [kind, statistics] : by_kind) {
    total.count += statistics.count;
    total.entity_bytes += statistics.entity_bytes;
    total.index_count += statistics.index_count;
    total.index_bytes += statistics.index_bytes;
  }
  if (total.count == 0) return true;
  v1::Entity entity = scan.entity(plan.kind, "total_entity_usage");
  set_statistics(total, at, entity);
  return found(entity);
}

}  // namespace

bool is_metadata(std::string_view kind) {
  return kind == "__namespace__" || kind == "__kind__" || kind == "__property__" || kind == "__Stat_Total__" ||
         kind == "__Stat_Kind__";
}

absl::Status for_each_metadata(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                               ReadStats& stats, const FoundEntity& found) {
  PrefixScan scan(snapshot, plan, reads, stats);
  const WantedPaths paths(plan, needed, is_in_key_order(plan));
  const auto name_found = [&](const std::string& name) -> absl::StatusOr<bool> {
    const v1::Entity entity = scan.entity(plan.kind, name);
    if (paths.are_behind(entity.key())) return false;
    return found(entity);
  };
  const std::string first = paths.first_name(0, plan.kind);
  if (plan.kind == "__namespace__") return scan.names_in(database_of('D', plan), first, name_found).status();
  if (plan.kind == "__kind__") return scan.names_in(cat('K', plan.partition), first, name_found).status();
  if (plan.kind == "__property__") return find_properties(scan, plan, paths, found).status();
  // Statistics cover all namespaces, and are stored in the default one.
  if (!plan.partition_id.namespace_id().empty()) return absl::OkStatus();
  if (plan.kind == "__Stat_Kind__") return find_kind_statistics(scan, plan, snapshot.at, found).status();
  return find_total_statistics(scan, plan, snapshot.at, found).status();
}

}  // namespace ndb::local
