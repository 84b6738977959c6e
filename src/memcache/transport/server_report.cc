#include "memcache/transport/server_report.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

#include "base/log.h"
#include "base/strings.h"
#include "memcache/protocol/transitions.h"
#include "memcache/transport/connection.h"

namespace ndb::memcache {
namespace {

using Settings = Connection::Settings;

constexpr std::size_t kAskedAtOnce = 32;

// Nothing if the server does not report it.
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

// Servers before 1.4.33 do not report it; those that have it switched off report 61 and `temp_lru no`.
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

// The server's report of itself, without the ring.
ServerStats report_of(const Address& address, const Config& config) {
  ServerStats stats{.address = address.to_string()};
  Connection connection(address, config);
  const std::optional<Settings> settings = connection.stats("settings");
  const std::optional<Settings> counted = settings ? connection.stats("") : std::nullopt;
  stats.answers = counted && !settings->empty() && !counted->empty();
  if (!stats.answers) {
    stats.warnings.emplace_back("it does not answer: reads go to the Datastore and writes fail until it does");
    return stats;
  }
  if (const auto version = counted->find("version"); version != counted->end()) stats.version = version->second;
  stats.uptime = seconds(number(*counted, "uptime").value_or(0));
  stats.items = count(*counted, "curr_items");
  stats.bytes = count(*counted, "bytes");
  stats.limit_bytes = count(*counted, "limit_maxbytes");
  stats.hits = count(*counted, "get_hits");
  stats.misses = count(*counted, "get_misses");
  stats.evictions = count(*counted, "evictions");
  stats.temporary_ttl = temporary_ttl(*settings);
  stats.warnings = judge(*settings, config);
  return stats;
}

}  // namespace

std::vector<ServerStats> reports_of(const Cluster& cluster) {
  std::vector<ServerStats> reports(cluster.size());
  std::atomic<std::size_t> next{0};
  const auto ask = [&] {
    for (std::size_t server = next++; server < reports.size(); server = next++) {
      reports[server] = report_of(cluster.address(server), cluster.config());
    }
  };
  std::vector<std::thread> helpers;
  while (helpers.size() + 1 < std::min(reports.size(), kAskedAtOnce)) {
    try {
      helpers.emplace_back(ask);
    } catch (const std::system_error&) {  // there can be no more threads
      break;
    }
  }
  ask();
  for (std::thread& helper : helpers) helper.join();
  return reports;
}

void log_warnings(const Cluster& cluster) {
  for (const ServerStats& stats : reports_of(cluster)) {
    for (const std::string& warning : stats.warnings) {
      log(Severity::kWarning, cat("memcached server ", stats.address, ": ", warning));
    }
  }
}

}  // namespace ndb::memcache
