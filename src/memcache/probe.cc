// What the servers' settings say about how well the protocol will do.

#include <libmemcached/memcached.h>

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

void judge(const Address& address, const Settings& settings, const Config& config) {
  const auto warn = [&](std::string_view message) {
    log(Severity::kWarning, cat("memcached server ", address.to_string(), ": ", message));
  };
  if (const auto cas = settings.find("cas_enabled"); cas != settings.end() && cas->second == "no") {
    warn("CAS is off (-C): nothing can be cached; start it without -C");
  }
  // Servers before 1.4.33 have no temporary_ttl at all; those that have it off say 61 and `temp_lru no`.
  const auto on = settings.find("temp_lru");
  const std::int64_t ttl =
      on != settings.end() && on->second == "no" ? 0 : number(settings, "temporary_ttl").value_or(0);
  if (ttl < kLongestLock.count() || ttl >= kBeyondTemporary.count()) {
    warn(cat("write locks can be evicted when memory runs short, because temporary_ttl is ",
             ttl == 0 ? "off" : cat(ttl), "; start it with -o temporary_ttl=400"));
  }
  if (const auto size = number(settings, "item_size_max");
      size && *size != static_cast<std::int64_t>(config.max_item_size)) {
    warn(cat("it takes items of ", *size, " bytes (-I) but max_item_size is ", config.max_item_size,
             "; make them the same"));
  }
}

}  // namespace

void probe(const Cluster& cluster) {
  for (std::size_t server = 0; server < cluster.size(); ++server) {
    const MemcachedPtr client = make_client(cluster.address(server), cluster.config());
    Settings settings;
    const memcached_return_t code = memcached_stat_execute(client.get(), "settings", keep, &settings);
    if (code != MEMCACHED_SUCCESS || settings.empty()) {
      log(Severity::kWarning, cat("memcached server ", cluster.address(server).to_string(),
                                  " does not answer: reads go to the Datastore and writes fail until it does"));
      continue;
    }
    judge(cluster.address(server), settings, cluster.config());
  }
}

}  // namespace ndb::memcache
