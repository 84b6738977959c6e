// All limits of the Datastore API that the server enforces. Each error that is caused by a limit names it. Unless noted
// otherwise they are from the table of limits in Google's documentation of Firestore in Datastore mode.
#pragma once

#include <cstddef>

namespace ndb::local {

// --- requests
inline constexpr std::size_t kMaxRequestBytes = 10 << 20;
inline constexpr int kMaxMutations = 500;    // of a Commit
inline constexpr int kMaxLookupKeys = 1000;  // of a Lookup
inline constexpr int kMaxTransforms = 500;   // of a mutation; each element of a transform's array counts

// --- keys: entity.proto
inline constexpr std::size_t kMaxKeyBytes = 6144;
inline constexpr int kMaxPathElements = 100;
inline constexpr std::size_t kMaxNameBytes = 1500;  // of a kind, of a name in a key, of a property, of an indexed path
inline constexpr std::size_t kMaxPartitionBytes = 100;  // of a namespace, of a database's name

// --- entities
inline constexpr std::size_t kMaxEntityBytes = 1'048'572;
inline constexpr std::size_t kMaxUnindexedBytes = 1'048'487;  // of a string or a blob
inline constexpr std::size_t kMaxIndexedBytes = 1500;         // of a string or a blob in an index
inline constexpr std::size_t kMaxDepth = 20;                  // of entities within entities
inline constexpr std::size_t kMaxPathNames = kMaxDepth + 1;   // of a path `a.b` to a property within them
inline constexpr int kMaxIndexEntries = 20'000;               // of an entity

// --- queries
inline constexpr std::size_t kMaxDisjunctions = 30;  // of the filter in disjunctive normal form; values of one IN
inline constexpr int kMaxFiltersAndOrders = 100;
inline constexpr int kMaxNotInValues = 10;
inline constexpr int kMaxAggregations = 5;
// A composite index, which a query of several properties needs in the cloud: the number of its properties, and of the
// entries of one entity.
inline constexpr int kMaxIndexProperties = 100;
inline constexpr std::size_t kMaxCompositeEntries = 20'000;
inline constexpr std::size_t kMaxCompositeBytes = 2 << 20;
inline constexpr std::size_t kMaxCompositeIndexes = 1000;  // of a database

// --- the server's own, for which the documentation has no number
inline constexpr int kMaxFilterDepth = 50;            // of composite filters, and of parentheses in GQL
inline constexpr std::size_t kMaxGqlTokens = 50'000;  // far more than the largest query that keeps the other limits
// Clients accept at most gRPC's default of 4 MiB.
inline constexpr std::size_t kMaxResponseBytes = 3 << 20;
inline constexpr int kMaxBatchResults = 300;
inline constexpr int kMaxBatchSkips = 1000;
inline constexpr int kMaxIndexesPerPage = 100;
inline constexpr std::size_t kMaxSuggestedBytes = 1 << 20;  // of index.yaml

}  // namespace ndb::local
