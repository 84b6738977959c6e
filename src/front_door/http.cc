#include "front_door/http.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <boost/beast/http/rfc7230.hpp>

#include "absl/strings/match.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

using google::protobuf::Message;

// Whether the path matches the pattern. If so, `fields` gets the values of the names in braces. A value contains no
// slash and, before a colon in the pattern, extends to the last colon.
bool matches(std::string_view form, std::string_view path, std::vector<std::pair<std::string, std::string>>& fields) {
  fields.clear();
  for (;;) {
    const std::size_t brace = form.find('{');
    const std::string_view literal = form.substr(0, brace);
    if (!path.starts_with(literal)) return false;
    path.remove_prefix(literal.size());
    if (brace == std::string_view::npos) return path.empty();
    const std::size_t end = form.find('}');
    const std::string_view name = form.substr(brace + 1, end - brace - 1);
    form.remove_prefix(end + 1);
    std::string_view value = path.substr(0, path.find('/'));
    if (form.starts_with(':')) value = value.substr(0, value.rfind(':'));
    std::optional<std::string> decoded = decoded_identifier(value);
    if (value.empty() || !decoded) return false;
    fields.emplace_back(name, *std::move(decoded));
    path.remove_prefix(value.size());
  }
}

// A HEAD is answered like a GET, without the body.
http::verb verb_of(const HttpHead& head) { return head.method() == http::verb::head ? http::verb::get : head.method(); }

HttpResponse ok() { return http_response(http::status::ok, "text/plain", "Ok"); }

HttpResponse not_allowed(const HttpHead& head, std::string_view allowed) {
  HttpResponse response = http_error(absl::UnimplementedError(cat(path_of(head), " is there for ", allowed, " alone.")),
                                     &head, http::status::method_not_allowed);
  response.set(http::field::allow, to_beast(allowed));
  return response;
}

}  // namespace

HttpHandler::HttpHandler(const std::vector<Method>& methods, const Token& token, Access access, Actions actions)
    : token_(token), access_(std::move(access)), routes_([&] {
        using Needs = Route::Needs;
        std::vector<Route> routes{
            {http::verb::get, "/", Needs::kNothing, [](const Request&) -> Answer { return {ok()}; }},
            {http::verb::post, "/reset", Needs::kTokenAndNoPage,
             [reset = actions.reset](const Request& request) -> Answer {
               const absl::Status status = reset();
               return {status.ok() ? ok() : http_error(status, &request.http)};
             }},
            {http::verb::post, "/shutdown", Needs::kTokenAndNoPage,
             [shut_down = actions.shut_down](const Request& request) -> Answer {
               if (shut_down) return {ok(), shut_down};
               return {
                   http_error(absl::UnimplementedError("This Datastore is part of another program, and ends with it."),
                              &request.http)};
             }}};
        for (const Method& method : methods) {
          const http::verb verb = http::string_to_verb(to_beast(method.http_verb));
          routes.push_back({verb, method.http_path, Needs::kToken, [&method](const Request& request) -> Answer {
                              absl::StatusOr<HttpResponse> response = call(method, request);
                              return {response.ok() ? *std::move(response)
                                                    : http_error(response.status(), &request.http)};
                            }});
        }
        return routes;
      }()) {}

// Programs that disagree on where a body ends would read it as another request (request smuggling, RFC 9112 section
// 6.1).
absl::Status HttpHandler::check_framing(const HttpHead& head) {
  const std::size_t codings = head.count(http::field::transfer_encoding);
  const std::size_t lengths = head.count(http::field::content_length);
  const bool chunked = codings == 1 && boost::beast::iequals(head[http::field::transfer_encoding], "chunked");
  if (codings > 0 && (!chunked || lengths > 0 || head.version() < 11)) {
    return absl::InvalidArgumentError(
        "The end of the body is not clear: send it with either Content-Length or, in HTTP/1.1, `Transfer-Encoding: "
        "chunked`.");
  }
  if (lengths > 1) return absl::InvalidArgumentError("The request has more than one Content-Length header; send one.");
  if (head.count(http::field::host) > 1 || (head.version() >= 11 && head.count(http::field::host) == 0)) {
    return absl::InvalidArgumentError("An HTTP/1.1 request needs exactly one Host header.");
  }
  return absl::OkStatus();
}

