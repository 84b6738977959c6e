#include "front_door/http.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <boost/beast/http/rfc7230.hpp>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

using google::protobuf::Message;
namespace json = google::protobuf::util;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProtobuf = "application/x-protobuf";

std::string_view view(boost::beast::string_view s) { return {s.data(), s.size()}; }
boost::beast::string_view to_beast(std::string_view s) { return {s.data(), s.size()}; }

std::string_view path_of(const HttpHead& head) {
  const std::string_view target = view(head.target());
  return target.substr(0, target.find('?'));
}

// Bodies are JSON unless they say otherwise: curl calls everything a form.
bool is_protobuf(const HttpHead& head) {
  const std::string_view type = view(head[http::field::content_type]);
  return type.substr(0, type.find_first_of("; ")) == kProtobuf;
}

http::status to_http(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return http::status::ok;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return http::status::bad_request;
    case absl::StatusCode::kUnauthenticated:
      return http::status::unauthorized;
    case absl::StatusCode::kPermissionDenied:
      return http::status::forbidden;
    case absl::StatusCode::kNotFound:
      return http::status::not_found;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return http::status::conflict;
    case absl::StatusCode::kResourceExhausted:
      return http::status::too_many_requests;
    case absl::StatusCode::kCancelled:
      return http::status::client_closed_request;
    case absl::StatusCode::kUnimplemented:
      return http::status::not_implemented;
    case absl::StatusCode::kUnavailable:
      return http::status::service_unavailable;
    case absl::StatusCode::kDeadlineExceeded:
      return http::status::gateway_timeout;
    default:
      return http::status::internal_server_error;
  }
}

HttpResponse response_of(http::status code, std::string_view type, std::string body) {
  HttpResponse response(code, 11);
  response.set(http::field::access_control_allow_origin, "*");
  if (!type.empty()) response.set(http::field::content_type, to_beast(type));
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

// google.rpc.Status: 1 code, 2 message.
std::string protobuf_error(const absl::Status& status) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.WriteTag(1 << 3);
    out.WriteVarint32(static_cast<std::uint32_t>(status.code()));
    out.WriteTag(2 << 3 | 2);
    out.WriteVarint32(static_cast<std::uint32_t>(status.message().size()));
    out.WriteRaw(status.message().data(), static_cast<int>(status.message().size()));
  }
  return bytes;
}

std::string json_error(const absl::Status& status, http::status code) {
  google::protobuf::Struct whole;
  auto& error = *(*whole.mutable_fields())["error"].mutable_struct_value()->mutable_fields();
  error["code"].set_number_value(static_cast<int>(code));
  error["message"].set_string_value(std::string(status.message()));
  error["status"].set_string_value(absl::StatusCodeToString(status.code()));
  std::string text;
  (void)json::MessageToJsonString(whole, &text);
  return text;
}

// nullopt for what no identifier has: bytes that are not visible ASCII.
std::optional<std::string> decoded_identifier(std::string_view text) {
  std::optional<std::string> out = percent_decoded(text);
  if (out && std::ranges::any_of(*out, [](char c) { return c <= ' ' || c > '~'; })) return std::nullopt;
  return out;
}

// Whether the path is of this form; if so, `fields` gets what the braces stand for, which holds no slash and, before a
// colon, goes up to the last one.
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

absl::Status parse_json(const std::string& text, Message& message) {
  const json::Status status = json::JsonStringToMessage(text, &message);
  if (status.ok()) return absl::OkStatus();
  // It quotes the payload, which need not be text.
  std::string why(status.message().data(), status.message().size());
  std::replace_if(why.begin(), why.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  return absl::InvalidArgumentError(cat("Invalid JSON payload received. ", why));
}

// The fields of a message as parameters of the target, `?pageSize=10&filter=...`; JSON's names, each once. Those that
// all of Google's APIs have mean nothing here.
absl::Status parse_parameters(std::string_view target, Message& message) {
  constexpr std::string_view kOfAllApis[] = {"alt", "fields", "key", "prettyPrint", "quotaUser"};
  google::protobuf::Struct fields;
  const std::size_t mark = target.find('?');
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view parameter = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), parameter.size() + 1));
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::optional<std::string> name = decoded_identifier(parameter.substr(0, equals));
    std::optional<std::string> value = decoded_identifier(parameter.substr(std::min(equals + 1, parameter.size())));
    if (!name || !value) {
      return absl::InvalidArgumentError("The parameters of a request must be visible ASCII, or encoded so.");
    }
    const bool is_common = std::find(std::begin(kOfAllApis), std::end(kOfAllApis), *name) != std::end(kOfAllApis);
    if (!name->empty() && !is_common) (*fields.mutable_fields())[*name].set_string_value(*std::move(value));
  }
  std::string text;
  (void)json::MessageToJsonString(fields, &text);
  return parse_json(text, message);
}

absl::Status parse(const HttpRequest& request, Message& message) {
  if (request.method() == http::verb::get) return parse_parameters(view(request.target()), message);
  if (is_protobuf(request)) {
    if (message.ParseFromString(request.body())) return absl::OkStatus();
    return absl::InvalidArgumentError(cat("The request is not a valid ", message.GetTypeName(), "."));
  }
  return request.body().empty() ? absl::OkStatus() : parse_json(request.body(), message);
}

