// Which tiers serve a call: the opinions of options, policies, model classes and clients, made one decision.
#pragma once

#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "datastore/stub.h"
#include "ndb/client.h"
#include "ndb/detail/model_info.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/policy.h"

namespace ndb::context {

// The policies of a context; null is the default one, which asks the model class.
struct Policies {
  FlagPolicy cache = nullptr, memcache = nullptr, datastore = nullptr, shared = nullptr;
  TimeoutPolicy timeout = nullptr;
};

// What is decided for one key of one call.
struct CallPolicy {
  bool cache = true;
  bool memcache = true;  // serve from it and fill it
  bool datastore = true;
  bool lock = true;  // protect a write: the kind may be in memcache, whatever this call or context says
  bool write_through = false;
  bool best_effort = false;         // write although memcache could not be locked
  bool shared = false;              // serve entities that other threads have decoded, where memcache confirms them
  std::chrono::seconds timeout{0};  // 0 = unlimited
  WallTime oldest{};                // of a read: what was read before is not served
};

// The options that make RPCs different: calls that agree in them share a batch.
struct RpcOptions {
  std::optional<std::chrono::milliseconds> deadline{};
  std::optional<int> retries{};
  bool eventual = false;
  static RpcOptions of(const Options& options) {
    return {options.deadline, options.retries, options.read_consistency == ReadConsistency::kEventual};
  }
  datastore::CallOptions call() const { return {deadline, retries}; }
  bool operator==(const RpcOptions&) const = default;
};

// BadArgumentError for a deadline, a number of retries or an age that makes no sense.
absl::Status check_options(const Options& options);

// What a decision depends on besides opinions.
struct CallPlace {
  bool gateway = false;                   // there is a memcache tier
  bool shared = false;                    // there is a store of shared entities
  bool in_transaction = false;            // all reads are of one snapshot, which is as old as the transaction
  const Clock* clock = &Clock::system();  // asked where an age is given
};

// The first opinion counts: the call's options, the context's policy (or the model class, which the default policy
// asks), the client. Options that leave no tier at all are BadArgumentError.
absl::StatusOr<CallPolicy> decide(const Key& key, const Options& options, const Policies& policies,
                                  const ClientOptions& client, const CallPlace& place);

// The same for the context cache alone, and without a search for the class: all that a hit needs.
bool decides_cache(const Key& key, const Options& options, const Policies& policies, const ClientOptions& client,
                   const detail::ModelInfo* info);

}  // namespace ndb::context
