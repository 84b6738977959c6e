// Which tiers serve a call: one decision from the opinions of options, policies, model classes and the client.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "datastore/stub.h"
#include "ndb/client.h"
#include "ndb/detail/model_info.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/policy.h"
#include "tasklet/bounds.h"

namespace ndb::context {

// The policies of a context. A null policy is the default one, which asks the model class.
struct Policies {
  FlagPolicy cache = nullptr, memcache = nullptr, datastore = nullptr, shared = nullptr;
  TimeoutPolicy timeout = nullptr;
};

// The decision for one key of one call.
struct CallPolicy {
  bool cache = true;
  bool memcache = true;  // serve from it and fill it
  bool datastore = true;
  bool lock = true;  // protect a write: the kind may be in memcache, whatever this call or context says
  bool write_through = false;
  bool best_effort = false;         // write although memcache could not be locked
  bool shared = false;              // serve entities that other threads have decoded, where memcache confirms them
  std::chrono::seconds timeout{0};  // 0 = unlimited
  WallTime oldest{};                // of a read: nothing that was read earlier is served
};

// The options that affect RPCs. Calls share a batch if they agree in them.
struct RpcOptions {
  std::optional<std::chrono::milliseconds> deadline{};
  std::optional<int> retries{};
  bool eventual = false;
  bool begun = false;                // the deadline is among the bounds already
  std::shared_ptr<Bounds> bounds{};  // of the request; null: none

  static RpcOptions of(const Options& options, std::shared_ptr<Bounds> bounds) {
    return {.deadline = options.deadline,
            .retries = options.retries,
            .eventual = options.read_consistency == ReadConsistency::kEventual,
            .bounds = std::move(bounds)};
  }
  datastore::CallOptions call() const { return {.deadline = deadline, .retries = retries}; }
  // The same options for a call whose time begins now. To be used before the call is sent, and before anything else
  // has begun for it.
  RpcOptions begin() const;

  bool operator==(const RpcOptions&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const RpcOptions& o) {  // NOLINT(readability-identifier-naming): Abseil's name
    return H::combine(std::move(h), o.deadline ? o.deadline->count() : -1, o.retries.value_or(-1), o.eventual,
                      o.bounds.get());
  }
};

// BadArgumentError for a deadline, a number of retries or an age that makes no sense.
absl::Status check_options(const Options& options);

// What a decision depends on besides options and policies.
struct CallPlace {
  bool gateway = false;                   // there is a memcache tier
  bool shared = false;                    // there is a store of shared entities
  bool in_transaction = false;            // all its reads are of one snapshot
  const Clock* clock = &Clock::system();  // for a maximum age
};

// The first opinion decides: the call's option, the context's policy (or the model class, which the default policy
// asks), the client's default. BadArgumentError if the options leave no tier at all.
absl::StatusOr<CallPolicy> decide(const Key& key, const Options& options, const Policies& policies,
                                  const ClientOptions& client, const CallPlace& place);

// The same for the context cache alone, without looking up the class: this is all that a hit needs.
bool decides_cache(const Key& key, const Options& options, const Policies& policies, const ClientOptions& client,
                   const detail::ModelInfo* info);

}  // namespace ndb::context
