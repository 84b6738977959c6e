#include "ndb/gql.h"

#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "query/request.h"

namespace ndb {
namespace {

absl::Status fill(const Context::Impl& context, const detail::GqlBinding& binding, wire::GqlQueryParameter& parameter) {
  if (const auto* cursor = std::get_if<Cursor>(&binding.value)) {
    parameter.set_cursor(cursor->bytes());
    return absl::OkStatus();
  }
  NDB_ASSIGN_OR_RETURN(*parameter.mutable_value(), value_bytes(context, std::get<Value>(binding.value)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<wire::GqlQuery> gql_message(const Context::Impl& context, const detail::QuerySpec& spec) {
  wire::GqlQuery gql;
  gql.set_query_string(spec.gql);
  gql.set_allow_literals(true);
  for (const detail::GqlBinding& binding : spec.bindings) {
    if (binding.name.empty()) {
      absl::Status status = fill(context, binding, *gql.add_positional_bindings());
      if (!status.ok()) return annotate(status, cat("@", gql.positional_bindings_size()));
      continue;
    }
    auto [place, added] = gql.mutable_named_bindings()->try_emplace(binding.name);
    if (!added) return bad_argument(cat("@", binding.name, " is bound twice"));
    if (absl::Status status = fill(context, binding, place->second); !status.ok()) {
      return annotate(status, cat("@", binding.name));
    }
  }
  return gql;
}

std::string detail::select_all(std::string_view kind) {
  std::string name;
  for (const char c : kind) {
    if (c == '`' || c == '\\') name.push_back('\\');
    name.push_back(c);
  }
  return cat("SELECT * FROM `", name, "` ");
}

}  // namespace ndb
