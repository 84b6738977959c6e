#include "local_datastore/query_run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/row_maker.h"

namespace ndb::local {
namespace {

// So much of the entities of rows that are being sorted stays in memory.
constexpr std::size_t kKeptBytes = 4 << 20;
constexpr std::size_t kAllBytes = static_cast<std::size_t>(-1);

const PropertyCondition* condition_on(const Conjunction& conjunction, std::string_view property) {
  const auto found = conjunction.conditions.find(std::string(property));
  return found == conjunction.conditions.end() ? nullptr : &found->second;
}

// Whether the property has the same value in all rows, so that an order by it decides nothing.
bool is_constant(const QueryPlan& plan, const std::string& property) {
  if (plan.any_of.size() != 1 || property == kKeyProperty) return false;
  const PropertyCondition* condition = condition_on(plan.any_of.front(), property);
  return condition != nullptr && condition->equals.size() == 1 && !condition->within.has_value();
}

// Whether an equality, an ancestor or a key leaves few entities to look at.
bool is_restricted(const Conjunction& conjunction) {
  return !conjunction.ancestors.empty() || std::any_of(conjunction.conditions.begin(), conjunction.conditions.end(),
                                                       [](const auto& item) { return !item.second.equals.empty(); });
}

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
  Run(const KvStore& store, Version at, const QueryPlan& plan, std::size_t needed, ReadSet& reads, ReadStats& stats,
      const ConsumeRow& consume)
      : store_(store),
        at_(at),
        plan_(plan),
        any_order_(needed == kAnyOrder),
        takes_all_(needed >= kAnyOrder),
        reads_(reads),
        stats_(stats),
        maker_(plan),
        groups_(plan, consume),
        sorted_(plan.distinct > 0 ? kAllRows : needed, plan.wants_entities() ? kKeptBytes : 0),
        entities_(store, at, plan, stats),
        equalities_(store, at) {
    for (std::size_t i = 0; i < plan.orders.size(); ++i) {
      if (plan.orders[i].property == kKeyProperty) key_order_ = i;
      if (!is_constant(plan, plan.orders[i].property)) deciding_.push_back(i);
    }
  }

  absl::Status run() {
    const std::string& first = plan_.orders[deciding_.front()].property;
    if (first == kKeyProperty) return run_by_path(true);
    if (!std::all_of(plan_.any_of.begin(), plan_.any_of.end(), is_restricted)) return run_by_value(first, nullptr);
    // What a transaction has walked over is locked, so it walks over nothing that the equalities rule out.
    if (!reads_.ignored || !pays_by_value(first)) return run_by_path(false);
    Rival rival(union_of(false, false), stats_.index_rows);
    return run_by_value(first, &rival);
  }

 private:
  // --- by path: the kind, or joins of equality filters ---------------------------------------------------------------

  absl::Status run_by_path(bool in_order) {
    const bool streams = in_order || any_order_;
    const bool backwards = in_order && plan_.orders[deciding_.front()].descending;
    const bool covered = covers_paths();
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
      std::vector<std::string> spaces;
      for (const auto& [property, condition] : conjunction.conditions) {
        if (property == kKeyProperty) continue;
        for (const std::string& value : condition.equals) {
          spaces.push_back(index_of(plan_.partition, plan_.kind, property) + value);
        }
      }
      if (spaces.empty()) {
        spaces.push_back(plan_.kind.empty() ? entities_of(plan_.partition) : members_of(plan_.partition, plan_.kind));
      }
      std::vector<PathScan> scans;
      scans.reserve(spaces.size());
      std::int64_t& counter = plan_.kind.empty() ? stats_.entities : stats_.index_rows;
      for (std::string& space : spaces) {
        KeyRange range = path_range(conjunction, space, streams && !any_order_, backwards);
        scans.emplace_back(store_, at_, std::move(space), std::move(range), backwards, counter);
      }
      joins.emplace_back(std::move(scans), [this, &conjunction](std::string_view path) {
        return allows_path(conjunction, maker_.keys_of_partition(), path);
      });
    }
    return {std::move(joins), backwards};
  }

