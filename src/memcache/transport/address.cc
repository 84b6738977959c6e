#include "memcache/transport/address.h"

#include <charconv>

#include "base/error.h"
#include "base/strings.h"

namespace ndb::memcache {
namespace {

absl::Status bad_address(std::string_view text, std::string_view why) {
  return bad_argument(cat("memcached server ", quoted(text), " is malformed: ", why,
                          "; write host:port, [v6]:port or /path/to/socket"));
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

}  // namespace ndb::memcache
