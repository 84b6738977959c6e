#include "tools/cache_words.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/strings.h"
#include "ndb/detail/payload.h"
#include "ndb/entity.h"
#include "ndb/handle.h"
#include "ndb/value.h"

namespace ndb::tools {
namespace {

using memcache::Inspection;
using State = memcache::Inspection::State;

// The duration in its two largest units.
std::string span(std::chrono::seconds time) {
  static constexpr std::pair<std::int64_t, std::string_view> kUnits[] = {
      {86400, " d"}, {3600, " h"}, {60, " min"}, {1, " s"}};
  std::string out;
  int shown = 0;
  for (std::int64_t left = time.count(); const auto& [size, unit] : kUnits) {
    if (left < size || shown == 2) continue;
    out += cat(shown++ == 0 ? "" : " ", left / size, unit);
    left %= size;
  }
  return out.empty() ? "0 s" : out;
}

std::string when(WallTime time, WallTime now) {
  const auto distance = std::chrono::floor<std::chrono::seconds>(time > now ? time - now : now - time);
  return cat(Value(time).to_string(), time > now ? " (in " : " (", span(distance), time > now ? ")" : " ago)");
}

std::string served(const Inspection& record, WallTime now) {
  if (!record.expiry) return "served until somebody writes the entity";
  if (*record.expiry > now) return cat("served until ", when(*record.expiry, now));
  return cat("expired at ", when(*record.expiry, now), ": not served, and the next reader empties it");
}

std::string source(const Inspection& record, WallTime now) {
  return cat("as of version ", record.version, ", read from the Datastore at ", when(record.read_time, now));
}

std::string size(const Inspection& record) {
  const bool compressed = record.stored_size < record.payload.size();
  return cat(record.payload.size(), " bytes, ", compressed ? "compressed to" : "in", " a record of ",
             record.stored_size, " bytes");
}

std::string properties(const Key& key, const std::string& payload) {
  auto decoded = detail::decode_entity(detail::info<Entity>(), key, payload);
  if (!decoded.ok()) return cat("    cannot be decoded: ", from_absl(decoded.status().message()), "\n");
  std::string out;
  for (const auto& [name, value] : detail::HandleAccess::wrap<Entity>(key, *std::move(decoded))) {
    out += cat("    ", name, ": ", value.to_string(), "\n");
  }
  return out;
}

std::string value_in_words(const Key& key, const Inspection& record, WallTime now) {
  return cat("VALUE: the entity ", source(record, now), "; ", size(record), "; ", served(record, now), "\n",
             properties(key, record.payload));
}

std::string cached_in_words(const Key& key, const Inspection& record, WallTime now) {
  return cat("CACHED: an entity that lives in memcache alone; ", size(record), "; ", served(record, now),
             "; readers of the Datastore may fill it with version ", record.version, " or later\n",
             properties(key, record.payload));
}

std::string lock_in_words(const Inspection& record, WallTime now) {
  const std::size_t writers = record.holders.size();
  std::string out = cat("LOCK: ", writers == 0 ? "no" : cat(writers), writers == 1 ? " writer" : " writers",
                        "; not served and not filled; what comes next has version ", record.version, " or later\n");
  for (const WallTime deadline : record.holders) {
    out += cat("    a writer, protected until ", when(deadline, now), "\n");
  }
  if (record.contended_until) {
    out += cat("    contended until ", when(*record.contended_until, now),
               ": until then it protects writers that it does not list\n");
  }
  return out;
}

std::string state_in_words(const Key& key, const Inspection& record, WallTime now) {
  switch (record.state) {
    case State::kNoAnswer:
      return "the server does not answer\n";
    case State::kAbsent:
      return "ABSENT: nothing; the next reader asks the Datastore and fills it\n";
    case State::kEmpty:
      return cat("EMPTY: nothing; the next reader may fill it with version ", record.version, " or later\n");
    case State::kLock:
      return lock_in_words(record, now);
    case State::kValue:
      return value_in_words(key, record, now);
    case State::kNeg:
      return cat("NEG: known not to exist ", source(record, now), "; ", served(record, now), "\n");
    case State::kCached:
      return cached_in_words(key, record, now);
    case State::kForeign:
      return cat("FOREIGN: ", record.stored_size,
                 " bytes of another format, perhaps a newer program's lock; not served and not filled\n");
    case State::kCorrupt:
      return cat("CORRUPT: ", record.stored_size,
                 " bytes that are damaged or belong to another key; not served and not filled\n");
  }
  return "";
}

std::string percent(std::uint64_t part, std::uint64_t whole) { return whole == 0 ? "-" : cat(part * 100 / whole, "%"); }

}  // namespace

std::string in_words(const Key& key, const Inspection& record, WallTime now) {
  return cat(key.to_string(), "\n  at ", record.server, " as ", record.name, "\n  ", state_in_words(key, record, now));
}

std::string in_words(const memcache::ServerStats& server) {
  std::string out = cat(server.address, "\n");
  if (server.answers) {
    const std::uint64_t reads = server.hits + server.misses;
    const auto ttl = server.temporary_ttl.count();
    out += cat("  version ", server.version, ", up ", span(server.uptime), "\n");
    out += cat("  ", server.items, " items, ", server.bytes, " of ", server.limit_bytes, " bytes (",
               percent(server.bytes, server.limit_bytes), ")\n");
    out += cat("  hit ratio ", percent(server.hits, reads), " (", server.hits, " of ", reads, " items asked for), ",
               server.evictions, " evictions\n");
    out += cat("  temporary_ttl ", ttl == 0 ? "off" : cat(ttl), "\n");
    out += cat("  servers that its clients use (ndbr:ring): ", server.ring.value_or("none remembered"), "\n");
  }
  for (const std::string& warning : server.warnings) out += cat("  warning: ", warning, "\n");
  return out;
}

}  // namespace ndb::tools
