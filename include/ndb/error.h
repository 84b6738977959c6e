// Errors of the NDB-level API. Every function of this API that can fail throws ndb::Error or a subclass; every future
// has try_get() for code that wants no exceptions. Absence of an entity is not an error.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace ndb {

// The base of all errors. `what()` is the message, which names the key, kind, property or option and says what to do;
// `status()` carries the code of the Datastore API where the error came from there.
class Error : public std::runtime_error {
 public:
  explicit Error(absl::Status status);
  const absl::Status& status() const noexcept { return status_; }

 private:
  absl::Status status_;
};

// Subclasses carry NDB's names, for callers that tell them apart. Each can be made from a message alone.
#define NDB_ERROR_CLASS_(Name, code)                                 \
  class Name : public Error {                                        \
   public:                                                           \
    explicit Name(std::string_view message);                         \
    explicit Name(absl::Status status) : Error(std::move(status)) {} \
  }
NDB_ERROR_CLASS_(ContextError, kFailedPrecondition);           // no context, or one of another thread
NDB_ERROR_CLASS_(BadArgumentError, kInvalidArgument);          // an option or argument that makes no sense
NDB_ERROR_CLASS_(BadKeyError, kInvalidArgument);               // a key that is malformed, incomplete or over its limits
NDB_ERROR_CLASS_(BadValueError, kInvalidArgument);             // a property value that is refused
NDB_ERROR_CLASS_(BadFilterError, kInvalidArgument);            // a filter on what can't be filtered
NDB_ERROR_CLASS_(BadQueryError, kInvalidArgument);             // a query that makes no sense
NDB_ERROR_CLASS_(UnprojectedPropertyError, kInvalidArgument);  // a projection's result lacks the property
NDB_ERROR_CLASS_(BadRequestError, kInvalidArgument);   // a call that is not allowed here, such as a nested transaction
NDB_ERROR_CLASS_(KindError, kNotFound);                // no model class, or more than one, for a kind
NDB_ERROR_CLASS_(ConflictError, kFailedPrecondition);  // put_if() found another version than it was told
NDB_ERROR_CLASS_(TransactionFailedError, kAborted);    // no attempt of a transaction could be committed
NDB_ERROR_CLASS_(Rollback, kCancelled);                // thrown by a transaction's function to roll back silently
NDB_ERROR_CLASS_(Cancelled, kCancelled);               // the future was cancelled
NDB_ERROR_CLASS_(StuckError, kFailedPrecondition);     // waiting for a future that nothing can ever finish
#undef NDB_ERROR_CLASS_

// Throws `status` (which must not be OK) as the subclass that it was made for, else as Error.
[[noreturn]] void throw_error(const absl::Status& status);

// The status of an exception: its own if it is an ndb::Error, UNKNOWN with its what() otherwise.
absl::Status status_of(const std::exception_ptr& error);

}  // namespace ndb
