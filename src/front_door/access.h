// Tells requests over HTTP that the user makes from those of web pages that run in the user's browser.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ndb::local {

namespace http = boost::beast::http;

using HttpHead = http::request_header<>;
using HttpResponse = http::response<http::string_body>;

inline std::string_view view(boost::beast::string_view s) { return {s.data(), s.size()}; }
inline boost::beast::string_view to_beast(std::string_view s) { return {s.data(), s.size()}; }

// A page of any site may send requests to a port of this machine. It cannot choose the Host (though its own name may
// point here: DNS rebinding), hide its Origin, or send custom headers without a preflight. Thread-safe.
class Access {
 public:
  struct Options {
    std::string host_port{};             // the listening address
    bool tls = false;                    // the port uses https
    bool token = false;                  // callers need a token, which a page does not know: any Host is accepted
    std::vector<std::string> hosts{};    // additional names of this server
    std::vector<std::string> origins{};  // origins whose pages may send requests, as https://host:port; "*": all
  };
  // INVALID_ARGUMENT names the text that is not an origin or not a host.
  static absl::StatusOr<Access> make(Options options);

  // PERMISSION_DENIED if the request's host is not this server, or its page is not allowed.
  absl::Status check(const HttpHead& head) const;
  // For destructive requests: PERMISSION_DENIED unless a header shows that no web page sent it. Programs send a
  // `User-Agent` that no browser has.
  static absl::Status check_command(const HttpHead& head);

  // Allows a permitted page to read the response.
  void allow_reading(const HttpHead& head, HttpResponse& response) const;

 private:
  explicit Access(Options options);
  bool is_own_host(std::string_view host) const;
  bool is_allowed_origin(const HttpHead& head) const;

  Options options_;
  std::string bound_host_;
  bool exposed_;  // listens on addresses that other machines can reach
};

// The host that a request is for: that of its target if it is a whole URL, else the Host header.
std::string_view authority_of(const HttpHead& head);
// The path of a target, without host and parameters.
std::string_view path_of(const HttpHead& head);

}  // namespace ndb::local
