// What the kernel says about a process while it works: memory, threads, descriptors, and how long it had to wait for a
// processor. A thread of its own looks every 50 ms.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ndb::soak {

using Time = std::chrono::steady_clock::time_point;

struct Vital {
  Time at;
  std::int64_t resident_kib = 0, threads = 0, descriptors = 0;
  // So far, all its threads together: runnable without a processor; and by how much this observer was late itself, as
  // it is when the whole machine stands still.
  std::chrono::nanoseconds delayed{0};
};

// Thread-safe.
class Vitals {
 public:
  explicit Vitals(pid_t pid);
  ~Vitals() { stop(); }
  Vitals(const Vitals&) = delete;
  Vitals& operator=(const Vitals&) = delete;

  // Looks for the last time. The functions below are for afterwards.
  void stop();

  const std::vector<Vital>& all() const { return all_; }
  // How long scheduling can have delayed what the process did between these times.
  std::chrono::nanoseconds delayed_between(Time begin, Time end) const;
  // What has grown without bound, or nothing. Memory: the median of the last quarter of the time beside that of the
  // second, which may be a tenth and 4 MiB more. Threads and descriptors: the most in the second half beside the most
  // in the first, which may be 8 more.
  std::vector<std::string> growth() const;
  // Both sides of these comparisons, for people.
  std::string summary() const;

 private:
  void look();
  std::chrono::nanoseconds run_delay();
  std::int64_t median_resident(int quarter) const;
  std::int64_t most(int half, std::int64_t Vital::* number) const;

  const pid_t pid_;
  std::map<std::string, std::int64_t> delays_;  // by thread
  std::vector<Vital> all_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace ndb::soak