  // A part of a space that has all which the conditions on keys, and the cursor, leave to look at.
  KeyRange path_range(const Conjunction& conjunction, const std::string& space, bool from_start, bool backwards) const {
    KeyRange range{space, after_prefix(space)};
    const auto narrow = [&range](const std::string& begin, const std::string& end) {
      range.begin = std::max(range.begin, begin);
      range.end = std::min(range.end, end);
    };
    const std::string_view keys = maker_.keys_of_partition();
    const auto bound = [&](const std::string& key_bound) {
      if (key_bound <= keys) return space;
      return key_bound.starts_with(keys) ? path_bound(space, key_bound) : after_prefix(space);
    };
    for (const std::string& ancestor : conjunction.ancestors) narrow(space + ancestor, after_prefix(space + ancestor));
    if (const PropertyCondition* condition = condition_on(conjunction, kKeyProperty)) {
      for (const std::string& key : condition->equals) narrow(bound(key), after_row(bound(key)));
      if (condition->within.has_value() && condition->within->empty()) narrow(range.end, range.end);
      if (condition->within.has_value() && !condition->within->empty()) {
        narrow(bound(condition->within->front().begin), bound(condition->within->back().end));
      }
    }
    if (from_start && !plan_.start.components.empty()) {
      const std::string row = bound(plan_.start.components[key_order_]);
      backwards ? narrow(range.begin, after_row(row)) : narrow(row, range.end);
    }
    range.end = std::max(range.begin, range.end);
    return range;
  }

  // Whether the joins say which rows there are, and all of them but the entity.
  bool covers_paths() const {
    if (!plan_.sums.empty() || !plan_.projection.empty()) return false;
    if (plan_.any_of.size() > 1 && !plan_.required.empty()) return false;
    for (const Conjunction& conjunction : plan_.any_of) {
      for (const auto& [property, condition] : conjunction.conditions) {
        if (property != kKeyProperty && condition.within.has_value()) return false;
      }
    }
    return std::all_of(plan_.required.begin(), plan_.required.end(),
                       [this](const std::string& property) { return is_constant(plan_, property); });
  }

  // `entity` if it was read already.
  QueryRow path_row(const std::string& path, const Row* entity) const {
    QueryRow row{.path = path};
    for (const Order& order : plan_.orders) row.components.push_back(known_component(order.property, path));
    row.position = position_bytes(plan_, row.components);
    if (entity != nullptr) row.stored = to_entity(*entity);
    return row;
  }

  // --- by value: the index of the first order ------------------------------------------------------------------------