absl::Status print(const Message& message, bool protobuf, std::string& out) {
  if (protobuf) {
    message.SerializeToString(&out);
    return absl::OkStatus();
  }
  const json::Status status = json::MessageToJsonString(message, &out);
  if (status.ok()) return absl::OkStatus();
  const std::string_view why(status.message().data(), status.message().size());
  return absl::InternalError(cat("The response cannot be given as JSON; ask for protobuf: ", why));
}

HttpResponse preflight(const HttpHead& head) {
  HttpResponse response = response_of(http::status::no_content, "", "");
  response.erase(http::field::content_length);
  response.set(http::field::access_control_allow_methods, "GET, POST, OPTIONS");
  const std::string_view headers = view(head[http::field::access_control_request_headers]);
  response.set(http::field::access_control_allow_headers,
               to_beast(headers.empty() ? "authorization, content-type" : headers));
  response.set(http::field::access_control_max_age, "86400");
  return response;
}

HttpResponse not_allowed(const HttpHead& head, std::string_view allowed) {
  HttpResponse response = http_error(absl::UnimplementedError(cat(path_of(head), " is there for ", allowed, " alone.")),
                                     &head, http::status::method_not_allowed);
  response.set(http::field::allow, to_beast(allowed));
  return response;
}

}  // namespace

HttpResponse http_error(const absl::Status& status, const HttpHead* head, http::status code) {
  if (code == http::status::unknown) code = to_http(status.code());
  const bool protobuf = head != nullptr && is_protobuf(*head);
  HttpResponse response = protobuf ? response_of(code, kProtobuf, protobuf_error(status))
                                   : response_of(code, kJson, json_error(status, code));
  if (code == http::status::unauthorized) response.set(http::field::www_authenticate, "Bearer");
  return response;
}

absl::StatusOr<HttpHandler::Route> HttpHandler::find(const HttpHead& head) const {
  Route route;
  std::string_view other_verb;
  for (const Method& method : methods_) {
    if (!matches(method.http_path, path_of(head), route.fields)) continue;
    if (view(head.method_string()) == method.http_verb) {
      route.method = &method;
      return route;
    }
    other_verb = method.http_verb;
  }
  if (!other_verb.empty()) return absl::UnimplementedError(to_absl(other_verb));
  return absl::NotFoundError(cat("There is nothing at ", quoted(path_of(head)),
                                 "; there are /, /reset, /shutdown and /v1/projects/PROJECT:METHOD, such as :lookup."));
}

std::optional<HttpResponse> HttpHandler::answer_head(const HttpHead& head) const {
  const std::string_view path = path_of(head);
  if (head.method() == http::verb::options) return preflight(head);
  if (path == "/") {
    if (head.method() == http::verb::get) return response_of(http::status::ok, "text/plain", "Ok");
    if (head.method() != http::verb::head) return not_allowed(head, "GET");
    HttpResponse response = response_of(http::status::ok, "text/plain", "");
    response.content_length(2);
    return response;
  }
  if (const absl::Status status = token_.check(view(head[http::field::authorization])); !status.ok()) {
    return http_error(status, &head);
  }
  if (path == "/reset" || path == "/shutdown") {
    if (head.method() != http::verb::post) return not_allowed(head, "POST");
    return std::nullopt;
  }
  if (const absl::StatusOr<Route> route = find(head); absl::IsUnimplemented(route.status())) {
    return not_allowed(head, from_absl(route.status().message()));
  } else if (!route.ok()) {
    return http_error(route.status(), &head);
  }
  const auto encoding = head[http::field::content_encoding];
  if (!encoding.empty() && encoding != "identity") {
    return http_error(absl::InvalidArgumentError(
                          cat("Send the body without Content-Encoding; this one is ", quoted(view(encoding)), ".")),
                      &head, http::status::unsupported_media_type);
  }
  return std::nullopt;
}

HttpHandler::Answer HttpHandler::answer(const HttpRequest& request) const {
  const std::string_view path = path_of(request);
  if (path == "/reset") {
    if (const absl::Status status = actions_.reset(); !status.ok()) return {http_error(status, &request)};
    return {response_of(http::status::ok, "text/plain", "Ok")};
  }
  if (path == "/shutdown") {
    if (actions_.shut_down) return {response_of(http::status::ok, "text/plain", "Ok"), actions_.shut_down};
    return {
        http_error(absl::UnimplementedError("This Datastore is part of another program, and ends with it."), &request)};
  }
  const absl::StatusOr<Route> route = find(request);
  if (!route.ok()) return {http_error(route.status(), &request)};
  return {call(*route, request)};
}

HttpResponse HttpHandler::call(const Route& route, const HttpRequest& request) const {
  google::protobuf::Arena arena;
  Message& in = *route.method->request.New(&arena);
  Message& out = *route.method->response.New(&arena);
  absl::Status status = parse(request, in);
  for (const auto& [name, value] : route.fields) {
    in.GetReflection()->SetString(&in, in.GetDescriptor()->FindFieldByName(name), value);
  }
  if (status.ok()) status = check_request_size(in.ByteSizeLong());
  if (status.ok()) status = route.method->call(CallContext(), in, out);
  const bool protobuf = is_protobuf(request);
  std::string body;
  if (status.ok()) status = print(out, protobuf, body);
  if (!status.ok()) return http_error(status, &request);
  return response_of(http::status::ok, protobuf ? kProtobuf : "application/json; charset=UTF-8", std::move(body));
}

}  // namespace ndb::local
