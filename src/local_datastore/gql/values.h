// The values in one GQL query: literals, if the query allows them, and bindings.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/gql/token_stream.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// The operand of LIMIT or OFFSET: a number of results, or a cursor.
struct GqlPosition {
  std::optional<std::int32_t> count{};
  std::string cursor{};
};

class GqlValues {
 public:
  // All three must outlive this.
  GqlValues(const v1::GqlQuery& gql, const v1::PartitionId& partition, TokenStream& tokens)
      : gql_(gql), partition_(partition), tokens_(tokens) {}

  bool is_next() const;  // whether the next token begins a value
  absl::StatusOr<v1::Value> value() { return value(false); }
  absl::StatusOr<GqlPosition> position();
  // The number of COUNT_UP_TO.
  absl::StatusOr<std::int64_t> number();

  // INVALID_ARGUMENT unless the query has used all positional bindings.
  absl::Status all_used() const;

 private:
  absl::StatusOr<v1::Value> value(bool in_array);
  absl::Status plain_literal(v1::Value& out);
  absl::Status array(v1::ArrayValue& out);
  absl::Status blob(const GqlToken& first, std::string& out);
  absl::Status date_time(const GqlToken& first, google::protobuf::Timestamp& out);
  absl::StatusOr<v1::Key> key();
  absl::Status partition_of(v1::PartitionId& out);
  absl::StatusOr<const v1::GqlQueryParameter*> binding();
  absl::StatusOr<v1::Value> bound_value();
  absl::Status allowed(const GqlToken& literal) const;

  const v1::GqlQuery& gql_;
  const v1::PartitionId& partition_;
  TokenStream& tokens_;
  std::set<int> used_{};  // positional bindings
};

}  // namespace ndb::local
