#include "local_datastore/query_run.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

constexpr std::size_t kMaxRowsPerEntity = 20'000;

// The paths that the plan's conditions leave to look at.
Interval path_range(const QueryPlan& plan) {
  const std::string all_keys = index_keys_of(plan.partition);
  const Interval keys{all_keys, after_prefix(all_keys)};
  Interval hull{after_prefix(all_keys), all_keys};  // empty
  for (const Conjunction& conjunction : plan.any_of) {
    Interval range = keys;
    const auto narrow = [&range](const std::string& begin, const std::string& end) {
      range.begin = std::max(range.begin, begin);
      range.end = std::min(range.end, end);
    };
    for (const std::string& ancestor : conjunction.ancestors) {
      narrow(all_keys + ancestor, after_prefix(all_keys + ancestor));
    }
    if (const auto found = conjunction.conditions.find(std::string(kKeyProperty));
        found != conjunction.conditions.end()) {
      for (const std::string& key : found->second.equals) narrow(key, above(key, false).begin);
      if (const auto& within = found->second.within; within.has_value()) {
        if (within->empty()) continue;
        narrow(within->front().begin, within->back().end);
      }
    }
    if (range.begin >= range.end) continue;
    hull.begin = std::min(hull.begin, range.begin);
    hull.end = std::max(hull.end, range.end);
  }
  if (plan.in_key_order() && !plan.start.components.empty()) hull.begin = std::max(hull.begin, plan.start.bytes);
  return hull;
}

// Entities of a kind, or of all, in the order of their keys.
class EntityScan {
 public:
  EntityScan(const KvStore& store, Version at, const QueryPlan& plan)
      : reader_(store, at), members_(store.cursor()), by_kind_(!plan.kind.empty()) {
    const Interval range = path_range(plan);
    const std::size_t skip = index_keys_of(plan.partition).size();
    space_ = by_kind_ ? members_of(plan.partition, plan.kind) : entities_of(plan.partition);
    entities_ = entities_of(plan.partition);
    const bool to_the_end = range.end == after_prefix(index_keys_of(plan.partition));
    begin_ = range.begin < range.end ? space_ + range.begin.substr(skip) : space_;
    end_ = range.begin >= range.end ? begin_ : to_the_end ? after_prefix(space_) : space_ + range.end.substr(skip);
  }

  absl::StatusOr<std::optional<StoredEntity>> next() {
    NDB_ASSIGN_OR_RETURN(std::optional<StoredEntity> found, by_kind_ ? next_member() : next_entity());
    finished_ = !found.has_value();
    return found;
  }

  // Of the last entity: encode_path().
  std::string_view path() const { return path_; }

  // What has been looked at so far, as keys of the store.
  void note(Transaction& transaction) const {
    transaction.note_range(begin_, finished_ ? end_ : cat(space_, path_, '\0'));
  }

 private:
  absl::StatusOr<std::optional<StoredEntity>> next_entity() {
    auto found = started_ ? reader_.next(end_) : reader_.seek(begin_, end_);
    started_ = true;
    if (found.ok() && found->has_value()) path_.assign(reader_.entity_key().substr(space_.size()));
    return found;
  }

  absl::StatusOr<std::optional<StoredEntity>> next_member() {
    started_ ? members_.next() : members_.seek(begin_);
    started_ = true;
    for (; members_.valid() && members_.key() < end_; members_.next()) {
      path_.assign(members_.key().substr(space_.size()));
      NDB_ASSIGN_OR_RETURN(std::optional<StoredEntity> found, reader_.find(entities_ + path_));
      if (found.has_value()) return found;
    }
    NDB_RETURN_IF_ERROR(members_.status());
    return std::optional<StoredEntity>();
  }

  SnapshotReader reader_;
  KvStore::Cursor members_;
  const bool by_kind_;
  bool started_ = false;
  bool finished_ = false;
  std::string space_;     // what the keys that are walked begin with
  std::string entities_;  // and those of the entities
  std::string begin_;
  std::string end_;
  std::string path_;
};

bool satisfies(const Condition& condition, const std::string& encoded) {
  if (!condition.equals.empty() && !condition.equals.contains(encoded)) return false;
  return !condition.within.has_value() || contains(*condition.within, encoded);
}

