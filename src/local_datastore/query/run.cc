#include "local_datastore/query/run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/query/access.h"
#include "local_datastore/query/row_maker.h"

namespace ndb::local {
namespace {

// So much of the entities of rows that are being sorted stays in memory.
constexpr std::size_t kKeptBytes = 4 << 20;
constexpr std::size_t kAllBytes = static_cast<std::size_t>(-1);

// The joins of a query's equalities, walked beside an index whose entries mostly lead nowhere.
class Rival {
 public:
  // `rows_read` is the counter of the joins.
  Rival(PathUnion paths, const std::int64_t& rows_read) : paths_(std::move(paths)), rows_read_(rows_read) {}

  // After each such entry: whether the joins are through and have read no more rows than there were such entries.
  absl::StatusOr<bool> is_through() {
    for (++entries_; spent_ < entries_;) {
      const std::int64_t before = rows_read_;
      NDB_ASSIGN_OR_RETURN(const bool more, paths_.next());
      if (!more) return true;
      spent_ += rows_read_ - before;
    }
    return false;
  }

 private:
  PathUnion paths_;
  const std::int64_t& rows_read_;
  std::int64_t entries_ = 0;
  std::int64_t spent_ = 0;
};

// How the rows of a query are found.
class Run {
 public:
  Run(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads, ReadStats& stats,
      const ConsumeRow& consume)
      : snapshot_(snapshot),
        plan_(plan),
        access_(plan, needed),
        reads_(reads),
        stats_(stats),
        maker_(plan),
        groups_(plan, consume),
        sorted_(plan.distinct > 0 ? kAllRows : needed, plan.wants_entities() ? kKeptBytes : 0),
        entities_(snapshot, plan, stats),
        equalities_(snapshot) {}

  absl::Status run() {
    const std::string& first = plan_.orders[access_.first_order()].property;
    if (first == kKeyProperty) return run_by_path(true);
    if (!access_.few_by_path()) return run_by_value(first, nullptr);
    // What a transaction has walked over is locked, so it walks over nothing that the equalities rule out.
    if (!reads_.ignored || !access_.pays_by_value(first)) return run_by_path(false);
    Rival rival(union_of(false, false), stats_.index_rows);
    return run_by_value(first, &rival);
  }

 private:
  // --- by path: the kind, or joins of equality filters ---------------------------------------------------------------

  absl::Status run_by_path(bool in_order) {
    const bool streams = in_order || access_.any_order();
    const bool backwards = in_order && plan_.orders[access_.first_order()].descending;
    const bool covered = access_.covers_paths();
    PathUnion paths = union_of(streams, backwards);
    bool wanted = true;
    while (wanted) {
      NDB_ASSIGN_OR_RETURN(const bool more, paths.next());
      if (!more) break;
      const std::string path(paths.path());
      const Row* entity = plan_.kind.empty() ? &paths.row() : nullptr;
      if (covered) {
        wanted = take(path_row(path, entity), streams);
        continue;
      }
      NDB_RETURN_IF_ERROR(make_rows(path, entity));
      for (QueryRow& row : rows_) wanted = wanted && take(std::move(row), streams);
    }
    paths.note(reads_);
    sorted_.hand_on(groups_);
    return absl::OkStatus();
  }

  PathUnion union_of(bool streams, bool backwards) {
    std::vector<PathJoin> joins;
    joins.reserve(plan_.any_of.size());
    for (const Conjunction& conjunction : plan_.any_of) {
      std::vector<std::string> spaces = access_.spaces_of(conjunction);
      std::vector<PathScan> scans;
      scans.reserve(spaces.size());
      std::int64_t& counter = plan_.kind.empty() ? stats_.entities : stats_.index_rows;
      for (std::string& space : spaces) {
        KeyRange range = access_.path_range(conjunction, space, streams && !access_.any_order(), backwards);
        scans.emplace_back(snapshot_, std::move(space), std::move(range), backwards, counter);
      }
      joins.emplace_back(std::move(scans), [this, &conjunction](std::string_view path) {
        return allows_path(conjunction, access_.keys_of_partition(), path);
      });
    }
    return {std::move(joins), backwards};
  }