absl::StatusOr<HttpHandler::Match> HttpHandler::find(const HttpHead& head) const {
  Match match;
  std::string_view other_verb;
  for (const Route& route : routes_) {
    if (!matches(route.path, path_of(head), match.fields)) continue;
    if (route.verb == verb_of(head)) {
      match.route = &route;
      return match;
    }
    other_verb = view(http::to_string(route.verb));
  }
  if (!other_verb.empty()) return absl::UnimplementedError(to_absl(other_verb));
  return absl::NotFoundError(cat("There is nothing at ", quoted(path_of(head)),
                                 "; there are /, /reset, /shutdown and /v1/projects/PROJECT:METHOD, such as :lookup."));
}

absl::Status HttpHandler::check_caller(const HttpHead& head, const absl::StatusOr<Match>& match) const {
  const auto needs = match.ok() ? match->route->needs : Route::Needs::kToken;
  if (needs != Route::Needs::kNothing) NDB_RETURN_IF_ERROR(token_.check(view(head[http::field::authorization])));
  return needs == Route::Needs::kTokenAndNoPage ? Access::check_command(head) : absl::OkStatus();
}

std::optional<HttpResponse> HttpHandler::answer_head(const HttpHead& head) const {
  if (const absl::Status status = access_.check(head); !status.ok()) return http_error(status, &head);
  if (head.method() == http::verb::options) return preflight(head);
  const absl::StatusOr<Match> match = find(head);
  if (const absl::Status status = check_caller(head, match); !status.ok()) return http_error(status, &head);
  if (absl::IsUnimplemented(match.status())) return not_allowed(head, from_absl(match.status().message()));
  if (!match.ok()) return http_error(match.status(), &head);
  if (const absl::Status status = check_body_type(head); !status.ok()) {
    return http_error(status, &head, http::status::unsupported_media_type);
  }
  return std::nullopt;
}

HttpHandler::Answer HttpHandler::answer(const CallContext& call, const HttpRequest& request,
                                        MemoryBudget::Loan& loan) const {
  const absl::StatusOr<Match> match = find(request);
  if (!match.ok()) return {http_error(match.status(), &request)};
  return match->route->answer({.call = call, .http = request, .fields = match->fields, .loan = loan});
}

absl::StatusOr<HttpResponse> HttpHandler::call(const Method& method, const Request& request) {
  google::protobuf::Arena arena;
  Message& in = *method.request.New(&arena);
  Message& out = *method.response.New(&arena);
  NDB_RETURN_IF_ERROR(read_message(request.http, request.loan, in));
  for (const auto& [name, value] : request.fields) {
    in.GetReflection()->SetString(&in, in.GetDescriptor()->FindFieldByName(name), value);
  }
  NDB_RETURN_IF_ERROR(check_request_size(in.ByteSizeLong()));
  NDB_RETURN_IF_ERROR(method.call(request.call, in, out));
  return message_response(request.http, out);
}

HttpResponse HttpHandler::preflight(const HttpHead& head) const {
  HttpResponse response = http_response(http::status::no_content, "", "");
  response.erase(http::field::content_length);
  response.set(http::field::access_control_allow_methods, "GET, POST, OPTIONS");
  const std::string_view headers = view(head[http::field::access_control_request_headers]);
  response.set(http::field::access_control_allow_headers,
               to_beast(headers.empty() ? "authorization, content-type" : headers));
  response.set(http::field::access_control_max_age, "3600");
  // A page from the network asks for access to this machine (Private Network Access).
  if (head.count("Access-Control-Request-Private-Network") > 0) {
    response.set("Access-Control-Allow-Private-Network", "true");
  }
  return response;
}

void HttpHandler::finish(const HttpHead& head, HttpResponse& response) const {
  access_.allow_reading(head, response);
  if (head.method() == http::verb::head) {
    response.body().clear();  // the Content-Length stays
  } else {
    compress(head, response);
  }
}

}  // namespace ndb::local
