#include "context/call_policy.h"

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/commit_limits.h"
#include "tasklet/event_loop.h"

namespace ndb::context {
namespace {

// How long memcache keeps entities of best-effort classes at most.
constexpr std::chrono::seconds kBestEffortTimeout{60};

// The first opinion: the call's option, the policy (the default one asks the class), the client's default.
bool first_answer(const std::optional<bool>& option, const FlagPolicy& policy, const Key& key,
                  const std::optional<bool>& of_class, const std::optional<bool>& of_client) {
  if (option) return *option;
  if (policy.is_default()) {
    if (of_class) return *of_class;
  } else if (const std::optional<Flag> answer = policy(key)) {
    return answer->value;
  }
  return of_client.value_or(true);
}

absl::StatusOr<std::chrono::seconds> whole_seconds(const Timeout& timeout, const Key& key) {
  const auto ms = timeout.milliseconds;
  if (ms.count() < 0 || ms % std::chrono::seconds(1) != std::chrono::milliseconds(0)) {
    return bad_value(cat("memcache_timeout of ", key.to_string(),
                         " must be whole seconds, 0 (unlimited) or more, but is ", ms.count(), " ms"));
  }
  return std::chrono::duration_cast<std::chrono::seconds>(ms);
}

absl::StatusOr<std::chrono::seconds> decide_timeout(const Key& key, const Options& options, const Policies& policies,
                                                    const ClientOptions& client, const detail::ModelInfo* info) {
  std::optional<Timeout> timeout = options.memcache_timeout;
  if (!timeout && policies.timeout.is_default()) {
    if (info != nullptr) timeout = info->memcache_timeout(key);
  } else if (!timeout) {
    timeout = policies.timeout(key);
  }
  if (timeout) return whole_seconds(*timeout, key);
  if (!client.memcache_timeout) return std::chrono::seconds(0);
  NDB_ASSIGN_OR_RETURN(const std::chrono::seconds net, whole_seconds(*client.memcache_timeout, key));
  // Spreads time-outs, so that entities that were cached together do not expire together. A key always gets the same
  // time-out, so that reads of it share a batch.
  const auto tenth = static_cast<std::size_t>(net.count()) / 10;
  return net - std::chrono::seconds(key.hash() % (tenth + 1));
}

}  // namespace

RpcOptions RpcOptions::begin() const {
  if (!deadline || begun) return *this;
  RpcOptions now = *this;
  now.bounds = Bounds::of_part(bounds, "the call", *deadline, EventLoop::current().now());
  now.begun = true;
  return now;
}

absl::Status check_options(const Options& options) {
  if (options.deadline && (options.deadline->count() <= 0 || *options.deadline > kLongestCommitDeadline)) {
    return bad_argument(
        cat("deadline must be more than 0 and at most 300 s, but is ", options.deadline->count(), " ms"));
  }
  if (options.retries && *options.retries < 0) {
    return bad_argument(cat("retries must be 0 or more, but is ", *options.retries));
  }
  if (options.max_staleness && options.max_staleness->count() < 0) {
    return bad_argument(cat("max_staleness must be 0 or more, but is ", options.max_staleness->count(), " ms"));
  }
  return absl::OkStatus();
}

bool decides_cache(const Key& key, const Options& options, const Policies& policies, const ClientOptions& client,
                   const detail::ModelInfo* info) {
  return first_answer(options.use_cache, policies.cache, key, info ? info->use_cache(key) : std::nullopt,
                      client.use_cache);
}

absl::StatusOr<CallPolicy> decide(const Key& key, const Options& options, const Policies& policies,
                                  const ClientOptions& client, const CallPlace& place) {
  NDB_RETURN_IF_ERROR(check_options(options));
  NDB_ASSIGN_OR_RETURN(const detail::ModelInfo* const info, detail::find_model(key.kind()));
  const auto of_class = [&](const detail::ClassFlag<bool> detail::ModelInfo::* flag) {
    return info ? (info->*flag)(key) : std::nullopt;
  };
  const std::optional<bool> class_memcache = of_class(&detail::ModelInfo::use_memcache);
  CallPolicy policy;
  policy.cache = decides_cache(key, options, policies, client, info);
  policy.memcache =
      first_answer(options.use_memcache, policies.memcache, key, class_memcache, client.use_memcache) && place.gateway;
  policy.lock = class_memcache.value_or(true) && place.gateway;
  policy.datastore = first_answer(options.use_datastore, policies.datastore, key,
                                  of_class(&detail::ModelInfo::use_datastore), client.use_datastore);
  // A class that keeps its kind out of memcache promises that its writes need not invalidate records there, in any
  // process. So nothing that the Datastore stores may be read from memcache either, whatever this call or context says.
  if (policy.memcache && !policy.lock && policy.datastore) {
    if (options.use_memcache.value_or(false)) {
      return bad_argument(cat("use_memcache = true for ", key.to_string(), ": the class of kind ",
                              ndb::quoted(key.kind()),
                              " says _use_memcache = false, so that its writes leave memcache as "
                              "it is; drop the option, or the flag in every program"));
    }
    policy.memcache = false;
  }
  policy.shared = policy.memcache && policy.datastore && place.shared &&
                  first_answer(options.use_shared_cache, policies.shared, key,
                               of_class(&detail::ModelInfo::use_shared_cache), client.use_shared_cache.value_or(false));
  policy.write_through =
      policy.memcache && options.write_through.value_or(of_class(&detail::ModelInfo::write_through).value_or(false));
  if (!policy.cache && !policy.memcache && !policy.datastore) {
    return bad_argument(cat("no tier is left for ", key.to_string(), ": use_cache and use_datastore are false, and ",
                            !place.gateway ? "the client has no memcached" : "so is use_memcache",
                            "; allow one of them"));
  }
  policy.best_effort = policy.lock && of_class(&detail::ModelInfo::best_effort).value_or(false);
  if (policy.memcache) {
    NDB_ASSIGN_OR_RETURN(policy.timeout, decide_timeout(key, options, policies, client, info));
    // A write that could not be locked leaves a stale record that is served until it expires, so it must expire soon.
    if (policy.best_effort && (policy.timeout.count() == 0 || policy.timeout > kBestEffortTimeout)) {
      policy.timeout = kBestEffortTimeout;
    }
  }
  // In a transaction all reads are of one snapshot, whatever its age.
  if (options.max_staleness && !place.in_transaction) policy.oldest = place.clock->now() - *options.max_staleness;
  return policy;
}

}  // namespace ndb::context
