// The other readers of the same entities: a second thread, and a second process.
#pragma once

#include <ndb/ndb.h>

#include <exception>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>

#include "process.h"

namespace demo {

// A thread with a context of its own that executes one job after another.
class SecondThread {
 public:
  explicit SecondThread(const ndb::Client& client);
  ~SecondThread();
  SecondThread(const SecondThread&) = delete;
  SecondThread& operator=(const SecondThread&) = delete;

  // Runs `job` on that thread and waits for it; rethrows what it throws.
  void run(std::function<void()> job);
  // Ends that thread's context and begins a new one, as the next HTTP request would.
  void new_context();

 private:
  enum class Order { kRun, kNewContext, kEnd };
  void work(const ndb::Client& client);
  void give(Order order);

  Order order_ = Order::kRun;
  std::function<void()> job_;
  std::exception_ptr error_;
  std::binary_semaphore ordered_{0}, done_{0};
  std::thread thread_;  // last: it uses the other members
};

// A package as a separate process saw it, and the tier that served it.
struct Seen {
  std::string version;
  ndb::TierCounts counts;  // cache_hits, memcache_hits and lookups only
};

// This program, started once more and connected to the same servers.
class SecondProcess {
 public:
  SecondProcess(const std::string& datastore, const std::string& memcached);
  pid_t pid() const { return process_.pid(); }
  Seen read(const ndb::Key& key);  // in its current context
  void new_context();

 private:
  std::string ask(const std::string& line);
  Process process_;
};

// The argument with which main() runs the second process; `arguments` are those that SecondProcess passed.
inline constexpr auto kSecondProcess = "--second-process";
int be_second_process(const std::string& datastore, const std::string& memcached);

}  // namespace demo
