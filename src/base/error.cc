#include "base/error.h"

#include <exception>
#include <string>

#include "absl/strings/cord.h"
#include "base/strings.h"

namespace ndb {
namespace {

// The type of the payload that holds the class of error of a status.
constexpr absl::string_view kClassUrl = "ndb/error-class";

absl::Status make(absl::StatusCode code, absl::string_view name, std::string_view message) {
  absl::Status status(code, to_absl(message));
  status.SetPayload(kClassUrl, absl::Cord(name));
  return status;
}

}  // namespace

Error::Error(absl::Status status) : std::runtime_error(std::string(status.message())), status_(std::move(status)) {}

#define NDB_CONSTRUCTOR(Name, code, function) \
  Name::Name(std::string_view message) : Error(make(absl::StatusCode::code, #Name, message)) {}
NDB_ERROR_CLASSES_(NDB_CONSTRUCTOR)
#undef NDB_CONSTRUCTOR

#define NDB_FUNCTION(Name, code, function) \
  absl::Status function(std::string_view message) { return make(absl::StatusCode::code, #Name, message); }
NDB_ERROR_CLASSES_(NDB_FUNCTION)
#undef NDB_FUNCTION

void throw_error(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kClassUrl)) {
#define NDB_THROW(Name, code, function) \
  if (*payload == #Name) throw Name(status);
    NDB_ERROR_CLASSES_(NDB_THROW)
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

absl::Status annotate(const absl::Status& status, std::string_view what) {
  if (status.ok()) return status;
  absl::Status result(status.code(), to_absl(cat(what, ": ", from_absl(status.message()))));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

}  // namespace ndb