// Makes the rows of one entity after another.
class RowMaker {
 public:
  explicit RowMaker(const QueryPlan& plan) : plan_(plan), keys_(index_keys_of(plan.partition)) {}

  absl::Status make(const StoredEntity& stored, std::string_view path, std::vector<QueryRow>& rows) {
    rows.clear();
    key_ = cat(keys_, path);
    path_ = path;
    entries_.clear();
    if (!plan_.properties.empty()) {
      if (!entity_.ParseFromArray(stored.entity.data(), static_cast<int>(stored.entity.size()))) {
        return absl::DataLossError("a stored entity is damaged");
      }
      entries_ = index_entries(entity_, plan_.properties);
    }
    if (entries_.size() != plan_.properties.size()) return absl::OkStatus();  // one has no value
    for (const Conjunction& conjunction : plan_.any_of) {
      if (!matches(conjunction)) continue;
      NDB_RETURN_IF_ERROR(add_rows(conjunction, rows));
    }
    keep_one_each(rows);
    for (QueryRow& row : rows) row.stored = stored;
    return absl::OkStatus();
  }

 private:
  bool matches(const Conjunction& conjunction) const {
    for (const std::string& ancestor : conjunction.ancestors) {
      if (!path_.starts_with(ancestor)) return false;
    }
    for (const auto& [property, condition] : conjunction.conditions) {
      if (property == kKeyProperty) {
        const bool one = condition.equals.size() <= 1;
        if (!one || !satisfies(condition, key_)) return false;
      } else if (!matches(property, condition)) {
        return false;
      }
    }
    return true;
  }

  bool matches(const std::string& property, const Condition& condition) const {
    const auto found = entries_.find(property);
    if (found == entries_.end()) return false;
    const std::vector<IndexEntry>& entries = found->second;
    for (const std::string& wanted : condition.equals) {
      if (std::none_of(entries.begin(), entries.end(),
                       [&wanted](const IndexEntry& entry) { return entry.encoded == wanted; })) {
        return false;
      }
    }
    return !condition.within.has_value() ||
           std::any_of(entries.begin(), entries.end(),
                       [&condition](const IndexEntry& entry) { return contains(*condition.within, entry.encoded); });
  }

  // The entries of a property that the conjunction's condition on it lets through. Where there are several, filters on
  // the same property may each hold for another one of them: then all stay.
  std::vector<const IndexEntry*> candidates(const Conjunction& conjunction, const std::string& property) const {
    std::vector<const IndexEntry*> out;
    const std::vector<IndexEntry>& entries = entries_.find(property)->second;
    const auto condition = conjunction.conditions.find(property);
    for (const IndexEntry& entry : entries) {
      if (condition == conjunction.conditions.end() || satisfies(condition->second, entry.encoded)) {
        out.push_back(&entry);
      }
    }
    if (out.empty()) {
      for (const IndexEntry& entry : entries) out.push_back(&entry);
    }
    return out;
  }

  absl::Status add_rows(const Conjunction& conjunction, std::vector<QueryRow>& rows) const {
    std::vector<std::string> components;
    for (const Order& order : plan_.orders) {
      if (order.property == kKeyProperty) {
        components.push_back(key_);
      } else {
        const std::vector<const IndexEntry*> entries = candidates(conjunction, order.property);
        components.push_back((order.descending ? entries.back() : entries.front())->encoded);
      }
    }
    std::vector<std::vector<const IndexEntry*>> choices;
    std::size_t count = 1;
    for (const std::string& property : plan_.projection) {
      choices.push_back(candidates(conjunction, property));
      count *= choices.back().size();
      if (count > kMaxRowsPerEntity) {
        return absl::InvalidArgumentError(
            "The projection of an entity's repeated properties has too many combinations.");
      }
    }
    for (std::size_t i = 0; i < count; ++i) rows.push_back(make_row(components, choices, i));
    return absl::OkStatus();
  }

