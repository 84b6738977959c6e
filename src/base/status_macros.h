// Early returns for absl::Status and absl::StatusOr, named after the macros of newer Abseils, which can replace them.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define NDB_RETURN_IF_ERROR(expression)                                              \
  do {                                                                               \
    if (absl::Status ndb_status = (expression); !ndb_status.ok()) return ndb_status; \
  } while (false)

// NDB_ASSIGN_OR_RETURN(const Key key, Key::parse(text));
#define NDB_ASSIGN_OR_RETURN(declaration, expression) \
  NDB_ASSIGN_OR_RETURN_IMPL_(NDB_CONCAT_(ndb_result_, __LINE__), declaration, expression)
#define NDB_ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                       \
  if (!result.ok()) return std::move(result).status();              \
  declaration = *std::move(result)
#define NDB_CONCAT_(a, b) NDB_CONCAT2_(a, b)
#define NDB_CONCAT2_(a, b) a##b
