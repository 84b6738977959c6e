// Calls of providers in flight: one per key at a time, whose value other callers share if it is fresh enough.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/mutex.h"
#include "memcache/tags.h"

namespace ndb::shared_cache {

using Value = std::shared_ptr<const void>;

// One key's call of a provider. Belongs to SingleFlight.
struct Flight;
using FlightPtr = std::shared_ptr<Flight>;

// Single flight: one call of a provider for all callers that ask for the same key at the same time. Thread-safe.
class SingleFlight {
 public:
  // A number that grows with every flight: a flight with a higher number calls its provider later.
  std::uint64_t now() const { return claimed_; }

  struct Claim {
    enum class Part {
      kLead,  // call the provider, then finish()
      kJoin,  // wait(): its value is fresh enough
      kWait,  // wait(), and claim again: its provider may have been called before an invalidation that the caller must
              // see
    };
    Part part = Part::kLead;
    FlightPtr flight;
  };
  // For a caller that began at `began` and has since read `tag` (none if memcache did not answer). A flight with the
  // same tag has read it earlier, and its value is as good as the tag; one that was claimed after `began` is fresh in
  // any case.
  Claim claim(std::string_view key, const std::optional<memcache::Tag>& tag, std::uint64_t began);
  // For renewing a value that is still valid: kJoin if another caller is renewing it; this one need not wait for it.
  Claim claim_renewal(std::string_view key, const std::optional<memcache::Tag>& tag);

  // Ends a flight that the caller leads. `keep` stores the value, unless the key was invalidated in this process
  // meanwhile.
  void finish(const FlightPtr& flight, Value value, absl::FunctionRef<void()> keep);
  void fail(const FlightPtr& flight, std::exception_ptr error);

  // Waits until the flight has ended: a tasklet parks, a thread's main stack drives its event loop.
  void wait(const FlightPtr& flight);
  // The value of a flight that has ended.
  static Value result(const FlightPtr& flight);  // rethrows its error
  static bool failed(const FlightPtr& flight);
  // Whether it failed because the request of its leader was over, which says nothing to others: they claim again.
  static bool cut_off(const FlightPtr& flight);

  // A flight of the key that is in flight will not store its value.
  void invalidate(std::string_view key);

 private:
  Claim lead(std::string_view key, const std::optional<memcache::Tag>& tag) NDB_REQUIRES(mutex_);
  void end(const FlightPtr& flight, Value value, std::exception_ptr error, absl::FunctionRef<void()> keep);

  Mutex mutex_;
  std::atomic<std::uint64_t> claimed_{0};  // changed under the mutex
  std::map<std::string, FlightPtr, std::less<>> in_flight_ NDB_GUARDED_BY(mutex_);
};

// The flights whose providers are running on this stack, innermost last.
using RunningProviders = std::vector<FlightPtr>;

// While it lives, the providers of `outer` depend on `inner`. Throws BadRequestError if one of `inner` already depends
// on one of them, in whatever thread: all would wait forever.
class Dependence {
 public:
  Dependence(const RunningProviders& outer, std::span<const FlightPtr> inner);
  ~Dependence();
  Dependence(const Dependence&) = delete;
  Dependence& operator=(const Dependence&) = delete;

 private:
  const RunningProviders& outer_;
  const std::vector<FlightPtr> inner_;
};

}  // namespace ndb::shared_cache