  // The row that takes from each projected property the choice that the digits of `number` say.
  QueryRow make_row(std::vector<std::string> components, const std::vector<std::vector<const IndexEntry*>>& choices,
                    std::size_t number) const {
    QueryRow row;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const IndexEntry& choice = *choices[i][number % choices[i].size()];
      number /= choices[i].size();
      row.projected.push_back(choice.copy());
      for (std::size_t j = 0; j < plan_.orders.size(); ++j) {
        if (plan_.orders[j].property == plan_.projection[i]) components[j] = choice.encoded;
      }
    }
    row.position = position_bytes(plan_, components);
    row.components = std::move(components);
    return row;
  }

  // An entity that several conjunctions match is in the result once: where its first row is. Of a projection equal rows
  // are one.
  void keep_one_each(std::vector<QueryRow>& rows) const {
    if (rows.size() < 2) return;
    std::sort(rows.begin(), rows.end(), [](const QueryRow& a, const QueryRow& b) { return a.position < b.position; });
    if (plan_.projection.empty()) {
      rows.resize(1);
      return;
    }
    rows.erase(std::unique(rows.begin(), rows.end(),
                           [](const QueryRow& a, const QueryRow& b) { return a.position == b.position; }),
               rows.end());
  }

  const QueryPlan& plan_;
  const std::string keys_;
  std::string key_;
  std::string_view path_;
  v1::Entity entity_;
  IndexEntries entries_;
};

// Whether a row comes after a place.
bool is_past(std::string_view position, const QueryPosition& place) {
  if (place.components.empty()) return true;
  return place.exclusive ? position > place.bytes : position >= place.bytes;
}

// What tells groups of rows apart; nothing before the first row.
std::vector<std::string> group_of(const QueryPlan& plan, const std::vector<std::string>& components) {
  const std::size_t size = std::min(plan.distinct, components.size());
  return {components.begin(), components.begin() + static_cast<std::ptrdiff_t>(size)};
}

// The first rows of a query whose rows come in another order than they are scanned.
class FirstRows {
 public:
  explicit FirstRows(std::size_t count) : count_(count) {}

  void add(QueryRow&& row) {
    if (rows_.size() == count_) {
      if (count_ == 0 || !(row.position < rows_.front().row.position)) return;
      std::pop_heap(rows_.begin(), rows_.end());
      rows_.pop_back();
    }
    std::string bytes(row.stored.entity);
    rows_.push_back({std::move(row), std::move(bytes)});
    std::push_heap(rows_.begin(), rows_.end());
  }

  void consume(const std::function<bool(const QueryRow&)>& consume) {
    std::sort_heap(rows_.begin(), rows_.end());
    for (Kept& kept : rows_) {
      kept.row.stored.entity = kept.bytes;
      if (!consume(kept.row)) return;
    }
  }

 private:
  struct Kept {
    QueryRow row;
    std::string bytes;  // of the entity, which outlives the scan here
    bool operator<(const Kept& other) const { return row.position < other.row.position; }
  };
  const std::size_t count_;
  std::vector<Kept> rows_;  // a heap, the last row in front
};

}  // namespace

absl::Status for_each_row(const KvStore& store, Version at, const QueryPlan& plan, Transaction* transaction,
                          std::size_t needed, const std::function<bool(const QueryRow&)>& consume) {
  EntityScan scan(store, at, plan);
  RowMaker maker(plan);
  FirstRows first(plan.distinct > 0 ? kAllRows : needed);
  const bool streams = plan.in_key_order() || needed == kAnyOrder;
  std::vector<QueryRow> rows;
  bool wanted = true;
  while (wanted) {
    NDB_ASSIGN_OR_RETURN(const std::optional<StoredEntity> stored, scan.next());
    if (!stored.has_value()) break;
    NDB_RETURN_IF_ERROR(maker.make(*stored, scan.path(), rows));
    for (QueryRow& row : rows) {
      if (!is_past(row.position, plan.start)) continue;
      if (streams) {
        wanted = wanted && consume(row);
      } else {
        first.add(std::move(row));
      }
    }
  }
  if (transaction != nullptr) scan.note(*transaction);
  if (streams) return absl::OkStatus();
  std::vector<std::string> group = group_of(plan, plan.start.components);
  first.consume([&](const QueryRow& row) {
    std::vector<std::string> next = group_of(plan, row.components);
    if (plan.distinct > 0 && next == group) return true;
    group = std::move(next);
    return consume(row);
  });
  return absl::OkStatus();
}

bool is_past_end(const QueryPlan& plan, const QueryRow& row) {
  return plan.end.has_value() && is_past(row.position, *plan.end);
}

}  // namespace ndb::local
