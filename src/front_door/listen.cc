#include "front_door/listen.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

absl::Status cannot_listen(std::string_view host_port, const error_code& error) {
  return absl::UnavailableError(cat("the local Datastore cannot listen on ", quoted(host_port), ": ", error.message(),
                                    "; choose a free port as host:port"));
}

// It would be ambiguous which colon precedes the port, for clients too.
absl::Status check_brackets(std::string_view host_port) {
  const std::string_view host = host_port.substr(0, host_port.rfind(':'));
  if (host.find(':') == std::string_view::npos || host.starts_with('[')) return absl::OkStatus();
  return absl::InvalidArgumentError(
      cat("an address of IPv6 is written in brackets, as [::1]:8081; this is ", quoted(host_port)));
}

std::vector<tcp::endpoint> resolve(asio::io_context& io, std::string_view host_port, error_code& error) {
  const std::size_t colon = host_port.rfind(':');
  if (colon == std::string_view::npos) {
    error = asio::error::invalid_argument;
    return {};
  }
  std::string_view host = host_port.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  tcp::resolver resolver(io);
  const auto flags = tcp::resolver::passive | tcp::resolver::numeric_service;
  std::vector<tcp::endpoint> endpoints;
  for (const auto& result :
       resolver.resolve(std::string(host), std::string(host_port.substr(colon + 1)), flags, error)) {
    if (std::find(endpoints.begin(), endpoints.end(), result.endpoint()) == endpoints.end()) {
      endpoints.push_back(result.endpoint());
    }
  }
  return endpoints;
}

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

void open(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, error_code& error) {
  if (acceptor.open(endpoint.protocol(), error)) return;
  close_on_exec(acceptor.native_handle());
  if (acceptor.set_option(tcp::acceptor::reuse_address(true), error)) return;
  if (acceptor.set_option(tcp::no_delay(true), error)) return;  // accepted sockets inherit it
  // [::] means all addresses, while ::1 and 127.0.0.1 are separate.
  const asio::ip::v6_only v6_only(!endpoint.address().is_unspecified());
  if (endpoint.address().is_v6() && acceptor.set_option(v6_only, error)) return;
  if (acceptor.bind(endpoint, error)) return;
  error = acceptor.listen(tcp::acceptor::max_listen_connections, error);
}

// A machine without IPv6 may still have a name for it.
bool is_absent(const error_code& error) {
  return error == asio::error::address_family_not_supported || error == boost::system::errc::address_not_available;
}

}  // namespace

absl::StatusOr<Listeners> listen(asio::io_context& io, const std::string& host_port, bool exposed) {
  NDB_RETURN_IF_ERROR(check_brackets(host_port));
  error_code error;
  const std::vector<tcp::endpoint> endpoints = resolve(io, host_port, error);
  if (error) return cannot_listen(host_port, error);
  for (const tcp::endpoint& endpoint : endpoints) {
    if (exposed || is_loopback(endpoint.address())) continue;
    return absl::FailedPreconditionError(
        cat("the local Datastore does not listen on ", quoted(host_port),
            ", where the network could read and write everything; ask for a token (--auth-token), or say that this is "
            "meant (--allow-unauthenticated)"));
  }
  // All addresses of a name get the same port. One that is free on the first address may be in use on another.
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {
    Listeners listeners;
    std::uint16_t port = endpoints.front().port();
    error_code absent;
    for (tcp::endpoint endpoint : endpoints) {
      endpoint.port(port);
      tcp::acceptor acceptor(io);
      open(acceptor, endpoint, error);
      if (is_absent(error)) {
        absent = std::exchange(error, {});
        continue;
      }
      if (error) break;
      port = acceptor.local_endpoint(error).port();
      listeners.acceptors.push_back(std::move(acceptor));
    }
    if (!error && listeners.acceptors.empty()) return cannot_listen(host_port, absent);
    if (!error) {
      listeners.address = cat(host_port.substr(0, host_port.rfind(':')), ':', port);
      return listeners;
    }
    if (endpoints.front().port() != 0) break;
  }
  return cannot_listen(host_port, error);
}

std::size_t max_files() {
  rlimit files{};
  return getrlimit(RLIMIT_NOFILE, &files) == 0 ? static_cast<std::size_t>(files.rlim_cur) : 1024;
}

void close_on_exec(int socket) { (void)fcntl(socket, F_SETFD, FD_CLOEXEC); }

}  // namespace ndb::local
