#include "memcache/operations/ring_guard.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "memcache/protocol/transitions.h"
#include "memcache/transport/connection.h"

namespace ndb::memcache {
namespace {

constexpr std::string_view kName = "ndbr:ring";
constexpr std::chrono::seconds kInterval{300}, kRetry{30}, kFencedRetry{1};
// Longer than two check intervals, so that a list in use never disappears; and too long for the class of items that are
// never evicted.
constexpr seconds kRemembered{660};
static_assert(kRemembered > 2 * kInterval && kRemembered > kBeyondTemporary);

std::string sorted_list(const Cluster& cluster) {
  std::vector<std::string> addresses;
  addresses.reserve(cluster.size());
  for (std::size_t server = 0; server < cluster.size(); ++server) {
    addresses.push_back(cluster.address(server).to_string());
  }
  std::ranges::sort(addresses);
  std::string list;
  for (const std::string& address : addresses) list += cat(list.empty() ? "" : " ", address);
  return list;
}

}  // namespace

bool RingGuard::agrees() {
  if (cluster_.config().ring_check == RingCheck::kOff) return true;
  Monotonic due = next_.load(std::memory_order_relaxed);
  const Monotonic now = cluster_.clock().monotonic();
  // Of the callers that find the check due, one makes it; the check sets the next time itself.
  if (now >= due && next_.compare_exchange_strong(due, now + kInterval)) check();
  return agrees_.load(std::memory_order_relaxed);
}

void RingGuard::check() {
  if (cluster_.config().ring_check == RingCheck::kOff) return;
  const std::string list = sorted_list(cluster_);
  bool differs = false, silent = false;
  for (std::size_t server = 0; server < cluster_.size(); ++server) {
    const Answer answer = ask(server, list);
    differs |= answer == Answer::kDiffers;
    silent |= answer == Answer::kNone;
  }
  agrees_ = !differs;
  const bool fencing = cluster_.config().ring_check == RingCheck::kEnforce && (differs || silent);
  const auto pause = fencing ? kFencedRetry : silent ? kRetry : kInterval;
  next_ = cluster_.clock().monotonic() + pause;
}

RingGuard::Answer RingGuard::ask(std::size_t server, const std::string& list) {
  Connection connection(cluster_.address(server), cluster_.config());
  Store store{.verb = Verb::kAdd, .body = list, .ttl = kRemembered.count()};
  const std::string_view names[] = {kName};
  std::optional<std::string> found;
  const bool answered = connection.store_quietly(kName, store) && connection.ask(names) &&
                        connection.fetch(names, [&](std::size_t, const Item& item) {
                          found.emplace(item.body);
                          store.unique = item.unique;
                        });
  if (!answered || !found) return Answer::kNone;
  if (const auto why = objection(*found)) {
    ++cluster_.counters().ring_mismatches;
    // Logged once, until they have agreed again.
    if (agrees_) log(Severity::kError, cat("memcached server ", cluster_.address(server).to_string(), ": ", *why));
    return Answer::kDiffers;
  }
  store.verb = Verb::kCas;  // confirms the list
  connection.store(kName, store);
  return Answer::kAgrees;
}

std::optional<std::string> RingGuard::remembered(std::size_t server) const {
  Connection connection(cluster_.address(server), cluster_.config());
  const std::string_view names[] = {kName};
  std::optional<std::string> found;
  const bool answered = connection.ask(names) &&
                        connection.fetch(names, [&](std::size_t, const Item& item) { found.emplace(item.body); });
  return answered ? found : std::nullopt;
}

std::optional<std::string> RingGuard::objection(std::string_view remembered) const {
  const std::string list = sorted_list(cluster_);
  if (remembered == list) return std::nullopt;
  return cat("it is used with another list of servers (", remembered, ") than this client's (", list,
             "): entities may be stale; give all programs the same list");
}

}  // namespace ndb::memcache
