// Which requests over HTTP are those of the user, and which those of a web page that happens to run in their browser.
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

// A page of any site may send requests to a port of this machine. What it cannot do: choose the Host (though its own
// name may point here, DNS rebinding), hide its Origin, or send a header of its own without a preflight. Thread-safe.
class Access {
 public:
  struct Options {
    std::string host_port{};             // what was listened on
    bool tls = false;                    // the port speaks https
    bool token = false;                  // callers show a token, which a page does not know: every Host will do
    std::vector<std::string> hosts{};    // further names of this server
    std::vector<std::string> origins{};  // whose pages may ask, as https://host:port; "*": all
  };
  // INVALID_ARGUMENT names what is neither an origin nor a host.
  static absl::StatusOr<Access> make(Options options);

  // PERMISSION_DENIED if the request names a host that is not this server, or is of a page that may not ask.
  absl::Status check(const HttpHead& head) const;
  // For requests that destroy: PERMISSION_DENIED unless a header says that it is no page that asks. Programs name
  // themselves in `User-Agent`, as no browser does.
  static absl::Status check_command(const HttpHead& head);

  // Lets a page that may ask read the response.
  void allow_reading(const HttpHead& head, HttpResponse& response) const;

 private:
  explicit Access(Options options);
  bool is_own_host(std::string_view host) const;
  bool is_allowed_origin(const HttpHead& head) const;

  Options options_;
  std::string bound_host_;
  bool exposed_;  // listens on addresses that are not this machine's alone
};

// The host that a request is for: that of its target, if it is a whole URL, or the Host header.
std::string_view authority_of(const HttpHead& head);
// What a target names, without its host and its parameters.
std::string_view path_of(const HttpHead& head);

}  // namespace ndb::local