  absl::Status run_by_value(const std::string& property, Rival* rival) {
    const std::size_t order = deciding_.front();
    // Within one value the index has the order of keys.
    const bool streams = any_order_ || (deciding_.size() == 2 && plan_.orders[deciding_[1]].property == kKeyProperty &&
                                        !plan_.orders[deciding_[1]].descending);
    const bool one_each = streams && !any_order_ && plan_.distinct == 1;
    const bool covered = covers_entries(property);
    ValueScan scan(store_, at_, index_of(plan_.partition, plan_.kind, property), intervals_of(property),
                   plan_.orders[order].descending, start_of(order, streams), stats_.index_rows);
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

  // Whether the index of a property may be less to look at than joins: it ends early, or says what entities would.
  bool pays_by_value(const std::string& property) const {
    return !takes_all_ || covers_entries(property) ||
           std::all_of(plan_.any_of.begin(), plan_.any_of.end(), [&property](const Conjunction& conjunction) {
             const PropertyCondition* condition = condition_on(conjunction, property);
             return condition != nullptr && condition->within.has_value();
           });
  }

  Intervals intervals_of(const std::string& property) const {
    Intervals all;
    for (const Conjunction& conjunction : plan_.any_of) {
      const PropertyCondition* condition = condition_on(conjunction, property);
      if (condition == nullptr || (condition->equals.empty() && !condition->within.has_value())) return {everything()};
      Intervals some;
      for (const std::string& equal : condition->equals) {
        some.push_back({above(equal, true).begin, below(equal, true).end});
      }
      // As RowMaker chooses: what satisfies all, else what the inequalities let through.
      if (condition->within.has_value()) {
        const Intervals both = intersect(some, *condition->within);
        some = both.empty() ? *condition->within : both;
      }
      all.insert(all.end(), some.begin(), some.end());
    }
    std::sort(all.begin(), all.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    Intervals out;
    for (Interval& interval : all) {
      if (!out.empty() && interval.begin <= out.back().end) {
        out.back().end = std::max(out.back().end, interval.end);
      } else {
        out.push_back(std::move(interval));
      }
    }
    return out;
  }

  std::optional<ValueScan::Start> start_of(std::size_t order, bool streams) const {
    if (any_order_ || plan_.start.components.empty()) return std::nullopt;
    const std::string& key = plan_.start.components[key_order_];
    const bool has_key = streams && key.starts_with(maker_.keys_of_partition());
    return ValueScan::Start{.encoded = plan_.start.components[order],
                            .path = has_key ? key.substr(maker_.keys_of_partition().size()) : ""};
  }

  // Whether an entry that may_match() is a row, of which it says all but the entity, if the entity has no other entry
  // that could be the row, or each one is a row.
  bool covers_entries(const std::string& property) const {
    const auto is_walked = [&property](const std::string& name) { return name == property; };
    if (plan_.any_of.size() != 1 || !std::all_of(plan_.sums.begin(), plan_.sums.end(), is_walked)) return false;
    if (!plan_.projection.empty() && (plan_.projection.size() > 1 || plan_.projection.front() != property))
      return false;
    for (const auto& [name, condition] : plan_.any_of.front().conditions) {
      if (name != kKeyProperty && name != property && condition.within.has_value()) return false;
    }
    return std::all_of(plan_.required.begin(), plan_.required.end(),
                       [&](const std::string& name) { return is_walked(name) || is_constant(plan_, name); });
  }

  // Whether the conditions on keys and the equalities of some alternative hold for the entity of an entry. Rows that
  // are looked up for that need no note in `reads_`: an entity is written with all its rows, and the entry is one.
  absl::StatusOr<bool> may_match(const std::string& walked, const IndexRow& entry) {
    for (const Conjunction& conjunction : plan_.any_of) {
      if (!allows_path(conjunction, maker_.keys_of_partition(), entry.path)) continue;
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
                                                          : known_component(order.property, path));
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

  // Of a row's key, or of a property that is_constant().
  std::string known_component(const std::string& property, const std::string& path) const {
    if (property == kKeyProperty) return maker_.key_component(path);
    return *condition_on(plan_.any_of.front(), property)->equals.begin();
  }

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

  const KvStore& store_;
  const Version at_;
  const QueryPlan& plan_;
  const bool any_order_;
  const bool takes_all_;
  ReadSet& reads_;
  ReadStats& stats_;
  RowMaker maker_;
  Groups groups_;
  FirstRows sorted_;
  EntityReader entities_;
  SnapshotReader equalities_;
  std::vector<std::size_t> deciding_;  // orders that are not constant; __key__ is one
  std::size_t key_order_ = 0;          // where __key__ is among the orders
  std::vector<QueryRow> rows_;
  bool taken_ = false;
  std::optional<Seen> seen_;
};

}  // namespace

absl::Status for_each_row(const KvStore& store, Version at, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                          ReadStats& stats, const ConsumeRow& consume) {
  return Run(store, at, plan, needed, reads, stats, consume).run();
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

EntityReader::EntityReader(const KvStore& store, Version at, const QueryPlan& plan, ReadStats& stats)
    : reader_(store, at), space_(entities_of(plan.partition)), stats_(stats) {}

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
