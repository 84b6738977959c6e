#include "consistency/checker.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"

namespace ndb::consistency {
namespace {

constexpr std::size_t kMostReported = 5;
constexpr std::size_t kMostLines = 40;

// The highest version of all events that ended before a time.
class Bound {
 public:
  void add(Nanos ended, Version version) { steps_.emplace_back(ended, version); }

  // Call it after the last add(). Keeps only the increases.
  void finish() {
    std::ranges::sort(steps_);
    Version highest = 0;
    std::erase_if(steps_, [&](const auto& step) {
      return step.second <= std::exchange(highest, std::max(highest, step.second));
    });
  }
  Version before(Nanos begin) const {
    const auto after = std::ranges::lower_bound(steps_, begin, {}, &std::pair<Nanos, Version>::first);
    return after == steps_.begin() ? 0 : std::prev(after)->second;
  }

 private:
  std::vector<std::pair<Nanos, Version>> steps_;
};

// The facts about one key that are needed to check its reads.
struct KeyFacts {
  Bound acknowledged;
  std::vector<const Write*> deletes;          // of known version that were applied, in its order
  Nanos first_unknown_delete = kNever;        // the call of the first delete that may be applied at any version
  absl::flat_hash_map<Version, Nanos> ended;  // of the first read that returned the version
  Bound returned;
};

class Judge {
 public:
  explicit Judge(const History& history) : history_(&history), keys_(history.counters.size()) {}

  Report run() {
    take_writes();
    bound_reads();
    for (const Read& read : history_->reads) judge(read);
    judge_finals();
    return std::move(report_);
  }

 private:
  using SessionKey = std::pair<SessionId, KeyIndex>;

  void take_writes() {
    for (const Write& write : history_->writes) {
      KeyFacts& key = keys_[write.key];
      writes_.emplace(std::pair(write.id, write.key), &write);
      ++report_.writes;
      report_.acknowledged += write.is_acknowledged() ? 1 : 0;
      report_.unknown += write.is_unknown() ? 1 : 0;
      if (write.is_acknowledged()) {
        if (write.version == 0)
          violate(Property::kValue, write.key, "a write was acknowledged that the Datastore gave no version", nullptr);
        key.acknowledged.add(write.acknowledged, write.version);
        sessions_[SessionKey(write.session, write.key)].add(write.acknowledged, write.version);
      }
      if (write.erases && write.version != 0) key.deletes.push_back(&write);
      if (write.erases && write.version == 0 && write.may_apply()) {
        key.first_unknown_delete = std::min(key.first_unknown_delete, write.invoked);
      }
    }
    for (KeyFacts& key : keys_) {
      key.acknowledged.finish();
      std::ranges::sort(key.deletes, {}, &Write::version);
    }
  }

  // The lowest version as of which the key may have been absent for a read that must not see less than `floor`;
  // nullopt if it can't have been.
  std::optional<Version> absent_since(const KeyFacts& key, Version floor, Nanos end) const {
    if (floor == 0) return 0;                          // the initial state
    if (key.first_unknown_delete < end) return floor;  // which may have any version
    auto it = std::ranges::lower_bound(key.deletes, floor, {}, &Write::version);
    while (it != key.deletes.end() && (*it)->invoked >= end) ++it;
    return it == key.deletes.end() ? std::nullopt : std::optional((*it)->version);
  }

  const Write* written(const Read& read) const {
    const auto found = writes_.find(std::pair(read.id, read.key));
    return found == writes_.end() ? nullptr : found->second;
  }

  // The lowest version that the read proves; 0 if it proves none.
  Version shown(const Read& read) const {
    if (read.id == 0) {
      const KeyFacts& key = keys_[read.key];
      return absent_since(key, key.acknowledged.before(read.begin), read.end).value_or(0);
    }
    const Write* write = written(read);
    return write == nullptr ? 0 : write->version;
  }