  // `entity` if it was read already.
  QueryRow path_row(const std::string& path, const Row* entity) const {
    QueryRow row{.path = path};
    for (const Order& order : plan_.orders) row.components.push_back(access_.known_component(order.property, path));
    row.position = position_bytes(plan_, row.components);
    if (entity != nullptr) row.stored = to_entity(*entity);
    return row;
  }

  // --- by value: the index of the first order ------------------------------------------------------------------------

  absl::Status run_by_value(const std::string& property, Rival* rival) {
    const std::size_t order = access_.first_order();
    const bool streams = access_.any_order() || access_.index_has_order();
    const bool one_each = streams && !access_.any_order() && plan_.distinct == 1;
    const bool covered = access_.covers_entries(property);
    ValueScan scan(snapshot_, index_of(plan_.partition, plan_.kind, property), access_.intervals_of(property),
                   plan_.orders[order].descending, access_.start_of(order, streams), stats_.index_rows);
    std::string value;
    bool wanted = true;
    while (wanted) {
      NDB_ASSIGN_OR_RETURN(const bool more, scan.next());
      if (!more) break;
      const IndexRow& entry = scan.row();
      if (entry.encoded != value) {
        value = entry.encoded;
        wanted = sorted_.hand_on(groups_);  // of the value before
        if (!wanted) break;
      }
      const std::string path(entry.path);
      taken_ = false;
      NDB_ASSIGN_OR_RETURN(const bool candidate, may_match(property, entry));
      if (!candidate) {
        if (rival == nullptr) continue;
        NDB_ASSIGN_OR_RETURN(const bool through, rival->is_through());
        if (!through) continue;
        seen_ = Seen{.order = order, .value = value, .path = path};
        scan.note(reads_);
        return run_by_path(false);
      }
      if (covered && (entry.only || !plan_.projection.empty())) {
        NDB_ASSIGN_OR_RETURN(QueryRow row, entry_row(property, entry, path));
        wanted = take(std::move(row), streams);
      } else {
        NDB_RETURN_IF_ERROR(make_rows(path, nullptr));
        // The entity's other values have entries of their own.
        for (QueryRow& row : rows_) {
          if (row.components[order] == value) wanted = wanted && take(std::move(row), streams);
        }
      }
      if (one_each && taken_) scan.skip_value();
    }
    scan.note(reads_);
    if (wanted) sorted_.hand_on(groups_);
    return absl::OkStatus();
  }

  // Whether the conditions on keys and the equalities of some alternative hold for the entity of an entry. Rows that
  // are looked up for that need no note in `reads_`: an entity is written with all its rows, and the entry is one.
  absl::StatusOr<bool> may_match(const std::string& walked, const IndexRow& entry) {
    for (const Conjunction& conjunction : plan_.any_of) {
      if (!allows_path(conjunction, access_.keys_of_partition(), entry.path)) continue;
      NDB_ASSIGN_OR_RETURN(const bool found, has_equals(conjunction, walked, entry));
      if (found) return true;
    }
    return false;
  }

  absl::StatusOr<bool> has_equals(const Conjunction& conjunction, const std::string& walked, const IndexRow& entry) {
    for (const auto& [property, condition] : conjunction.conditions) {
      if (property == kKeyProperty) continue;
      for (const std::string& value : condition.equals) {
        if (property == walked && value == entry.encoded) continue;
        ++stats_.index_rows;
        NDB_ASSIGN_OR_RETURN(const std::optional<Row> found,
                             equalities_.find(cat(index_of(plan_.partition, plan_.kind, property), value, entry.path)));
        if (!found.has_value()) return false;
      }
    }
    return true;
  }

