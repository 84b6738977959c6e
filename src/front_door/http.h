// What HTTP requests are answered with, knowing nothing of connections.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "front_door/methods.h"
#include "front_door/token.h"

namespace ndb::local {

namespace http = boost::beast::http;

using HttpHead = http::request_header<>;
using HttpRequest = http::request<http::string_body>;
using HttpResponse = http::response<http::string_body>;

// `/`, `/reset`, `/shutdown`, and the methods of the table with bodies in JSON or protobuf. Any page in a browser may
// ask (CORS). Thread-safe.
class HttpHandler {
 public:
  struct Actions {
    std::function<absl::Status()> reset{};
    std::function<void()> shut_down{};  // empty: refused
  };
  // Methods and token outlive it.
  HttpHandler(const std::vector<Method>& methods, const Token& token, Actions actions)
      : methods_(methods), token_(token), actions_(std::move(actions)) {}

  // The answer to a request whose body need not be read: it is nobody's business, there is nothing there, and the like.
  std::optional<HttpResponse> answer_head(const HttpHead& head) const;

  struct Answer {
    HttpResponse response;
    std::function<void()> afterwards{};  // to be called when the response was sent
  };
  // May block. For requests that answer_head() has let pass.
  Answer answer(const HttpRequest& request) const;

 private:
  // A method, and the fields of its request that the path gives.
  struct Route {
    const Method* method = nullptr;
    std::vector<std::pair<std::string, std::string>> fields{};
  };
  absl::StatusOr<Route> find(const HttpHead& head) const;
  HttpResponse call(const Route& route, const HttpRequest& request) const;

  const std::vector<Method>& methods_;
  const Token& token_;
  const Actions actions_;
};

// An error as Google's APIs put it: JSON, or a google.rpc.Status for who speaks protobuf. `code` is what follows from
// the status, unless HTTP has a better one.
HttpResponse http_error(const absl::Status& status, const HttpHead* head = nullptr,
                        http::status code = http::status::unknown);

}  // namespace ndb::local
