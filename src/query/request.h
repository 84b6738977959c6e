// What is asked, as the messages of the Datastore.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "context/context_impl.h"
#include "ndb/detail/query_calls.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb {

// BadFilterError for what can be seen to be wrong without the Datastore. Keys in filters get the context's partition
// where they have none.
absl::StatusOr<wire::Filter> filter_message(const Context::Impl& context, const Filter& filter);

// The query of a spec without GQL text, whole but for projection.
absl::StatusOr<wire::Query> query_message(const Context::Impl& context, const detail::QuerySpec& spec);
absl::StatusOr<wire::GqlQuery> gql_message(const Context::Impl& context, const detail::QuerySpec& spec);

// In which transaction, how consistent, and in which namespace; for both kinds of query requests.
absl::StatusOr<wire::ReadOptions> read_options(const Context::Impl& context, const Options& options);
absl::StatusOr<wire::PartitionId> partition_of(const Context::Impl& context, const detail::QuerySpec& spec);

// A value in a filter or binding, as the bytes of a message.
absl::StatusOr<std::string> value_bytes(const Context::Impl& context, const Value& value);

// The error of a query, which is named in it.
absl::Status in_query(const absl::Status& status, const detail::QuerySpec& spec);

}  // namespace ndb
