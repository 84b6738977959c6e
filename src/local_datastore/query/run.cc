#include "local_datastore/query/run.h"

#include <optional>
#include <unordered_set>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/query/cursor.h"
#include "local_datastore/query/result_maker.h"

namespace ndb::local {
namespace {

// The bytes of entities that are kept in memory while results are being sorted.
constexpr std::size_t kKeptBytes = 4 << 20;
constexpr std::size_t kAllBytes = static_cast<std::size_t>(-1);

// The join of a query's equalities, run alternately with the scan of an index, because it is unknown which of the two
// is shorter until one of them ends.
class CompetingJoin {
 public:
  // `rows_read` is the join's counter.
  CompetingJoin(PathUnion paths, const std::int64_t& rows_read) : paths_(std::move(paths)), rows_read_(rows_read) {}

  // Called after each index entry without a result: whether the join ends after at most as many rows as there were such
  // entries.
  absl::StatusOr<bool> is_shorter() {
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

class QueryRun {
 public:
  QueryRun(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads, ReadStats& stats,
           const ConsumeResult& consume)
      : snapshot_(snapshot),
        plan_(plan),
        access_(plan, needed),
        reads_(reads),
        stats_(stats),
        maker_(plan),
        distinct_(plan, consume),
        sorted_(plan.distinct > 0 ? kAllResults : needed, plan.wants_entities() ? kKeptBytes : 0),
        entities_(snapshot, plan, stats),
        equalities_(snapshot) {}

  absl::Status run() {
    const std::string& first = plan_.orders[access_.first_order()].property;
    if (first == kKeyProperty) return run_in_key_order(true);
    if (!access_.is_selective()) return run_in_index_order(first, nullptr);
    if (!access_.index_may_cost_less(first)) return run_in_key_order(false);
    // A transaction locks the range of the equalities, ancestors and keys, and not that of the index, most of whose
    // entries they rule out.
    notes_join_ = !reads_.ignored;
    if (notes_join_) note_join();
    CompetingJoin join(union_of(false, false), stats_.index_rows);
    return run_in_index_order(first, &join);
  }

 private:
  // --- in the order of keys: a kind, or joins of equality filters ----------------------------------------------------

  absl::Status run_in_key_order(bool in_order) {
    const bool streams = in_order || access_.any_order();
    const bool backwards = in_order && plan_.orders[access_.first_order()].descending;
    const bool covered = access_.covers_paths();
    PathUnion paths = union_of(streams, backwards);
    bool wanted = true;
    while (wanted) {
      NDB_ASSIGN_OR_RETURN(const bool more, paths.next());
      if (!more) break;
      const std::string path(paths.path());
      if (made_.contains(path)) continue;
      const Row* entity = plan_.kind.empty() ? &paths.row() : nullptr;
      if (covered) {
        wanted = take(path_result(path, entity), streams);
        continue;
      }
      NDB_RETURN_IF_ERROR(make_results(path, entity));
      for (QueryResult& result : results_) wanted = wanted && take(std::move(result), streams);
    }
    if (!notes_join_) paths.note(reads_);
    if (wanted) sorted_.hand_on(distinct_);
    return absl::OkStatus();
  }

  PathUnion union_of(bool streams, bool backwards) {
    std::vector<ZigzagJoin> joins;
    joins.reserve(plan_.any_of.size());
    for (const Conjunction& conjunction : plan_.any_of) {
      std::vector<std::string> prefixes = access_.prefixes_of(conjunction);
      std::vector<PathScan> scans;
      scans.reserve(prefixes.size());
      std::int64_t& counter = plan_.kind.empty() ? stats_.entities : stats_.index_rows;
      for (std::string& prefix : prefixes) {
        KeyRange range = access_.path_range(conjunction, prefix, streams && !access_.any_order(), backwards);
        scans.emplace_back(snapshot_, std::move(prefix), std::move(range), backwards, counter);
      }
      joins.emplace_back(std::move(scans), [this, &conjunction](std::string_view path) {
        return allows_path(conjunction, access_.keys_of_partition(), path);
      });
    }
    return {std::move(joins), backwards};
  }

  // An entity that starts or stops matching a conjunction is written in all ranges that are joined for it, so a lock on
  // one of them covers the join.
  void note_join() {
    for (const Conjunction& conjunction : plan_.any_of) {
      reads_.ranges.add(access_.path_range(conjunction, access_.prefixes_of(conjunction).front(), false, false));
    }
  }

  // `entity` if it has been read already.
  QueryResult path_result(const std::string& path, const Row* entity) const {
    QueryResult result{.path = path};
    for (const Order& order : plan_.orders) {
      result.components.push_back(access_.known_component(order.property, path));
    }
    result.sort_key = sort_key(plan_, result.components);
    if (entity != nullptr) result.stored = to_entity(*entity);
    return result;
  }

  // --- in the order of an index: that of the first order -------------------------------------------------------------

  absl::Status run_in_index_order(const std::string& property, CompetingJoin* join) {
    order_ = access_.first_order();
    streams_ = access_.any_order() || access_.index_has_order();
    const bool one_each = streams_ && !access_.any_order() && plan_.distinct == 1;
    IndexScan scan(snapshot_, index_of(plan_.partition, plan_.kind, property), access_.intervals_of(property),
                   plan_.orders[order_].descending, access_.start_of(order_, streams_), stats_.index_rows);
    std::string value;
    bool wanted = true;
    while (wanted) {
      NDB_ASSIGN_OR_RETURN(const bool more, scan.next());
      if (!more) break;
      const IndexRow& entry = scan.row();
      if (!sorted_.empty() && !access_.any_order() && (streams_ || entry.encoded != value)) {
        wanted = sorted_.hand_on_before(place_of(entry), distinct_);
        if (!wanted) break;
      }
      value = entry.encoded;
      const std::string path(entry.path);
      if (made_.contains(path)) continue;
      NDB_ASSIGN_OR_RETURN(const bool candidate, may_match(property, entry));
      if (!candidate) {
        if (join == nullptr) continue;
        NDB_ASSIGN_OR_RETURN(const bool shorter, join->is_shorter());
        if (!shorter) continue;
        seen_ = Seen{.value = value, .path = path};
        if (!notes_join_) scan.note(reads_);
        return run_in_key_order(false);
      }
      taken_ = false;
      NDB_RETURN_IF_ERROR(take_entry(property, entry, path, wanted));
      if (one_each && taken_) scan.skip_value();
    }
    if (!notes_join_) scan.note(reads_);
    if (wanted) sorted_.hand_on(distinct_);
    return absl::OkStatus();
  }

  // The prefix of the sort keys of all results that this entry and later ones yield for the first time.
  std::string place_of(const IndexRow& entry) const {
    const std::string path(entry.path);
    const std::size_t count = streams_ ? plan_.orders.size() : order_ + 1;
    std::vector<std::string> components;
    components.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      components.push_back(i == order_ ? std::string(entry.encoded)
                                       : access_.known_component(plan_.orders[i].property, path));
    }
    return sort_key(plan_, components);
  }

  // Adds the results of an entry. An entity with several values has an entry for each: it is read at the first one, and
  // its results for other values wait among the sorted ones until the scan reaches them.
  absl::Status take_entry(const std::string& property, const IndexRow& entry, const std::string& path, bool& wanted) {
    const std::string value(entry.encoded);
    if (access_.covers_entries(property) && (entry.only || !plan_.projection.empty())) {
      NDB_ASSIGN_OR_RETURN(QueryResult result, entry_result(property, entry, path));
      wanted = take(std::move(result), streams_);
      return absl::OkStatus();
    }
    if (!entry.only) made_.insert(path);
    NDB_RETURN_IF_ERROR(make_results(path, nullptr));
    const bool descending = plan_.orders[order_].descending;
    for (QueryResult& result : results_) {
      const std::string& of_result = result.components[order_];
      if (of_result == value || access_.any_order()) {
        wanted = wanted && take(std::move(result), streams_);
      } else if ((of_result > value) != descending) {
        later(std::move(result));
      }  // otherwise it was before the start, or equals an earlier distinct result
    }
    return absl::OkStatus();
  }

  // Whether the conditions on keys and the equalities of some alternative hold for the entity of an entry. Rows that
  // are read for this need no note in `reads_`, because an entity is written with all its rows, and the entry is one of
  // them.
  absl::StatusOr<bool> may_match(const std::string& scanned, const IndexRow& entry) {
    for (const Conjunction& conjunction : plan_.any_of) {
      if (!allows_path(conjunction, access_.keys_of_partition(), entry.path)) continue;
      NDB_ASSIGN_OR_RETURN(const bool found, has_equals(conjunction, scanned, entry));
      if (found) return true;
    }
    return false;
  }

  absl::StatusOr<bool> has_equals(const Conjunction& conjunction, const std::string& scanned, const IndexRow& entry) {
    for (const auto& [property, condition] : conjunction.conditions) {
      if (property == kKeyProperty) continue;
      for (const std::string& value : condition.equals) {
        if (property == scanned && value == entry.encoded) continue;
        ++stats_.index_rows;
        NDB_ASSIGN_OR_RETURN(const std::optional<Row> found,
                             equalities_.find(cat(index_of(plan_.partition, plan_.kind, property), value, entry.path)));
        if (!found.has_value()) return false;
      }
    }
    return true;
  }

  absl::StatusOr<QueryResult> entry_result(const std::string& property, const IndexRow& entry,
                                           const std::string& path) const {
    QueryResult result{.path = path};
    for (const Order& order : plan_.orders) {
      result.components.push_back(order.property == property ? std::string(entry.encoded)
                                                             : access_.known_component(order.property, path));
    }
    result.sort_key = sort_key(plan_, result.components);
    if (plan_.projection.empty() && plan_.sums.empty()) return result;
    v1::Value value;
    if (!decode_index_value(entry, value)) return absl::DataLossError("a row of an index is damaged");
    Sum sum;
    sum.add(value);
    result.sums.assign(plan_.sums.size(), sum);
    if (!plan_.projection.empty()) result.projected.push_back(std::move(value));
    return result;
  }

  // --- both ----------------------------------------------------------------------------------------------------------

  // `row` is that of the entity, if it has been read already.
  absl::Status make_results(const std::string& path, const Row* row) {
    if (row != nullptr) return maker_.make(to_entity(*row), path, results_);
    NDB_ASSIGN_OR_RETURN(const StoredEntity entity, entities_.read(path));
    return maker_.make(entity, path, results_);
  }

  // Whether more results are needed.
  bool take(QueryResult&& result, bool streams) {
    taken_ = is_past(result.sort_key, plan_.start) && !is_seen(result);
    if (!taken_) return true;
    if (streams) return distinct_.add(result);
    sorted_.add(std::move(result));
    return true;
  }

  void later(QueryResult&& result) {
    if (is_past(result.sort_key, plan_.start)) sorted_.add(std::move(result));
  }

  bool is_seen(const QueryResult& result) const {
    if (!seen_.has_value()) return false;
    const std::string& value = result.components[order_];
    if (value == seen_->value) return result.path <= seen_->path;
    return (value < seen_->value) != plan_.orders[order_].descending;
  }

  // How far the index of the order has been scanned; its entries up to here are done.
  struct Seen {
    std::string value;
    std::string path;
  };

  const Snapshot& snapshot_;
  const QueryPlan& plan_;
  const QueryAccess access_;
  ReadSet& reads_;
  ReadStats& stats_;
  ResultMaker maker_;
  DistinctResults distinct_;
  SortedResults sorted_;
  EntityReader entities_;
  SnapshotReader equalities_;
  std::vector<QueryResult> results_;
  bool taken_ = false;
  bool notes_join_ = false;  // the note of the join in `reads_` covers everything read
  // For a scan of an index:
  std::size_t order_ = 0;                 // the order whose index it is
  bool streams_ = false;                  // the index has the order of the results
  std::unordered_set<std::string> made_;  // entities with several values whose results are known
  std::optional<Seen> seen_;
};

}  // namespace

absl::Status for_each_result(const Snapshot& snapshot, const QueryPlan& plan, std::size_t needed, ReadSet& reads,
                             ReadStats& stats, const ConsumeResult& consume) {
  return QueryRun(snapshot, plan, needed, reads, stats, consume).run();
}

bool is_in_key_order(const QueryPlan& plan) {
  const Order& first = plan.orders.front();
  return first.property == kKeyProperty && !first.descending;
}

absl::Status for_each_result_of(const CallContext& call, const std::function<absl::Status(const FoundEntity&)>& find,
                                const QueryPlan& plan, std::size_t needed, const ConsumeResult& consume) {
  const bool streams = is_in_key_order(plan);
  ResultMaker maker(plan);
  DistinctResults distinct(plan, consume);
  SortedResults sorted(plan.distinct > 0 ? kAllResults : needed, plan.wants_entities() ? kAllBytes : 0);
  std::vector<QueryResult> results;
  const FoundEntity take = [&](const v1::Entity& entity) -> absl::StatusOr<bool> {
    NDB_RETURN_IF_ERROR(call.check());
    const std::string bytes = entity.SerializeAsString();
    NDB_RETURN_IF_ERROR(maker.make({.entity = bytes}, encode_path(entity.key()), results));
    bool wanted = true;
    for (QueryResult& result : results) {
      if (!is_past(result.sort_key, plan.start)) continue;
      if (streams) {
        wanted = wanted && distinct.add(result);
      } else {
        sorted.add(std::move(result));
      }
    }
    return wanted;
  };
  NDB_RETURN_IF_ERROR(find(take));
  if (!streams) sorted.hand_on(distinct);
  return absl::OkStatus();
}

EntityReader::EntityReader(const Snapshot& snapshot, const QueryPlan& plan, ReadStats& stats)
    : reader_(snapshot), prefix_(entities_of(plan.partition)), stats_(stats) {}

absl::StatusOr<StoredEntity> EntityReader::read(std::string_view path) {
  NDB_ASSIGN_OR_RETURN(const std::optional<Row> found, reader_.find(cat(prefix_, path)));
  if (!found.has_value()) return absl::DataLossError("an index leads to an entity that does not exist");
  ++stats_.entities;
  return to_entity(*found);
}

bool is_past_end(const QueryPlan& plan, const QueryResult& result) {
  return plan.end.has_value() && is_past(result.sort_key, *plan.end);
}

}  // namespace ndb::local
