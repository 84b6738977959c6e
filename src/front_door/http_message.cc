#include "front_door/http_message.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <boost/beast/http/rfc7230.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "front_door/gzip.h"
#include "front_door/message_size.h"
#include "front_door/methods.h"
#include "local_datastore/limits.h"
#include "ndb/rpc/status.pb.h"

namespace ndb::local {
namespace {

using google::protobuf::Message;
namespace json = google::protobuf::util;

constexpr std::string_view kJson = "application/json; charset=UTF-8";
constexpr std::string_view kProtobuf = "application/x-protobuf";
constexpr std::size_t kWorthCompressing = 1 << 10;

bool same(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(to_absl(a), to_absl(b)); }

// A body is JSON unless its type says otherwise; curl labels every body a form.
std::string_view media_type(const HttpHead& head) {
  const std::string_view type = view(head[http::field::content_type]);
  return type.substr(0, type.find_first_of("; \t"));
}

bool is_protobuf(const HttpHead& head) { return same(media_type(head), kProtobuf); }

bool is_gzip(std::string_view coding) { return same(coding, "gzip") || same(coding, "x-gzip"); }

using Parameters = std::vector<std::pair<std::string, std::string>>;

absl::StatusOr<Parameters> parameters_of(const HttpHead& head) {
  const std::string_view target = view(head.target());
  const std::size_t mark = target.find('?');
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  Parameters parameters;
  while (!rest.empty()) {
    const std::string_view parameter = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), parameter.size() + 1));
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    std::optional<std::string> name = decoded_identifier(parameter.substr(0, equals));
    std::optional<std::string> value = decoded_identifier(parameter.substr(std::min(equals + 1, parameter.size())));
    if (!name || !value) {
      return absl::InvalidArgumentError("The parameters of a request must be visible ASCII, or encoded so.");
    }
    parameters.emplace_back(*std::move(name), *std::move(value));
  }
  return parameters;
}

