#include "memcache/transport/cluster.h"

#include <utility>

#include "base/error.h"
#include "base/status_macros.h"

namespace ndb::memcache {

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::make(Config config) {
  if (config.servers.empty()) return bad_argument("no memcached server is given; name at least one host:port");
  if (config.connect_timeout.count() <= 0 || config.io_timeout.count() <= 0) {
    return bad_argument("memcache time-outs for connecting, sending and receiving must be positive");
  }
  std::vector<Address> addresses;
  addresses.reserve(config.servers.size());
  for (const std::string& text : config.servers) {
    NDB_ASSIGN_OR_RETURN(Address address, parse_address(text));
    addresses.push_back(std::move(address));
  }
  return std::unique_ptr<Cluster>(new Cluster(std::move(config), std::move(addresses)));
}

Cluster::Cluster(Config config, std::vector<Address> addresses)
    : config_(std::move(config)), addresses_(std::move(addresses)), continuum_(addresses_) {
  for (std::size_t server = 0; server < size(); ++server) breakers_.emplace_back(clock());
}

bool Cluster::fits(std::string_view name, std::size_t size) const {
  constexpr std::size_t kItemHeader = 128;  // memcached's own, generously
  return name.size() + size + kItemHeader <= config_.max_item_size;
}

}  // namespace ndb::memcache
