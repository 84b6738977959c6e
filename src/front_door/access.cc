#include "front_door/access.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

std::string lower(std::string_view text) { return absl::AsciiStrToLower(to_absl(text)); }

// The host without port and brackets; empty if the text is not a host with an optional port.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return "";
    const std::string_view port = authority.substr(end + 1);
    return port.empty() || port.starts_with(':') ? authority.substr(1, end - 1) : "";
  }
  const std::size_t colon = authority.find(':');
  const std::string_view port = colon == std::string_view::npos ? "" : authority.substr(colon + 1);
  if (port.find_first_not_of("0123456789") != std::string_view::npos) return "";
  const std::string_view host = authority.substr(0, colon);
  return host.find_first_of("/@?# \t") == std::string_view::npos ? host : "";
}

// The length of "scheme://" in a target that is a whole URL, else 0.
std::size_t scheme_size(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (absl::StartsWithIgnoreCase(to_absl(target), to_absl(scheme))) return scheme.size();
  }
  return 0;
}

absl::Status check_origin(std::string_view origin) {
  const std::size_t scheme = scheme_size(origin);
  if (origin == "*" || (scheme > 0 && !host_of(origin.substr(scheme)).empty())) return absl::OkStatus();
  return absl::InvalidArgumentError(
      cat("an origin is written scheme://host:port, as http://localhost:3000, or * for all; this is ", quoted(origin)));
}

}  // namespace

std::string_view authority_of(const HttpHead& head) {
  const std::string_view target = view(head.target());
  const std::size_t scheme = scheme_size(target);
  if (scheme == 0) return view(head[http::field::host]);
  return target.substr(scheme, target.find_first_of("/?", scheme) - scheme);
}

std::string_view path_of(const HttpHead& head) {
  std::string_view target = view(head.target());
  if (const std::size_t scheme = scheme_size(target); scheme > 0) {
    target.remove_prefix(std::min(target.size(), target.find_first_of("/?", scheme)));
    if (target.empty() || target.front() == '?') return "/";
  }
  return target.substr(0, target.find('?'));
}

absl::StatusOr<Access> Access::make(Options options) {
  for (std::string& origin : options.origins) {
    if (origin.ends_with('/')) origin.pop_back();
    NDB_RETURN_IF_ERROR(check_origin(origin));
    origin = lower(origin);
  }
  for (std::string& host : options.hosts) {
    if (host_of(host) != host || host.empty()) {
      return absl::InvalidArgumentError(cat("a host is written without a port; this is ", quoted(host)));
    }
    host = lower(host);
  }
  return Access(std::move(options));
}

Access::Access(Options options) : options_(std::move(options)), bound_host_(lower(host_of(options_.host_port))) {
  boost::system::error_code none;
  const auto address = boost::asio::ip::make_address(bound_host_, none);
  exposed_ = none ? bound_host_ != "localhost" : !address.is_loopback();
}

// Accepts addresses, and names that only this machine or its network can resolve. Any other name may have been pointed
// here by its owner (DNS rebinding).
bool Access::is_own_host(std::string_view name) const {
  const std::string host = lower(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
  if (host.empty()) return false;
  if (host == bound_host_ || std::find(options_.hosts.begin(), options_.hosts.end(), host) != options_.hosts.end()) {
    return true;
  }
  boost::system::error_code none;
  const auto address = boost::asio::ip::make_address(host, none);
  if (!none) return exposed_ || address.is_loopback();
  if (host.find('.') == std::string::npos || host.ends_with(".localhost")) return true;
  return exposed_ && (host.ends_with(".internal") || host.ends_with(".local"));
}

bool Access::is_allowed_origin(const HttpHead& head) const {
  const std::string origin = lower(view(head[http::field::origin]));
  if (origin == lower(cat(options_.tls ? "https://" : "http://", authority_of(head)))) return true;
  const auto lists = [this](std::string_view item) {
    return std::find(options_.origins.begin(), options_.origins.end(), item) != options_.origins.end();
  };
  return lists("*") || lists(origin);
}

absl::Status Access::check(const HttpHead& head) const {
  const std::string_view authority = authority_of(head);
  const bool old = head.version() < 11 && authority.empty();  // HTTP/1.0 has no Host header, and browsers do not use it
  if (!options_.token && !old && !is_own_host(host_of(authority))) {
    return absl::PermissionDeniedError(
        cat("This is not the host ", quoted(authority),
            "; ask for it as localhost, or start the Datastore with --allow-host=NAME if it has that name too."));
  }
  if (head.count(http::field::origin) > 0) {
    if (head.count(http::field::origin) == 1 && is_allowed_origin(head)) return absl::OkStatus();
    return absl::PermissionDeniedError(
        cat("Pages of ", quoted(view(head[http::field::origin])),
            " may not send requests to this Datastore; to allow them, start it with --cors=ORIGIN."));
  }
  // Browsers that do not send the page's origin at least say that it is another site.
  const std::string_view site = view(head["Sec-Fetch-Site"]);
  const bool reads = head.method() == http::verb::get || head.method() == http::verb::head;
  if (reads || site.empty() || site == "same-origin" || site == "none") return absl::OkStatus();
  return absl::PermissionDeniedError(
      "Pages of other sites may not send requests to this Datastore; to allow one, start it with --cors=ORIGIN.");
}

absl::Status Access::check_command(const HttpHead& head) {
  const std::string_view agent = view(head[http::field::user_agent]);
  const bool browser = agent.empty() || absl::StartsWithIgnoreCase(to_absl(agent), "Mozilla/");
  const bool says_so = head.count(http::field::authorization) > 0 || head.count("X-Ndb-Command") > 0;
  if (says_so || !browser) return absl::OkStatus();
  return absl::PermissionDeniedError(cat("A page in a browser may have sent this request for ", path_of(head),
                                         "; send the header `X-Ndb-Command: 1`, or name the program in `User-Agent`."));
}

void Access::allow_reading(const HttpHead& head, HttpResponse& response) const {
  const auto origin = head[http::field::origin];
  if (!options_.origins.empty()) response.insert(http::field::vary, "Origin");
  if (origin.empty() || head.count(http::field::origin) != 1 || !is_allowed_origin(head)) return;
  response.set(http::field::access_control_allow_origin, origin);
}

}  // namespace ndb::local
