#include "memcache/cluster.h"

#include <libmemcached/memcached.h>

#include <charconv>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::memcache {
namespace {

absl::Status bad_address(std::string_view text, std::string_view why) {
  return bad_argument(cat("memcached server ", quoted(text), " is malformed: ", why,
                          "; write host:port, [v6]:port or /path/to/socket"));
}

void add_server(memcached_st* memcached, const Address& address) {
  if (address.is_socket) {
    memcached_server_add_unix_socket(memcached, address.host.c_str());
  } else {
    memcached_server_add(memcached, address.host.c_str(), address.port);
  }
}

std::uint64_t microseconds(std::chrono::milliseconds t) {
  return static_cast<std::uint64_t>(std::chrono::microseconds(t).count());
}

}  // namespace

std::string Address::to_string() const {
  if (is_socket) return host;
  return host.find(':') == host.npos ? cat(host, ':', port) : cat('[', host, "]:", port);
}

absl::StatusOr<Address> parse_address(std::string_view text) {
  if (text.empty()) return bad_address(text, "it is empty");
  if (text.find_first_of(std::string_view(" \t\r\n\0", 5)) != text.npos) return bad_address(text, "it has white space");
  if (text.front() == '/') return Address{.host = std::string(text), .port = 0, .is_socket = true};

  Address address;
  std::string_view rest;
  if (text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == text.npos) return bad_address(text, "the ] is missing");
    address.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = text.find(':');
    if (text.find(':', colon + 1) != text.npos && colon != text.npos)
      return bad_address(text, "an IPv6 address needs [ ]");
    address.host = text.substr(0, colon);
    rest = colon == text.npos ? std::string_view() : text.substr(colon);
  }
  if (address.host.empty()) return bad_address(text, "the host is missing");
  if (rest.empty()) return address;
  const char* const end = rest.data() + rest.size();
  const auto [parsed, error] = std::from_chars(rest.data() + 1, end, address.port);
  if (rest.front() != ':' || error != std::errc() || parsed != end || address.port == 0) {
    return bad_address(text, "the port is not a number from 1 to 65535");
  }
  return address;
}

void FreeMemcached::operator()(memcached_st* memcached) const { memcached_free(memcached); }

MemcachedPtr make_client(const Address& address, const Config& config) {
  MemcachedPtr client(memcached_create(nullptr));
  const auto set = [&](memcached_behavior_t behavior, std::uint64_t value) {
    memcached_behavior_set(client.get(), behavior, value);
  };
  set(MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
  set(MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
  set(MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, static_cast<std::uint64_t>(config.connect_timeout.count()));
  set(MEMCACHED_BEHAVIOR_POLL_TIMEOUT, static_cast<std::uint64_t>(config.io_timeout.count()));
  set(MEMCACHED_BEHAVIOR_SND_TIMEOUT, microseconds(config.io_timeout));
  set(MEMCACHED_BEHAVIOR_RCV_TIMEOUT, microseconds(config.io_timeout));
  add_server(client.get(), address);
  return client;
}

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::make(Config config) {
  if (config.servers.empty()) return bad_argument("no memcached server is given; name at least one host:port");
  if (config.connect_timeout.count() <= 0 || config.io_timeout.count() <= 0) {
    return bad_argument("memcache time-outs for connecting, sending and receiving must be positive");
  }
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(config)));
  cluster->ring_.reset(memcached_create(nullptr));
  memcached_behavior_set(cluster->ring_.get(), MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
  for (const std::string& text : cluster->config_.servers) {
    NDB_ASSIGN_OR_RETURN(Address address, parse_address(text));
    add_server(cluster->ring_.get(), address);
    cluster->addresses_.push_back(std::move(address));
    cluster->breakers_.emplace_back(cluster->clock());
  }
  return cluster;
}

std::size_t Cluster::home(std::string_view name) const {
  return size() == 1 ? 0 : memcached_generate_hash(ring_.get(), name.data(), name.size());
}

bool Cluster::fits(std::string_view name, std::size_t size) const {
  constexpr std::size_t kItemHeader = 128;  // memcached's own, generously
  return name.size() + size + kItemHeader <= config_.max_item_size;
}

}  // namespace ndb::memcache
