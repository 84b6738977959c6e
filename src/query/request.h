// Conversion of queries to messages of the Datastore.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "context/context_impl.h"
#include "ndb/detail/query_calls.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb {

// BadFilterError for errors that can be detected without the Datastore. Keys in filters without a partition get the
// context's.
absl::StatusOr<wire::Filter> filter_message(const Context::Impl& context, const Filter& filter);

// The query of a spec without GQL text, complete except for its projection.
absl::StatusOr<wire::Query> query_message(const Context::Impl& context, const detail::QuerySpec& spec);
absl::StatusOr<wire::GqlQuery> gql_message(const Context::Impl& context, const detail::QuerySpec& spec);

// Transaction, read time and read consistency; for all kinds of query requests.
absl::StatusOr<wire::ReadOptions> read_options(const Context::Impl& context, const detail::QuerySpec& spec,
                                               const Options& options);
absl::StatusOr<wire::PartitionId> partition_of(const Context::Impl& context, const detail::QuerySpec& spec);

// A value in a filter or binding, as the bytes of a message.
absl::StatusOr<std::string> value_bytes(const Context::Impl& context, const Value& value);

// `status` with a message that names the query.
absl::Status in_query(const absl::Status& status, const detail::QuerySpec& spec);

}  // namespace ndb