  absl::StatusOr<QueryRow> entry_row(const std::string& property, const IndexRow& entry,
                                     const std::string& path) const {
    QueryRow row{.path = path};
    for (const Order& order : plan_.orders) {
      row.components.push_back(order.property == property ? std::string(entry.encoded)
                                                          : access_.known_component(order.property, path));
    }
    row.position = position_bytes(plan_, row.components);
    v1::Value value;
    if (!plan_.projection.empty() || !plan_.sums.empty()) {
      if (!decode_index_value(entry, value)) return absl::DataLossError("a row of an index is damaged");
    }
    if (!plan_.projection.empty()) row.projected.push_back(value);
    row.summed.resize(plan_.sums.size(), {value});
    return row;
  }

  // --- both ----------------------------------------------------------------------------------------------------------

  // `row` is that of the entity, if it was read already.
  absl::Status make_rows(const std::string& path, const Row* row) {
    if (row != nullptr) return maker_.make(to_entity(*row), path, rows_);
    NDB_ASSIGN_OR_RETURN(const StoredEntity entity, entities_.read(path));
    return maker_.make(entity, path, rows_);
  }

  // Whether more rows are wanted.
  bool take(QueryRow&& row, bool streams) {
    taken_ = is_past(row.position, plan_.start) && !is_seen(row);
    if (!taken_) return true;
    if (streams) return groups_.add(row);
    sorted_.add(std::move(row));
    return true;
  }

  bool is_seen(const QueryRow& row) const {
    if (!seen_.has_value()) return false;
    const std::string& value = row.components[seen_->order];
    if (value == seen_->value) return row.path <= seen_->path;
    return (value < seen_->value) != plan_.orders[seen_->order].descending;
  }

  // How far the index of an order was walked, whose entries up to here are done.
  struct Seen {
    std::size_t order;
    std::string value;
    std::string path;
  };

  const Snapshot snapshot_;
  const QueryPlan& plan_;
  const QueryAccess access_;
  ReadSet& reads_;
  ReadStats& stats_;
  RowMaker maker_;
  Groups groups_;
  FirstRows sorted_;
  EntityReader entities_;
  SnapshotReader equalities_;
  std::vector<QueryRow> rows_;
  bool taken_ = false;
  std::optional<Seen> seen_;
};

}  // namespace

absl::Status for_each_row(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                          ReadStats& stats, const ConsumeRow& consume) {
  return Run(snapshot, plan, needed, reads, stats, consume).run();
}

absl::Status for_each_row_of(const std::vector<v1::Entity>& entities, const QueryPlan& plan, std::size_t needed,
                             const ConsumeRow& consume) {
  RowMaker maker(plan);
  Groups groups(plan, consume);
  FirstRows sorted(plan.distinct > 0 ? kAllRows : needed, plan.wants_entities() ? kAllBytes : 0);
  std::vector<QueryRow> rows;
  for (const v1::Entity& entity : entities) {
    const std::string bytes = entity.SerializeAsString();
    const std::string path = encode_path(entity.key());
    NDB_RETURN_IF_ERROR(maker.make({.entity = bytes}, path, rows));
    for (QueryRow& row : rows) {
      if (is_past(row.position, plan.start)) sorted.add(std::move(row));
    }
  }
  sorted.hand_on(groups);
  return absl::OkStatus();
}

EntityReader::EntityReader(const Snapshot& snapshot, const QueryPlan& plan, ReadStats& stats)
    : reader_(snapshot), space_(entities_of(plan.partition)), stats_(stats) {}

absl::StatusOr<StoredEntity> EntityReader::read(std::string_view path) {
  NDB_ASSIGN_OR_RETURN(const std::optional<Row> found, reader_.find(cat(space_, path)));
  if (!found.has_value()) return absl::DataLossError("an index leads to an entity that does not exist");
  ++stats_.entities;
  return to_entity(*found);
}

bool is_past_end(const QueryPlan& plan, const QueryRow& row) {
  return plan.end.has_value() && is_past(row.position, *plan.end);
}

}  // namespace ndb::local