  void bound_reads() {
    for (const Read& read : history_->reads) {
      // A read from a context's cache is as old as the read that filled it, which is checked already.
      if (read.tier == Tier::kContext) continue;
      const Version version = shown(read);
      if (version == 0) continue;
      if (read.remembered) sessions_[SessionKey(read.session, read.key)].add(read.end, version);
      Nanos& ended = keys_[read.key].ended.try_emplace(version, read.end).first->second;
      ended = std::min(ended, read.end);
    }
    for (KeyFacts& key : keys_) {
      for (const auto& [version, ended] : key.ended) key.returned.add(ended, version);
      key.returned.finish();
    }
    for (auto& [key, bound] : sessions_) bound.finish();
  }

  void judge(const Read& read) {
    ++report_.reads[static_cast<std::size_t>(read.tier)];
    if (!judge_value(read)) return;
    const KeyFacts& key = keys_[read.key];
    if (read.tier == Tier::kContext) {
      const auto own = sessions_.find(SessionKey(read.session, read.key));
      judge_age(read, Property::kSession, own == sessions_.end() ? 0 : own->second.before(read.begin));
      return;
    }
    if (!judge_age(read, Property::kP1, key.acknowledged.before(read.begin))) return;
    judge_age(read, Property::kP3, key.returned.before(read.begin));
  }

  bool judge_value(const Read& read) {
    if (read.id == 0) return true;
    const Write* write = written(read);
    if (write == nullptr)
      return violate(Property::kValue, read.key,
                     cat("a read returned ", text(read.id), ", which was never written to its key"), &read);
    if (write->invoked >= read.end)
      return violate(Property::kValue, read.key, cat("a read returned ", text(read.id), " before it was written"),
                     &read);
    if (write->version == 0)
      return violate(Property::kValue, read.key,
                     cat("a read returned ", text(read.id), ", which the Datastore never had"), &read);
    return true;
  }

  bool judge_age(const Read& read, Property property, Version floor) {
    const bool stale =
        read.id == 0 ? !absent_since(keys_[read.key], floor, read.end).has_value() : written(read)->version < floor;
    if (!stale) return true;
    if (property == Property::kP3 && history_->locks_lost[read.key]) {
      ++report_.p3_exempt;
      return false;
    }
    const std::string_view than = property == Property::kP1 ? " was acknowledged before it began"
                                  : property == Property::kP3
                                      ? " had been returned by a read that ended before it began"
                                      : " was written or read before in the same context";
    const std::string version = read.id == 0 ? "absence" : cat("version ", written(read)->version);
    return violate(property, read.key, cat("a read returned ", version, ", but version ", floor, than), &read);
  }

  void judge_finals() {
    std::vector<std::pair<std::int64_t, std::int64_t>> increments(keys_.size());  // acknowledged, possible
    for (const Write& write : history_->writes) {
      if (!history_->counters[write.key]) continue;
      increments[write.key].first += write.is_acknowledged() ? 1 : 0;
      increments[write.key].second += write.may_apply() ? 1 : 0;
    }
    for (const Final& last : history_->finals) {
      const bool equal = last.served_absent ? last.id == 0 : last.id != 0 && last.served_version == last.version;
      if (last.served && !equal) {
        violate(Property::kP2, last.key,
                cat("memcache serves ", last.served_absent ? "absence" : cat("version ", last.served_version),
                    " for good, but the Datastore has ", last.id == 0 ? "nothing" : cat("version ", last.version)),
                nullptr);
      }
      const auto [least, most] = increments[last.key];
      if (history_->counters[last.key] && (last.count < least || last.count > most)) {
        violate(Property::kCounter, last.key,
                cat("the counter is ", last.count, " after ", least, " acknowledged increments and ", most - least,
                    " of unknown outcome"),
                nullptr);
      }
    }
  }

  bool violate(Property property, KeyIndex key, std::string what, const Read* read) {
    ++report_.count;
    if (report_.violations.size() < kMostReported) {
      report_.violations.push_back(
          {property, key, std::move(what), report_.violations.empty() ? excerpt(key, read) : ""});
    }
    return false;
  }

