// How code below the NDB-level API, which does not throw, says which subclass of ndb::Error a status is to become.
#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/error.h"

namespace ndb {

// For each class a function that makes a status of it: throw_error(bad_key(message)) throws a BadKeyError. The code of
// the status is that of the class.
#define NDB_ERROR_FUNCTION_(Name, code, function) absl::Status function(std::string_view message);
NDB_ERROR_CLASSES_(NDB_ERROR_FUNCTION_)
#undef NDB_ERROR_FUNCTION_

// Converts a result of the code below the API: its value, or an exception.
template <class T>
T value_or_throw(absl::StatusOr<T> result) {
  if (!result.ok()) throw_error(result.status());
  return *std::move(result);
}

// `status` with `what: ` before its message; code and payloads are kept.
absl::Status annotate(const absl::Status& status, std::string_view what);

}  // namespace ndb
