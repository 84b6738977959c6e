// Bodies of HTTP requests and responses: JSON, protobuf, errors, gzip.
#pragma once

#include <google/protobuf/message.h>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "front_door/access.h"
#include "front_door/memory_budget.h"

namespace ndb::local {

using HttpRequest = http::request<http::string_body>;

HttpResponse http_response(http::status code, std::string_view type, std::string body);

// An error in the form of Google's APIs: JSON, or a google.rpc.Status for clients that use protobuf. `code` is that of
// the status, unless HTTP has a better one.
HttpResponse http_error(const absl::Status& status, const HttpHead* head = nullptr,
                        http::status code = http::status::unknown);

// A response with a message, in the format that the request selects. INTERNAL if it has no JSON form.
absl::StatusOr<HttpResponse> message_response(const HttpHead& head, const google::protobuf::Message& message);

// INVALID_ARGUMENT, with what to do, for a body type that is not supported, or that pages of other sites may send
// without a preflight.
absl::Status check_body_type(const HttpHead& head);

// Reads the message of a request from its body or, for GET, its parameters. Takes its memory from the loan:
// RESOURCE_EXHAUSTED if there is not enough.
absl::Status read_message(const HttpRequest& request, MemoryBudget::Loan& loan, google::protobuf::Message& message);

// Compresses with gzip if the client accepts it and it is worth while.
void compress(const HttpHead& head, HttpResponse& response);

absl::Status too_many_requests();

// nullopt for bytes that no identifier has: those that are not visible ASCII.
std::optional<std::string> decoded_identifier(std::string_view text);

}  // namespace ndb::local
