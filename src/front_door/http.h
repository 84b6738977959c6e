// What HTTP requests are answered with, knowing nothing of connections.
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

// `/`, `/reset`, `/shutdown`, and the methods of the table with bodies in JSON or protobuf. Thread-safe.
class HttpHandler {
 public:
  struct Actions {
    std::function<absl::Status()> reset{};
    std::function<void()> shut_down{};  // empty: refused
  };
  // Methods and token outlive it.
  HttpHandler(const std::vector<Method>& methods, const Token& token, Access access, Actions actions);

  // INVALID_ARGUMENT if it is not beyond doubt where a request ends: nothing that follows on its connection may be
  // read.
  static absl::Status check_framing(const HttpHead& head);

  // The answer to a request whose body need not be read: it is nobody's business, there is nothing there, and the like.
  std::optional<HttpResponse> answer_head(const HttpHead& head) const;

  struct Answer {
    HttpResponse response;
    std::function<void()> afterwards{};  // to be called when the response was sent
  };
  // May block, until the call has ended. For requests that answer_head() has let pass. The memory that the request
  // takes is added to the loan.
  Answer answer(const CallContext& call, const HttpRequest& request, MemoryBudget::Loan& loan) const;

  // Adds to a response what its request's page and its encoding ask for. Once, before it is sent.
  void finish(const HttpHead& head, HttpResponse& response) const;

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;  // of a request, that the path gives
  struct Request {
    const CallContext& call;
    const HttpRequest& http;
    const Fields& fields;
    MemoryBudget::Loan& loan;
  };
  struct Route {
    http::verb verb;
    std::string_view path;  // what braces name is a field
    enum class Needs { kNothing, kToken, kTokenAndNoPage } needs;
    std::function<Answer(const Request& request)> answer;
  };
  struct Match {
    const Route* route = nullptr;
    Fields fields{};
  };

  // NOT_FOUND, or UNIMPLEMENTED with the verbs that are there.
  absl::StatusOr<Match> find(const HttpHead& head) const;
  absl::Status check_caller(const HttpHead& head, const absl::StatusOr<Match>& match) const;
  HttpResponse preflight(const HttpHead& head) const;
  static absl::StatusOr<HttpResponse> call(const Method& method, const Request& request);

  const Token& token_;
  const Access access_;
  const std::vector<Route> routes_;
};

}  // namespace ndb::local
