// The gold versions of the process-wide cache.

#include <utility>

#include "base/strings.h"
#include "memcache/operations/memcache_gateway.h"

namespace ndb::memcache {
namespace {

constexpr int kResets = 3;  // attempts

}  // namespace

// A blind set is safe: whatever tag it replaces, values under that tag are no longer served. The new tag is read back,
// because the answer to the set would not show whether the right item was stored intact.
absl::Status MemcacheGateway::reset_tags(std::span<const std::string> names, seconds timeout) {
  if (fenced()) return ring_error();
  struct Reset {
    const std::string* of;
    std::string name;
    bool stands = false;
  };
  std::vector<Reset> left;
  left.reserve(names.size());
  for (const std::string& name : names) left.push_back({&name, tag_name(name)});
  for (int attempt = 0; attempt < kResets && !left.empty(); ++attempt) {
    std::vector<Command> commands;
    commands.reserve(left.size());
    for (const Reset& reset : left) {
      commands.push_back({.server = cluster_->home(reset.name),
                          .name = reset.name,
                          .store = new_tag(Verb::kSet, timeout, now()),
                          .insist = true});
    }
    connections_.mine().round_trip(
        commands, [&](std::size_t i, const Item& item) { left[i].stands = item.body == commands[i].store->body; });
    for (std::size_t i = 0; i < left.size(); ++i) left[i].stands &= commands[i].answered;
    std::erase_if(left, [](const Reset& reset) { return reset.stands; });
  }
  if (left.empty()) return absl::OkStatus();
  const Reset& first = left.front();
  return absl::UnavailableError(cat("memcached server ", cluster_->address(cluster_->home(first.name)).to_string(),
                                    " did not confirm that ", quoted(*first.of), " is invalidated"));
}

}  // namespace ndb::memcache
