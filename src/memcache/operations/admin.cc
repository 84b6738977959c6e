// The functions for operators: inspection of records and servers, flushing all servers.

#include <utility>

#include "base/strings.h"
#include "memcache/operations/memcache_gateway.h"
#include "memcache/transport/server_report.h"

namespace ndb::memcache {
namespace {

WallTime time_of(std::uint32_t unix_time) { return WallTime(seconds(unix_time)); }

std::optional<WallTime> time_if_any(std::uint32_t unix_time) {
  return unix_time == 0 ? std::nullopt : std::optional(time_of(unix_time));
}

Inspection::State shown(State state) {
  switch (state) {
    case State::kEmpty:
      return Inspection::State::kEmpty;
    case State::kLock:
      return Inspection::State::kLock;
    case State::kValue:
      return Inspection::State::kValue;
    case State::kNeg:
      return Inspection::State::kNeg;
    case State::kCached:
      return Inspection::State::kCached;
  }
  return Inspection::State::kForeign;
}

void describe(const Item& item, const Key& key, Inspection& inspection) {
  inspection.stored_size = item.body.size();
  Record record;
  switch (parse_whole(item.flags, item.body, key.bytes(), record)) {
    case Parsed::kUnknown:
      inspection.state = Inspection::State::kForeign;
      return;
    case Parsed::kCorrupt:
      inspection.state = Inspection::State::kCorrupt;
      return;
    case Parsed::kRecord:
      break;
  }
  inspection.state = shown(record.state);
  inspection.version = record.version;
  inspection.read_time = record.read_time;
  inspection.expiry = time_if_any(record.expiry);
  inspection.contended_until = time_if_any(record.contended_until);
  for (const Holder& holder : record.holders) inspection.holders.push_back(time_of(holder.deadline));
  inspection.payload = std::move(record.payload);
}

}  // namespace

std::vector<Inspection> MemcacheGateway::inspect(std::span<const Key> keys) {
  std::vector<Inspection> inspections(keys.size());
  std::vector<Command> commands(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Place where = records_.place(keys[i]);
    inspections[i].state = Inspection::State::kAbsent;
    inspections[i].server = cluster_->address(where.server).to_string();
    inspections[i].name = std::move(where.name);
    commands[i] = {.server = where.server, .name = inspections[i].name};
  }
  connections_.mine().round_trip(commands,
                                 [&](std::size_t i, const Item& item) { describe(item, keys[i], inspections[i]); });
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Inspection& one = inspections[i];
    if (!commands[i].answered) one = {.server = std::move(one.server), .name = std::move(one.name)};
  }
  return inspections;
}

std::vector<ServerStats> MemcacheGateway::server_stats() {
  std::vector<ServerStats> all = reports_of(*cluster_);
  for (std::size_t server = 0; server < all.size(); ++server) {
    ServerStats& stats = all[server];
    if (!stats.answers) continue;
    stats.ring = ring_.remembered(server);
    const auto objection = stats.ring ? ring_.objection(*stats.ring) : std::nullopt;
    if (objection) stats.warnings.push_back(*objection);
  }
  return all;
}

std::vector<absl::Status> MemcacheGateway::flush_all() {
  std::vector<absl::Status> flushed;
  for (std::size_t server = 0; server < cluster_->size(); ++server) {
    const bool ok =
        connections_.mine().with(server, [](Connection& connection) { return connection.flush_all(); }).has_value();
    flushed.push_back(ok ? absl::OkStatus()
                         : absl::UnavailableError(cat("memcached server ", cluster_->address(server).to_string(),
                                                      " did not confirm flush_all; it may be down, or run with -F")));
  }
  return flushed;
}

}  // namespace ndb::memcache