// The parameters that all of Google's APIs accept (https://cloud.google.com/apis/docs/system-parameters), with or
// without a leading `$`.
bool is_of_all_apis(std::string_view name) {
  constexpr std::string_view kNames[] = {"access_token", "alt",         "callback",  "fields",     "key",
                                         "oauth_token",  "prettyPrint", "quotaUser", "uploadType", "upload_protocol",
                                         "userIp",       "userProject"};
  return name.empty() || name.front() == '$' ||
         std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// The format of a response, which `alt` may also select.
struct Form {
  bool protobuf = false;
  json::JsonPrintOptions json{};
};

Form form_of(const HttpHead& head) {
  Form form{.protobuf = is_protobuf(head)};
  const absl::StatusOr<Parameters> parameters = parameters_of(head);
  if (!parameters.ok()) return form;
  for (const auto& [name, value] : *parameters) {
    if (name == "prettyPrint" || name == "$prettyPrint") form.json.add_whitespace = value == "true" || value == "1";
    if (name != "alt" && name != "$alt") continue;
    form.protobuf = value == "proto" || (form.protobuf && !value.starts_with("json"));
    form.json.always_print_enums_as_ints = value.find("enum-encoding=int") != std::string::npos;
  }
  return form;
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

std::string protobuf_error(const absl::Status& status) {
  rpc::Status error;
  error.set_code(static_cast<int>(status.code()));
  error.set_message(std::string(status.message()));
  return error.SerializeAsString();
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

// Parses bytes after making sure that there is memory for the resulting message.
absl::Status parse_bytes(std::string_view bytes, MemoryBudget::Loan& loan, Message& message) {
  if (bytes.size() > kNotMeasured) {
    google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
    NDB_ASSIGN_OR_RETURN(const std::size_t size, parsed_size(stream, *message.GetDescriptor()));
    if (!loan.cover(loan.taken() + size)) return too_many_requests();
  }
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  if (parse_message(stream, message)) return absl::OkStatus();
  return absl::InvalidArgumentError(cat("The request is not a valid ", message.GetTypeName(), "."));
}

// Converts by way of protobuf's binary form, as protobuf does itself, in order to measure it in between.
absl::Status parse_json(std::string_view text, MemoryBudget::Loan& loan, Message& message) {
  static json::TypeResolver* const types =
      json::NewTypeResolverForDescriptorPool("type.googleapis.com", google::protobuf::DescriptorPool::generated_pool());
  std::string bytes;
  const json::Status status = json::JsonToBinaryString(types, cat("type.googleapis.com/", message.GetTypeName()),
                                                       google::protobuf::StringPiece(text.data(), text.size()), &bytes);
  if (status.ok()) return parse_bytes(bytes, loan, message);
  // It quotes the payload, which may not be text.
  std::string why(status.message().data(), status.message().size());
  std::replace_if(why.begin(), why.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  return absl::InvalidArgumentError(cat("Invalid JSON payload received. ", why));
}

// The fields of a message as parameters, `?pageSize=10&filter=...`: with JSON's names, each at most once.
absl::Status parse_parameters(const HttpHead& head, MemoryBudget::Loan& loan, Message& message) {
  NDB_ASSIGN_OR_RETURN(const Parameters parameters, parameters_of(head));
  google::protobuf::Struct fields;
  for (const auto& [name, value] : parameters) {
    if (!is_of_all_apis(name)) (*fields.mutable_fields())[name].set_string_value(value);
  }
  std::string text;
  (void)json::MessageToJsonString(fields, &text);
  return parse_json(text, loan, message);
}

absl::Status parse_body(const HttpHead& head, std::string_view body, MemoryBudget::Loan& loan, Message& message) {
  if (is_protobuf(head)) return parse_bytes(body, loan, message);
  return body.empty() ? absl::OkStatus() : parse_json(body, loan, message);
}

}  // namespace

HttpResponse http_response(http::status code, std::string_view type, std::string body) {
  HttpResponse response(code, 11);
  if (!type.empty()) response.set(http::field::content_type, to_beast(type));
  // A browser must not interpret the response as a page.
  response.set("X-Content-Type-Options", "nosniff");
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

HttpResponse http_error(const absl::Status& status, const HttpHead* head, http::status code) {
  if (code == http::status::unknown) code = to_http(status.code());
  const bool protobuf = head != nullptr && form_of(*head).protobuf;
  HttpResponse response = protobuf ? http_response(code, kProtobuf, protobuf_error(status))
                                   : http_response(code, kJson, json_error(status, code));
  if (code == http::status::unauthorized) response.set(http::field::www_authenticate, "Bearer");
  return response;
}

absl::StatusOr<HttpResponse> message_response(const HttpHead& head, const Message& message) {
  const Form form = form_of(head);
  if (form.protobuf) return http_response(http::status::ok, kProtobuf, message.SerializeAsString());
  std::string text;
  const json::Status status = json::MessageToJsonString(message, &text, form.json);
  if (status.ok()) return http_response(http::status::ok, kJson, std::move(text));
  const std::string_view why(status.message().data(), status.message().size());
  return absl::InternalError(cat("The response cannot be given as JSON; ask for protobuf: ", why));
}

absl::Status check_body_type(const HttpHead& head) {
  const std::string_view type = media_type(head);
  if (same(type, "text/plain") || same(type, "multipart/form-data")) {
    return absl::InvalidArgumentError(
        cat("Send the body as application/json or application/x-protobuf; this one is ", quoted(type), "."));
  }
  const std::string_view coding = view(head[http::field::content_encoding]);
  if (head.count(http::field::content_encoding) == 0 || is_gzip(coding) || same(coding, "identity")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      cat("Send the body with Content-Encoding gzip or without; this one is ", quoted(coding), "."));
}

absl::Status read_message(const HttpRequest& request, MemoryBudget::Loan& loan, Message& message) {
  if (request.method() == http::verb::get) return parse_parameters(request, loan, message);
  const std::string& body = request.body();
  if (body.empty() || !is_gzip(view(request[http::field::content_encoding]))) {
    return parse_body(request, body, loan, message);
  }
  absl::StatusOr<std::string> whole = gunzip(body, kMaxRequestBytes);
  if (absl::IsOutOfRange(whole.status())) return check_request_size(kMaxRequestBytes + 1);
  if (!whole.ok()) return whole.status();
  if (!loan.cover(loan.taken() + whole->size())) return too_many_requests();
  return parse_body(request, *whole, loan, message);
}

void compress(const HttpHead& head, HttpResponse& response) {
  if (response.body().size() < kWorthCompressing) return;
  response.insert(http::field::vary, "Accept-Encoding");
  for (const auto& [coding, parameters] : http::ext_list(head[http::field::accept_encoding])) {
    if (!is_gzip(view(coding))) continue;
    for (const auto& [name, value] : parameters) {
      if (same(view(name), "q") && view(value).find_first_not_of("0.") == std::string_view::npos) return;
    }
    std::string small = gzip(response.body());
    if (small.empty()) return;
    response.body() = std::move(small);
    response.set(http::field::content_encoding, "gzip");
    response.prepare_payload();
    return;
  }
}

absl::Status too_many_requests() {
  return absl::ResourceExhaustedError("There are too many large requests at once; try again later.");
}

std::optional<std::string> decoded_identifier(std::string_view text) {
  std::optional<std::string> out = percent_decoded(text);
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  if (!out || !std::all_of(out->begin(), out->end(), visible)) return std::nullopt;
  return out;
}

}  // namespace ndb::local
