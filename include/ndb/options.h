// The options of a single call. Aggregates, so that they read like keyword arguments:
//   key.get<Account>({.use_cache = false, .memcache_timeout = 30});
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

namespace ndb {

// A bool to which nothing else converts: no pointer, integer or lambda.
struct Flag {
  // From a bool and nothing else.
  template <std::same_as<bool> B>
  constexpr Flag(B b) : value(b) {}
  bool value;  // what it was made from
};

// A memcache time-out: a number of seconds, or a duration. 0 is unlimited (NDB manual). A negative or sub-second value
// is a BadValueError when the call is made; it is kept here as it was given, so that the message can name it. A
// fraction of a millisecond is rounded away from 0, so that it does not become unlimited; a duration that is too long
// for milliseconds becomes the longest one.
struct Timeout {
  // Whole seconds.
  template <std::integral I>
    requires(!std::same_as<I, bool>)
  constexpr Timeout(I seconds) : Timeout(std::chrono::duration<I>(seconds)) {}
  // A duration, rounded as above.
  template <class Rep, class Period>
  constexpr Timeout(std::chrono::duration<Rep, Period> d) : milliseconds(rounded(d)) {}
  std::chrono::milliseconds milliseconds;  // as given

 private:
  template <class Rep, class Period>
  static constexpr std::chrono::milliseconds rounded(std::chrono::duration<Rep, Period> d) {
    using std::chrono::milliseconds;
    using Real = std::chrono::duration<long double, std::milli>;
    const Real exact(d);
    if (exact >= Real(milliseconds::max())) return milliseconds::max();
    if (exact <= Real(milliseconds::min())) return milliseconds::min();
    return exact < Real::zero() ? std::chrono::floor<milliseconds>(d) : std::chrono::ceil<milliseconds>(d);
  }
};

// What a client does when it detects a program with another list of memcached servers, whose records are in other
// places: nothing; log and count it; or also serve nothing from memcache and fail writes (FAILED_PRECONDITION).
enum class RingCheck { kOff, kWarn, kEnforce };

// Whether a read must see every write that was acknowledged before it (the default), or may see an older state, as the
// Datastore API's ReadOptions say.
enum class ReadConsistency { kStrong, kEventual };

// Options of get, put and delete. What is not set is decided by the context's policies (see ndb/context.h).
struct Options {
  std::optional<bool> use_cache{};      // the in-context cache
  std::optional<bool> use_memcache{};   // memcache: serving and filling; writes always invalidate
  std::optional<bool> use_datastore{};  // the Datastore
  // Of a get: the entities that all threads of the process share, which memcache confirms; default false.
  std::optional<bool> use_shared_cache{};
  std::optional<Timeout> memcache_timeout{};
  std::optional<bool> write_through{};  // of a put: leave the new value in memcache instead of nothing; default false
  // Of a put of an incomplete key: allocates the id first, with an RPC of its own. Only then can the put be resent
  // without making a second entity. Always so in a transaction. Default false.
  std::optional<bool> allocate_first{};
  // Of a get: how long ago a cached answer may have been read from the Datastore; 0 asks the Datastore. It limits the
  // effect of faults that the promises of the caches do not cover; ignored in a transaction.
  std::optional<std::chrono::milliseconds> max_staleness{};
  // How long the call may take: with all its RPCs, resends and pauses, its exchanges with memcached, the waits for
  // locks and for other Commits of a put or delete, and the allocation of an id. Then it ends with DEADLINE_EXCEEDED,
  // which says what it was waiting for. The time runs from when the call is sent, or begins to wait for an earlier
  // write of its key. More than 0, at most 300 s, or BadArgumentError. It never goes beyond the deadline of the context
  // (ContextOptions). Of an iteration and of map(): of each wait for a next result. Default: 30 s for each Commit, 60 s
  // for any other RPC (Datastore service config), and for a call of several RPCs as long as it makes progress.
  std::optional<std::chrono::milliseconds> deadline{};
  std::optional<int>
      retries{};  // RPC retries after the first attempt, where the API allows any; default: until the deadline
  std::optional<ReadConsistency> read_consistency{};  // an EVENTUAL read never fills memcache
};

}  // namespace ndb
