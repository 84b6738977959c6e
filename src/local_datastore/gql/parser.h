// GQL text as query messages, by the grammar of the cloud's GQL reference.
//
//   SELECT (* | property,... | DISTINCT property,... | DISTINCT ON (property,...) (* | property,...))
//     [FROM kind] [WHERE condition] [ORDER BY property [ASC | DESC],...]
//     [LIMIT (position | FIRST(position, position))] [OFFSET position [+ position]]
//   AGGREGATE aggregation,... OVER (query), or SELECT aggregation,... [FROM kind] [WHERE condition]
#pragma once

#include "absl/status/statusor.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// Parses a query and fills in its bindings; keys without a NAMESPACE are in that of `partition`. INVALID_ARGUMENT names
// the line and column, what was expected there and what was found. This checks only the grammar, and the limits that
// bound the work; plan_query() checks the rest.
absl::StatusOr<v1::Query> parse_gql_query(const v1::GqlQuery& gql, const v1::PartitionId& partition);

// The same for the two forms of aggregation queries. Each function refuses the queries of the other.
absl::StatusOr<v1::AggregationQuery> parse_gql_aggregation(const v1::GqlQuery& gql, const v1::PartitionId& partition);

}  // namespace ndb::local
