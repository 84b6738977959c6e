#include "local_datastore/query/row_maker.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

constexpr std::size_t kMaxRowsPerEntity = 20'000;

bool satisfies(const PropertyCondition& condition, const std::string& encoded) {
  if (!condition.equals.empty() && !condition.equals.contains(encoded)) return false;
  return !condition.within.has_value() || contains(*condition.within, encoded);
}

}  // namespace

bool allows_path(const Conjunction& conjunction, std::string_view keys_of_partition, std::string_view path) {
  for (const std::string& ancestor : conjunction.ancestors) {
    if (!path.starts_with(ancestor)) return false;
  }
  const auto found = conjunction.conditions.find(std::string(kKeyProperty));
  if (found == conjunction.conditions.end()) return true;
  return found->second.equals.size() <= 1 && satisfies(found->second, cat(keys_of_partition, path));
}

absl::Status RowMaker::make(const StoredEntity& stored, std::string_view path, std::vector<QueryRow>& rows) {
  rows.clear();
  path_ = path;
  entries_.clear();
  if (!plan_.properties.empty()) {
    if (!entity_.ParseFromArray(stored.entity.data(), static_cast<int>(stored.entity.size()))) {
      return absl::DataLossError("a stored entity is damaged");
    }
    entries_ = index_entries(entity_, plan_.properties);
  }
  const bool has_all = std::all_of(plan_.required.begin(), plan_.required.end(),
                                   [this](const std::string& name) { return entries_.contains(name); });
  if (!has_all) return absl::OkStatus();
  for (const Conjunction& conjunction : plan_.any_of) {
    if (!matches(conjunction)) continue;
    NDB_RETURN_IF_ERROR(add_rows(conjunction, rows));
  }
  keep_one_each(rows);
  for (QueryRow& row : rows) {
    row.stored = stored;
    row.path = path;
    for (const std::string& property : plan_.sums) {
      std::vector<v1::Value>& values = row.summed.emplace_back();
      for (const IndexEntry& entry : entries_.find(property)->second) values.push_back(entry.copy());
    }
  }
  return absl::OkStatus();
}

bool RowMaker::matches(const Conjunction& conjunction) const {
  return allows_path(conjunction, keys_, path_) &&
         std::all_of(conjunction.conditions.begin(), conjunction.conditions.end(), [this](const auto& item) {
           return item.first == kKeyProperty || matches(item.first, item.second);
         });
}

bool RowMaker::matches(const std::string& property, const PropertyCondition& condition) const {
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

// The entries of a property that the conjunction's condition on it lets through. Equalities and inequalities may each
// hold for another one of them: then the inequalities decide, in whose range of the index rows are found.
std::vector<const IndexEntry*> RowMaker::candidates(const Conjunction& conjunction, const std::string& property) const {
  std::vector<const IndexEntry*> out;
  const std::vector<IndexEntry>& entries = entries_.find(property)->second;
  const auto condition = conjunction.conditions.find(property);
  for (const IndexEntry& entry : entries) {
    if (condition == conjunction.conditions.end() || satisfies(condition->second, entry.encoded)) out.push_back(&entry);
  }
  if (!out.empty()) return out;
  for (const IndexEntry& entry : entries) {
    if (contains(*condition->second.within, entry.encoded)) out.push_back(&entry);
  }
  return out;
}

absl::Status RowMaker::add_rows(const Conjunction& conjunction, std::vector<QueryRow>& rows) const {
  std::vector<std::string> components;
  for (const Order& order : plan_.orders) {
    if (order.property == kKeyProperty) {
      components.push_back(cat(keys_, path_));
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
      return absl::InvalidArgumentError("The projection of an entity's repeated properties has too many combinations.");
    }
  }
  for (std::size_t i = 0; i < count; ++i) rows.push_back(make_row(components, choices, i));
  return absl::OkStatus();
}

// The row that takes from each projected property the choice that the digits of `number` say.
QueryRow RowMaker::make_row(std::vector<std::string> components,
                            const std::vector<std::vector<const IndexEntry*>>& choices, std::size_t number) const {
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

void RowMaker::keep_one_each(std::vector<QueryRow>& rows) const {
  if (rows.size() < 2) return;
  std::sort(rows.begin(), rows.end(), [](const QueryRow& a, const QueryRow& b) { return a.position < b.position; });
  // Alternatives may place rows that say the same differently.
  std::set<std::string> said;
  std::erase_if(rows, [&](const QueryRow& row) {
    std::string projected;
    for (std::size_t i = 0; i < plan_.orders.size(); ++i) {
      if (is_projected(plan_.orders[i].property)) projected += row.components[i];
    }
    return !said.insert(std::move(projected)).second;
  });
}

bool RowMaker::is_projected(const std::string& property) const {
  return std::find(plan_.projection.begin(), plan_.projection.end(), property) != plan_.projection.end();
}

}  // namespace ndb::local