  static std::string text(WriteId id) { return cat("w", id >> 48, ".", (id >> 40) & 0xff, "#", id & 0xff'ffff'ffff); }

  // The events of the key from the write that the read returned until the read ended. Of the reads that returned the
  // same version, only the first and the last.
  std::string excerpt(KeyIndex key, const Read* last) const {
    const Nanos end = last == nullptr ? kNever : last->end;
    const Write* returned = last == nullptr || last->id == 0 ? nullptr : written(*last);
    const Nanos begin = returned == nullptr ? 0 : returned->invoked;
    std::multimap<Nanos, std::string> lines;
    for (const Write& write : history_->writes) {
      if (write.key != key || write.invoked > end || (write.is_acknowledged() && write.acknowledged < begin)) continue;
      const std::string what = cat(write.erases ? "delete " : "put ", text(write.id));
      lines.emplace(write.invoked, cat("call   ", what));
      const std::string version = write.version == 0 ? "" : cat(" = version ", write.version);
      if (write.is_acknowledged() && write.acknowledged <= end) {
        lines.emplace(write.acknowledged, cat("ack    ", what, version));
      } else if (!write.is_acknowledged()) {
        lines.emplace(write.invoked, cat(write.may_apply() ? "unknown " : "refused ", what, version));
      }
    }
    std::map<WriteId, std::pair<const Read*, const Read*>> reads;
    for (const Read& read : history_->reads) {
      if (read.key != key || read.end < begin || read.end > end) continue;
      if (last != nullptr && last->tier == Tier::kContext && read.session == last->session) {
        lines.emplace(read.end, line(read));
        continue;
      }
      auto& [first, latest] = reads.try_emplace(read.id, &read, &read).first->second;
      if (read.end < first->end) first = &read;
      if (read.begin > latest->begin) latest = &read;
    }
    for (const auto& [id, pair] : reads) {
      lines.emplace(pair.first->end, line(*pair.first));
      if (pair.second != pair.first) lines.emplace(pair.second->end, line(*pair.second));
    }
    return print(lines, returned == nullptr && !lines.empty() ? lines.begin()->first : begin, last);
  }

  static std::string line(const Read& read) {
    static constexpr std::array<std::string_view, kTiers> kNames{"context", "memcache", "Datastore", "transaction"};
    return cat("read   ", read.id == 0 ? "absence" : text(read.id), " from ",
               kNames[static_cast<std::size_t>(read.tier)], ", begun ", (read.end - read.begin) / 1000,
               " us before, by w", read.session >> 48, ".", (read.session >> 40) & 0xff);
  }

  std::string print(const std::multimap<Nanos, std::string>& lines, Nanos start, const Read* last) const {
    std::string out;
    std::size_t skip = lines.size() > kMostLines ? lines.size() - kMostLines : 0;
    if (skip > 0) out += cat("  (", skip, " earlier events left out)\n");
    for (const auto& [time, what] : lines) {
      if (skip > 0) {
        --skip;
        continue;
      }
      const std::string at = std::to_string((time - start) / 1000);
      out += cat("  ", std::string(10 - std::min<std::size_t>(at.size(), 9), ' '), at, " us  ", what, "\n");
    }
    if (last != nullptr) out += cat("  => ", line(*last), "\n");
    return out;
  }

  const History* history_;
  std::vector<KeyFacts> keys_;
  absl::flat_hash_map<std::pair<WriteId, KeyIndex>, const Write*> writes_;
  absl::flat_hash_map<SessionKey, Bound> sessions_;
  Report report_;
};

}  // namespace

std::string_view name(Property property) {
  switch (property) {
    case Property::kP1:
      return "P1";
    case Property::kP2:
      return "P2";
    case Property::kP3:
      return "P3";
    case Property::kSession:
      return "session";
    case Property::kCounter:
      return "counter";
    case Property::kValue:
      return "value";
  }
  return "?";
}

Report check(const History& history) { return Judge(history).run(); }

}  // namespace ndb::consistency
