#include "memcache/transport/resolve.h"

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/fork.h"
#include "base/mutex.h"

namespace ndb::memcache {
namespace {

constexpr std::uint32_t kMostUnderWay = 64;

// The threads that look up names. A child of fork() has none of its parent's, and counts from 0.
struct UnderWay {
  std::uint32_t process = 0;  // see fork_count()
  std::uint32_t count = 0;
};
std::atomic<UnderWay> under_way;

bool begin_lookup() {
  UnderWay before = under_way.load();
  UnderWay after;
  do {
    after = {fork_count(), before.process == fork_count() ? before.count + 1 : 1};
    if (after.count > kMostUnderWay) return false;
  } while (!under_way.compare_exchange_weak(before, after));
  return true;
}

void end_lookup() {
  UnderWay before = under_way.load();
  while (!under_way.compare_exchange_weak(before, {before.process, before.count - 1})) {
  }
}

// Shared by who asks and the thread that looks it up.
struct Question {
  Mutex mutex;
  Condition changed;
  bool answered NDB_GUARDED_BY(mutex) = false;
  Addresses found NDB_GUARDED_BY(mutex);
};

addrinfo hints(int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  return hints;
}

Addresses ask(const std::string& host, const std::string& port, int flags, Lookup lookup) {
  const addrinfo wanted = hints(flags);
  addrinfo* found = nullptr;
  return Addresses(lookup(host.c_str(), port.c_str(), &wanted, &found) == 0 ? found : nullptr);
}

}  // namespace

Transfer resolve(const Address& address, const Deadline& deadline, Addresses& found, Lookup lookup) {
  const std::string port = std::to_string(address.port);
  found = ask(address.host, port, AI_NUMERICHOST, &getaddrinfo);
  if (found != nullptr) return Transfer::kDone;
  if (!begin_lookup()) return Transfer::kTimedOut;
  const auto question = std::make_shared<Question>();
  try {
    std::thread([question, host = address.host, port, lookup] {
      Addresses answer = ask(host, port, 0, lookup);
      end_lookup();
      const MutexLock lock(question->mutex);
      question->found = std::move(answer);
      question->answered = true;
      question->changed.notify_all();
    }).detach();
  } catch (const std::system_error&) {  // there can be no more threads
    end_lookup();
    return Transfer::kBroken;
  }
  const MutexLock lock(question->mutex);
  while (!question->answered) {
    if (deadline.left().count() == 0) return Transfer::kTimedOut;
    question->changed.wait_for(question->mutex, deadline.left());
  }
  found = std::move(question->found);
  return found != nullptr ? Transfer::kDone : Transfer::kBroken;
}

}  // namespace ndb::memcache
