#include "memcache/transport/continuum.h"

#include <libhashkit-1.0/hashkit.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/strings.h"

namespace ndb::memcache {
namespace {

constexpr std::uint16_t kDefaultPort = 11211;
constexpr std::size_t kPointsPerDigest = 4;

using Digest = std::array<unsigned char, 16>;

Digest md5(std::string_view text) {
  Digest digest{};
  libhashkit_md5_signature(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

std::uint32_t number(const Digest& digest, std::size_t at) {
  const std::string_view bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
  return load_le<std::uint32_t>(bytes, at * sizeof(std::uint32_t));
}

std::string name_of(const Address& server) {
  return !server.is_socket && server.port == kDefaultPort ? server.host : cat(server.host, ':', server.port);
}

// 40, or 39 for those numbers of servers whose share of the continuum is rounded down in single precision. libmemcached
// counts this way, and one point more would move keys to another home. (With more than a hundred servers libmemcached
// aborts the process.)
std::size_t digests_per_server(std::size_t servers) {
  constexpr std::size_t kMostOfLibmemcached = 100;
  if (servers > kMostOfLibmemcached) return 40;
  const auto count = static_cast<float>(servers);
  const float share = 1.0F / count;
  return static_cast<std::size_t>(std::floor(share * 160.0F / 4.0F * count + 0.0000000001F));
}

}  // namespace

Continuum::Continuum(std::span<const Address> servers) {
  if (servers.size() == 1) return;
  const std::size_t digests = digests_per_server(servers.size());
  points_.reserve(servers.size() * digests * kPointsPerDigest);
  for (std::size_t server = 0; server < servers.size(); ++server) {
    const std::string name = name_of(servers[server]);
    for (std::size_t i = 0; i < digests; ++i) {
      const Digest digest = md5(cat(name, '-', i));
      for (std::size_t at = 0; at < kPointsPerDigest; ++at) {
        points_.push_back({number(digest, at), static_cast<std::uint32_t>(server)});
      }
    }
  }
  std::ranges::sort(points_);
}

std::size_t Continuum::home(std::string_view name) const {
  if (points_.empty()) return 0;
  const auto next = std::ranges::lower_bound(points_, number(md5(name), 0), {}, &Point::value);
  return next == points_.end() ? points_.front().server : next->server;
}

}  // namespace ndb::memcache
