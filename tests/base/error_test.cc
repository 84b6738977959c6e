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
  absl::Status status;  // of an error made from a message alone
};

template <class E>
ErrorClass row(absl::StatusCode code) {
  return {&typeid(E), code, E("what happened").status()};
}

const std::vector<ErrorClass>& error_classes() {
  using enum absl::StatusCode;
  static const std::vector<ErrorClass> rows = {
      row<ContextError>(kFailedPrecondition),
      row<BadArgumentError>(kInvalidArgument),
      row<BadKeyError>(kInvalidArgument),
      row<BadValueError>(kInvalidArgument),
      row<BadFilterError>(kInvalidArgument),
      row<BadQueryError>(kInvalidArgument),
      row<BadRequestError>(kInvalidArgument),
      row<KindError>(kNotFound),
      row<TransactionFailedError>(kAborted),
      row<Rollback>(kCancelled),
      row<Cancelled>(kCancelled),
      row<StuckError>(kFailedPrecondition),
  };
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

TEST(Error, TheFunctionsForCodeThatDoesNotThrowNameTheirClass) {
  const std::vector<std::pair<absl::Status, const std::type_info*>> cases = {
      {bad_argument("m"), &typeid(BadArgumentError)}, {bad_key("m"), &typeid(BadKeyError)},
      {bad_value("m"), &typeid(BadValueError)},       {bad_filter("m"), &typeid(BadFilterError)},
      {bad_query("m"), &typeid(BadQueryError)},       {bad_request("m"), &typeid(BadRequestError)},
      {context_error("m"), &typeid(ContextError)},    {kind_error("m"), &typeid(KindError)},
      {stuck_error("m"), &typeid(StuckError)},        {transaction_failed("m"), &typeid(TransactionFailedError)},
  };
  for (const auto& [status, type] : cases) {
    EXPECT_EQ(type_of(thrown_for(status)), *type);
    for (const ErrorClass& c : error_classes()) {
      if (*c.type == *type) {
        EXPECT_EQ(status.code(), c.code) << type->name();
      }
    }
  }
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
