// The limits of the Datastore API that the client checks before sending, so that an error names the limit
// (cloud.google.com/datastore/docs/concepts/limits). The local Datastore has its own list.
#pragma once

#include <cstddef>

namespace ndb {

// Limits of a key.
inline constexpr std::size_t kMaxKeyElements = 100;
inline constexpr std::size_t kMaxKeyPartBytes = 1500;       // a kind or name
inline constexpr std::size_t kMaxPartitionPartBytes = 100;  // a project, database or namespace
inline constexpr std::size_t kMaxKeyBytes = 6 * 1024;

// Limits of an entity.
inline constexpr std::size_t kMaxPropertyNameBytes = 1500;
inline constexpr std::size_t kMaxIndexedBytes = 1500;       // of an indexed string or blob
inline constexpr std::size_t kMaxUnindexedBytes = 1048487;  // of any other one
inline constexpr std::size_t kMaxEntityBytes = 1048572;
inline constexpr int kMaxEntityDepth = 20;  // of nested entities

// Limits of one request.
inline constexpr std::size_t kMaxLookupKeys = 1000;
inline constexpr std::size_t kMaxCommitMutations = 500;
inline constexpr std::size_t kMaxAllocateKeys = 500;
inline constexpr std::size_t kMaxReserveKeys = 500;
inline constexpr std::size_t kMaxRequestBytes = 10 * 1024 * 1024;

}  // namespace ndb
