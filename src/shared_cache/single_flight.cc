#include "shared_cache/single_flight.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/error.h"
#include "base/strings.h"
#include "ndb/future.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"

namespace ndb::shared_cache {

struct Flight {
  std::string key;
  std::optional<memcache::Tag> tag;
  std::uint64_t number = 0;
  std::thread::id leader = std::this_thread::get_id();
  // Guarded by the mutex of SingleFlight until `ended`:
  bool invalidated = false;
  bool ended = false;
  bool cut_off = false;  // it failed because the request of its leader was over; set before it has ended
  std::vector<std::function<void()>> on_end;
  Value value;
  std::exception_ptr error;
  // Guarded by the mutex of all dependences, which may cross from cache to cache: what its provider waits for.
  std::vector<const Flight*> needs;
};

namespace {

Mutex dependence_mutex;

const Flight* find_cycle(const RunningProviders& outer, std::span<const FlightPtr> inner)
    NDB_REQUIRES(dependence_mutex) {
  std::vector<const Flight*> open;
  absl::flat_hash_set<const Flight*> seen;
  for (const FlightPtr& flight : inner) open.push_back(flight.get());
  while (!open.empty()) {
    const Flight* const flight = open.back();
    open.pop_back();
    if (!seen.insert(flight).second) continue;
    if (std::ranges::find(outer, flight, &FlightPtr::get) != outer.end()) return flight;
    open.insert(open.end(), flight->needs.begin(), flight->needs.end());
  }
  return nullptr;
}

}  // namespace

SingleFlight::Claim SingleFlight::lead(std::string_view key, const std::optional<memcache::Tag>& tag) {
  auto flight = std::make_shared<Flight>();
  flight->key = key;
  flight->tag = tag;
  flight->number = ++claimed_;
  in_flight_.emplace(flight->key, flight);
  return {Claim::Part::kLead, std::move(flight)};
}

SingleFlight::Claim SingleFlight::claim(std::string_view key, const std::optional<memcache::Tag>& tag,
                                        std::uint64_t began) {
  MutexLock lock(mutex_);
  const auto found = in_flight_.find(key);
  if (found == in_flight_.end()) return lead(key, tag);
  const Flight& flight = *found->second;
#ifdef NDB_WEAKEN_ANY_FLIGHT  // for a test of the history checker
  began = 0;
#endif
  const bool fresh = flight.number > began || (tag && flight.tag == tag);
  return {fresh ? Claim::Part::kJoin : Claim::Part::kWait, found->second};
}

SingleFlight::Claim SingleFlight::claim_renewal(std::string_view key, const std::optional<memcache::Tag>& tag) {
  MutexLock lock(mutex_);
  const auto found = in_flight_.find(key);
  return found == in_flight_.end() ? lead(key, tag) : Claim{Claim::Part::kJoin, found->second};
}

void SingleFlight::end(const FlightPtr& flight, Value value, std::exception_ptr error, absl::FunctionRef<void()> keep) {
  std::vector<std::function<void()>> on_end;
  {
    MutexLock lock(mutex_);
    // Kept before the flight is removed: a later caller finds either the flight or the value.
    if (!flight->invalidated) keep();
    in_flight_.erase(flight->key);
    flight->value = std::move(value);
    flight->error = std::move(error);
    flight->ended = true;
    on_end = std::exchange(flight->on_end, {});
  }
  for (const std::function<void()>& callback : on_end) callback();
}

void SingleFlight::finish(const FlightPtr& flight, Value value, absl::FunctionRef<void()> keep) {
  end(flight, std::move(value), nullptr, keep);
}

void SingleFlight::fail(const FlightPtr& flight, std::exception_ptr error) {
  const std::shared_ptr<Bounds>& bounds = tasklet_locals().bounds;
  flight->cut_off = bounds != nullptr && !bounds->check(EventLoop::current().now()).ok();
  end(flight, nullptr, std::move(error), [] {});
}

void SingleFlight::wait(const FlightPtr& flight) {
  auto state = std::make_shared<detail::FutureState<void>>();
  const std::shared_ptr<detail::FutureState<void>> ended = state;
  const std::shared_ptr<Bounds> bounds = tasklet_locals().bounds;
  const Bounds::Watch watch(bounds, [&] {
    if (ended->done()) return;
    ended->fail(annotate(bounds->check(EventLoop::current().now()),
                         cat("the provider of ", quoted(flight->key), ", called by another request, has not ended")));
  });
  const auto end_of = [](const std::shared_ptr<detail::FutureState<void>>& one) {
    if (!one->done()) one->set(detail::Unit{});
  };
  {
    MutexLock lock(mutex_);
    if (flight->ended) return;
    if (flight->leader == std::this_thread::get_id()) {
      flight->on_end.emplace_back([state = std::move(state), end_of] { end_of(state); });
    } else {
      EventLoop& loop = EventLoop::current();
      loop.started();
      flight->on_end.emplace_back([state = std::move(state), &loop, inbox = loop.inbox(), end_of]() mutable {
        inbox->post([state = std::move(state), &loop, end_of] {
          loop.finished();
          end_of(state);
        });
      });
    }
  }
  ended->wait();
  ended->value();
}

bool SingleFlight::cut_off(const FlightPtr& flight) { return flight->cut_off; }

bool SingleFlight::failed(const FlightPtr& flight) { return flight->error != nullptr; }

Value SingleFlight::result(const FlightPtr& flight) {
  if (flight->error != nullptr) std::rethrow_exception(flight->error);
  return flight->value;
}

void SingleFlight::invalidate(std::string_view key) {
  MutexLock lock(mutex_);
  if (const auto found = in_flight_.find(key); found != in_flight_.end()) found->second->invalidated = true;
}

Dependence::Dependence(const RunningProviders& outer, std::span<const FlightPtr> inner)
    : outer_(outer), inner_(inner.begin(), inner.end()) {
  if (outer_.empty()) return;
  MutexLock lock(dependence_mutex);
  if (const Flight* const flight = find_cycle(outer_, inner_)) {
    throw BadRequestError(cat("the provider of ", quoted(flight->key),
                              " asks, itself or through other providers, for its own value: that would never end"));
  }
  for (const FlightPtr& flight : outer_) {
    for (const FlightPtr& other : inner_) flight->needs.push_back(other.get());
  }
}

Dependence::~Dependence() {
  if (outer_.empty()) return;
  MutexLock lock(dependence_mutex);
  for (const FlightPtr& flight : outer_) {
    for (const FlightPtr& other : inner_) {
      flight->needs.erase(std::ranges::find(flight->needs, other.get()));
    }
  }
}

}  // namespace ndb::shared_cache
