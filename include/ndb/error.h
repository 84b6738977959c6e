// Errors of the NDB-level API. Every function of this API that can fail throws ndb::Error or a subclass; every future
// has try_get() for code that wants no exceptions. Absence of an entity is not an error.
#pragma once

#include <exception>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace ndb {

// The base of all errors. `what()` is the message, which names the key, kind, property or option and says what to do;
// `status()` carries the code of the Datastore API where the error came from there.
class Error : public std::runtime_error {
 public:
  // `status` must not be OK; its message becomes what().
  explicit Error(absl::Status status);
  const absl::Status& status() const noexcept { return status_; }

 private:
  absl::Status status_;
};

// The subclasses, which carry NDB's names, for callers that tell them apart. One that is made from a message alone has
// the code given here; the third name is that of the library's own function (base/error.h).
#define NDB_ERROR_CLASSES_(X)                                         \
  /* no context, or one of another thread */                          \
  X(ContextError, kFailedPrecondition, context_error)                 \
  /* an option or argument that makes no sense */                     \
  X(BadArgumentError, kInvalidArgument, bad_argument)                 \
  /* a key that is malformed, incomplete or over its limits */        \
  X(BadKeyError, kInvalidArgument, bad_key)                           \
  /* a property value that is refused */                              \
  X(BadValueError, kInvalidArgument, bad_value)                       \
  /* a filter on what can't be filtered */                            \
  X(BadFilterError, kInvalidArgument, bad_filter)                     \
  /* a query that makes no sense */                                   \
  X(BadQueryError, kInvalidArgument, bad_query)                       \
  /* a projection's result lacks the property */                      \
  X(UnprojectedPropertyError, kInvalidArgument, unprojected_property) \
  /* a call that is not allowed here, such as a nested transaction */ \
  X(BadRequestError, kInvalidArgument, bad_request)                   \
  /* no model class, or more than one, for a kind */                  \
  X(KindError, kNotFound, kind_error)                                 \
  /* put_if() found another version than it was told */               \
  X(ConflictError, kFailedPrecondition, conflict)                     \
  /* no attempt of a transaction could be committed */                \
  X(TransactionFailedError, kAborted, transaction_failed)             \
  /* thrown by a transaction's function to roll back silently */      \
  X(Rollback, kCancelled, rolled_back)                                \
  /* the future was cancelled */                                      \
  X(Cancelled, kCancelled, cancelled)                                 \
  /* waiting for a future that nothing can ever finish */             \
  X(StuckError, kFailedPrecondition, stuck_error)

#define NDB_ERROR_CLASS_(Name, code, function)                       \
  class Name : public Error {                                        \
   public:                                                           \
    explicit Name(std::string_view message);                         \
    explicit Name(absl::Status status) : Error(std::move(status)) {} \
  };
NDB_ERROR_CLASSES_(NDB_ERROR_CLASS_)
#undef NDB_ERROR_CLASS_

// Throws `status` (which must not be OK) as the subclass that it was made for, else as Error.
[[noreturn]] void throw_error(const absl::Status& status);

// The status of an exception: its own if it is an ndb::Error, UNKNOWN with its what() otherwise.
absl::Status status_of(const std::exception_ptr& error);

}  // namespace ndb
