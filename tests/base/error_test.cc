#include "base/error.h"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

#include "base/status_macros.h"

namespace ndb {
namespace {

struct ErrorClass {
  const std::type_info* type;
  absl::StatusCode code;
  absl::Status made;    // by an error with a message alone
  absl::Status status;  // by the function for code that does not throw
};

const std::vector<ErrorClass>& error_classes() {
#define NDB_ROW(Name, code, function) \
  {&typeid(Name), absl::StatusCode::code, Name("what happened").status(), function("what happened")},
  static const std::vector<ErrorClass> rows = {NDB_ERROR_CLASSES_(NDB_ROW)};
#undef NDB_ROW
  return rows;
}

std::exception_ptr thrown_for(const absl::Status& status) {
  try {
    throw_error(status);
  } catch (...) {
    return std::current_exception();
  }
}

const std::type_info& type_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return typeid(e);
  }
}

TEST(Error, AStatusIsThrownAsTheClassItWasMadeFor) {
  for (const ErrorClass& c : error_classes()) {
    EXPECT_EQ(c.made, c.status) << c.type->name();
    EXPECT_EQ(c.status.code(), c.code) << c.type->name();
    EXPECT_EQ(c.status.message(), "what happened");
    const std::exception_ptr error = thrown_for(c.status);
    EXPECT_EQ(type_of(error), *c.type);
    EXPECT_EQ(status_of(error), c.status);
  }
}

TEST(Error, AnnotatingKeepsTheClassAndTheCode) {
  for (const ErrorClass& c : error_classes()) {
    const absl::Status annotated = annotate(c.status, "while reading Account 'ada'");
    EXPECT_EQ(annotated.message(), "while reading Account 'ada': what happened");
    EXPECT_EQ(annotated.code(), c.code);
    EXPECT_EQ(type_of(thrown_for(annotated)), *c.type);
  }
  EXPECT_EQ(annotate(absl::OkStatus(), "while doing nothing"), absl::OkStatus());
}

TEST(Error, TheCodeOfAClassIsWhatItsCallersMayRelyOn) {
  EXPECT_EQ(bad_value("m").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(kind_error("m").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(conflict("m").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(transaction_failed("m").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(cancelled("m").code(), absl::StatusCode::kCancelled);
}

TEST(Error, ValueOrThrow) {
  EXPECT_EQ(value_or_throw(absl::StatusOr<int>(7)), 7);
  EXPECT_THROW(value_or_throw(absl::StatusOr<int>(bad_key("no key"))), BadKeyError);
}

TEST(Error, AStatusFromElsewhereIsAPlainError) {
  const std::exception_ptr error = thrown_for(absl::UnavailableError("connection refused"));
  EXPECT_EQ(type_of(error), typeid(Error));
  EXPECT_EQ(status_of(error), absl::UnavailableError("connection refused"));
}

TEST(Error, ForeignExceptionsAreUnknown) {
  EXPECT_EQ(status_of(std::make_exception_ptr(std::out_of_range("index 7"))), absl::UnknownError("index 7"));
  EXPECT_EQ(status_of(std::make_exception_ptr(42)).code(), absl::StatusCode::kUnknown);
}

absl::StatusOr<int> half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return n / 2;
}

absl::StatusOr<int> quarter(int n) {
  NDB_ASSIGN_OR_RETURN(const int first, half(n));
  NDB_ASSIGN_OR_RETURN(const int second, half(first));
  NDB_RETURN_IF_ERROR(second == 0 ? absl::OutOfRangeError("zero") : absl::OkStatus());
  return second;
}

TEST(StatusMacros, ReturnTheFirstError) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(7).status(), absl::InvalidArgumentError("odd"));
  EXPECT_EQ(quarter(6).status(), absl::InvalidArgumentError("odd"));
  EXPECT_EQ(quarter(0).status(), absl::OutOfRangeError("zero"));
}

}  // namespace
}  // namespace ndb
