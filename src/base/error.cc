#include "base/error.h"

#include <array>
#include <exception>
#include <string>

#include "absl/strings/cord.h"
#include "base/strings.h"

namespace ndb {
namespace {

// The payload under which a status remembers the subclass it stands for.
constexpr absl::string_view kClassUrl = "ndb/error-class";

absl::Status make(absl::StatusCode code, absl::string_view name, std::string_view message) {
  absl::Status status(code, to_absl(message));
  status.SetPayload(kClassUrl, absl::Cord(name));
  return status;
}

}  // namespace

Error::Error(absl::Status status) : std::runtime_error(std::string(status.message())), status_(std::move(status)) {}

// One row per subclass: its constructor from a message, and the thrower that throw_error() looks up by name.
#define NDB_ERROR_CLASSES(X)                    \
  X(ContextError, kFailedPrecondition)          \
  X(BadArgumentError, kInvalidArgument)         \
  X(BadKeyError, kInvalidArgument)              \
  X(BadValueError, kInvalidArgument)            \
  X(BadFilterError, kInvalidArgument)           \
  X(BadQueryError, kInvalidArgument)            \
  X(UnprojectedPropertyError, kInvalidArgument) \
  X(BadRequestError, kInvalidArgument)          \
  X(KindError, kNotFound)                       \
  X(ConflictError, kFailedPrecondition)         \
  X(TransactionFailedError, kAborted)           \
  X(Rollback, kCancelled)                       \
  X(Cancelled, kCancelled)                      \
  X(StuckError, kFailedPrecondition)

#define NDB_CONSTRUCTOR(Name, code) \
  Name::Name(std::string_view message) : Error(make(absl::StatusCode::code, #Name, message)) {}
NDB_ERROR_CLASSES(NDB_CONSTRUCTOR)
#undef NDB_CONSTRUCTOR

void throw_error(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kClassUrl)) {
#define NDB_THROW(Name, code) \
  if (*payload == #Name) throw Name(status);
    NDB_ERROR_CLASSES(NDB_THROW)
#undef NDB_THROW
  }
  throw Error(status);
}

absl::Status status_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return e.status();
  } catch (const std::exception& e) {
    return absl::UnknownError(e.what());
  } catch (...) {
    return absl::UnknownError("an exception that is not a std::exception");
  }
}

absl::Status bad_argument(std::string_view m) {
  return make(absl::StatusCode::kInvalidArgument, "BadArgumentError", m);
}
absl::Status bad_key(std::string_view m) { return make(absl::StatusCode::kInvalidArgument, "BadKeyError", m); }
absl::Status bad_value(std::string_view m) { return make(absl::StatusCode::kInvalidArgument, "BadValueError", m); }
absl::Status bad_filter(std::string_view m) { return make(absl::StatusCode::kInvalidArgument, "BadFilterError", m); }
absl::Status bad_query(std::string_view m) { return make(absl::StatusCode::kInvalidArgument, "BadQueryError", m); }
absl::Status bad_request(std::string_view m) { return make(absl::StatusCode::kInvalidArgument, "BadRequestError", m); }
absl::Status context_error(std::string_view m) {
  return make(absl::StatusCode::kFailedPrecondition, "ContextError", m);
}
absl::Status kind_error(std::string_view m) { return make(absl::StatusCode::kNotFound, "KindError", m); }
absl::Status conflict(std::string_view m) { return make(absl::StatusCode::kFailedPrecondition, "ConflictError", m); }
absl::Status transaction_failed(std::string_view m) {
  return make(absl::StatusCode::kAborted, "TransactionFailedError", m);
}
absl::Status stuck_error(std::string_view m) { return make(absl::StatusCode::kFailedPrecondition, "StuckError", m); }

absl::Status annotate(const absl::Status& status, std::string_view what) {
  if (status.ok()) return status;
  absl::Status result(status.code(), to_absl(cat(what, ": ", from_absl(status.message()))));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

}  // namespace ndb
