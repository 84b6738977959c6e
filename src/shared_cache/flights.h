// Calls of providers that are under way: one for a key at a time, which those who ask meanwhile join if they may.
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

// One key on its way through a provider. Belongs to Flights.
struct Flight;
using FlightPtr = std::shared_ptr<Flight>;

// Thread-safe.
class Flights {
 public:
  // A place in time: flights that are claimed later call their providers later.
  std::uint64_t now() const { return claimed_; }

  struct Claim {
    enum class Part {
      kLead,  // call the provider, then land()
      kJoin,  // wait(): its value is fresh enough
      kWait,  // wait(), and claim again: its provider may have been called before an invalidation that the caller must
              // see
    };
    Part part = Part::kLead;
    FlightPtr flight;
  };
  // For a caller that began at `began` and has since read `tag` (none if memcache did not answer). A flight of the same
  // tag read it before, and its value is as good as the tag; one that was claimed after `began` is fresh in any case.
  Claim claim(std::string_view key, const std::optional<memcache::Tag>& tag, std::uint64_t began);
  // To renew a value that is still good: kJoin, which need not be waited for, if somebody is at it.
  Claim claim_renewal(std::string_view key, const std::optional<memcache::Tag>& tag);

  // The end of a flight that was led. `keep` stores the value, unless the key was invalidated here meanwhile.
  void land(const FlightPtr& flight, Value value, absl::FunctionRef<void()> keep);
  void fail(const FlightPtr& flight, std::exception_ptr error);

  // Waits until the flight has ended: a tasklet parks, a thread's main stack drives its event loop.
  void wait(const FlightPtr& flight);
  static Value result(const FlightPtr& flight);  // of one that has ended; rethrows its error

  // Flights of the key that are under way keep nothing.
  void spoil(std::string_view key);

 private:
  Claim lead(std::string_view key, const std::optional<memcache::Tag>& tag) NDB_REQUIRES(mutex_);
  void end(const FlightPtr& flight, Value value, std::exception_ptr error, absl::FunctionRef<void()> keep);

  Mutex mutex_;
  std::atomic<std::uint64_t> claimed_{0};  // changed under the mutex
  std::map<std::string, FlightPtr, std::less<>> flying_ NDB_GUARDED_BY(mutex_);
};

// The flights whose provider is running here, as far out as they nest.
using Providing = std::vector<FlightPtr>;

// For as long as it lives the providers of `outer` depend on `inner`. Throws BadRequestError if one of these depends on
// them already, in whatever thread: all would wait for ever.
class Dependence {
 public:
  Dependence(const Providing& outer, std::span<const FlightPtr> inner);
  ~Dependence();
  Dependence(const Dependence&) = delete;
  Dependence& operator=(const Dependence&) = delete;

 private:
  const Providing& outer_;
  const std::vector<FlightPtr> inner_;
};

}  // namespace ndb::shared_cache
