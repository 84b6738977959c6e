// The answers to HTTP requests, independent of connections.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "front_door/access.h"
#include "front_door/http_message.h"
#include "front_door/memory_budget.h"
#include "front_door/methods.h"
#include "front_door/token.h"

namespace ndb::local {

// Serves `/`, `/reset`, `/shutdown`, and the methods of the table with bodies in JSON or protobuf. Thread-safe.
class HttpHandler {
 public:
  struct Actions {
    std::function<absl::Status()> reset{};
    std::function<void()> shut_down{};  // empty: refused
  };
  // `methods` and `token` must outlive it.
  HttpHandler(const std::vector<Method>& methods, const Token& token, Access access, Actions actions);

  // INVALID_ARGUMENT if the end of the request is ambiguous; then nothing more may be read from its connection.
  static absl::Status check_framing(const HttpHead& head);

  // The answer to a request whose body need not be read, such as one without permission, or for an unknown path.
  std::optional<HttpResponse> answer_head(const HttpHead& head) const;

  struct Answer {
    HttpResponse response;
    std::function<void()> afterwards{};  // to be called after the response was sent
  };
  // May block until the call has ended. For requests that passed answer_head(). Adds the memory that the request takes
  // to the loan.
  Answer answer(const CallContext& call, const HttpRequest& request, MemoryBudget::Loan& loan) const;

  // Adds the headers to a response that depend on the request's page and encoding. Called once, before it is sent.
  void finish(const HttpHead& head, HttpResponse& response) const;

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;  // fields of a request that the path contains
  struct Request {
    const CallContext& call;
    const HttpRequest& http;
    const Fields& fields;
    MemoryBudget::Loan& loan;
  };
  struct Route {
    http::verb verb;
    std::string_view path;  // names in braces are fields
    enum class Needs { kNothing, kToken, kTokenAndNoPage } needs;
    std::function<Answer(const Request& request)> answer;
  };
  struct Match {
    const Route* route = nullptr;
    Fields fields{};
  };

  // NOT_FOUND, or UNIMPLEMENTED with the verbs that the path supports.
  absl::StatusOr<Match> find(const HttpHead& head) const;
  absl::Status check_caller(const HttpHead& head, const absl::StatusOr<Match>& match) const;
  HttpResponse preflight(const HttpHead& head) const;
  static absl::StatusOr<HttpResponse> call(const Method& method, const Request& request);

  const Token& token_;
  const Access access_;
  const std::vector<Route> routes_;
};

}  // namespace ndb::local
