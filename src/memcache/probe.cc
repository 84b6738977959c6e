// What the servers say about themselves, and what it means for how well the protocol will do.

#include <libmemcached/memcached.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/log.h"
#include "base/strings.h"
#include "memcache/memcache_gateway.h"

namespace ndb::memcache {
namespace {

using Settings = std::map<std::string, std::string, std::less<>>;

memcached_return_t keep(const memcached_instance_st*, const char* name, std::size_t name_size, const char* value,
                        std::size_t value_size, void* settings) {
  static_cast<Settings*>(settings)->emplace(std::string(name, name_size), std::string(value, value_size));
  return MEMCACHED_SUCCESS;
}

// Nothing if the server does not say.
std::optional<std::int64_t> number(const Settings& settings, std::string_view name) {
  const auto it = settings.find(name);
  if (it == settings.end()) return std::nullopt;
  std::int64_t value = 0;
  const char* const end = it->second.data() + it->second.size();
  const auto [parsed, error] = std::from_chars(it->second.data(), end, value);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return value;
}

std::uint64_t count(const Settings& counters, std::string_view name) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number(counters, name).value_or(0), 0));
}

// Servers before 1.4.33 have none at all; those that have it off say 61 and `temp_lru no`.
seconds temporary_ttl(const Settings& settings) {
  const auto on = settings.find("temp_lru");
  if (on != settings.end() && on->second == "no") return seconds(0);
  return seconds(number(settings, "temporary_ttl").value_or(0));
}

std::vector<std::string> judge(const Settings& settings, const Config& config) {
  std::vector<std::string> warnings;
  if (const auto cas = settings.find("cas_enabled"); cas != settings.end() && cas->second == "no") {
    warnings.emplace_back("CAS is off (-C): nothing can be cached; start it without -C");
  }
  if (const seconds ttl = temporary_ttl(settings); ttl < kLongestLock || ttl >= kBeyondTemporary) {
    warnings.push_back(cat("write locks can be evicted when memory runs short, because temporary_ttl is ",
                           ttl == seconds(0) ? "off" : cat(ttl.count()), "; start it with -o temporary_ttl=400"));
  }
  if (const auto size = number(settings, "item_size_max");
      size && *size != static_cast<std::int64_t>(config.max_item_size)) {
    warnings.push_back(cat("it takes items of ", *size, " bytes (-I) but max_item_size is ", config.max_item_size,
                           "; make them the same"));
  }
  return warnings;
}

}  // namespace

ServerStats probe(const Address& address, const Config& config) {
  ServerStats stats{.address = address.to_string()};
  const MemcachedPtr client = make_client(address, config);
  Settings settings, counters;
  const auto ask = [&](const char* what, Settings& into) {
    return memcached_stat_execute(client.get(), what, keep, &into) == MEMCACHED_SUCCESS && !into.empty();
  };
  stats.answers = ask("settings", settings) && ask(nullptr, counters);
  if (!stats.answers) {
    stats.warnings.emplace_back("it does not answer: reads go to the Datastore and writes fail until it does");
    return stats;
  }
  if (const auto version = counters.find("version"); version != counters.end()) stats.version = version->second;
  stats.uptime = seconds(number(counters, "uptime").value_or(0));
  stats.items = count(counters, "curr_items");
  stats.bytes = count(counters, "bytes");
  stats.limit_bytes = count(counters, "limit_maxbytes");
  stats.hits = count(counters, "get_hits");
  stats.misses = count(counters, "get_misses");
  stats.evictions = count(counters, "evictions");
  stats.temporary_ttl = temporary_ttl(settings);
  stats.warnings = judge(settings, config);
  return stats;
}

void warn(const Cluster& cluster) {
  for (std::size_t server = 0; server < cluster.size(); ++server) {
    const ServerStats stats = probe(cluster.address(server), cluster.config());
    for (const std::string& warning : stats.warnings) {
      log(Severity::kWarning, cat("memcached server ", stats.address, ": ", warning));
    }
  }
}

}  // namespace ndb::memcache
