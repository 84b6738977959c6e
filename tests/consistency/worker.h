// A worker process: some threads that read and write the keys of one phase, and record what they did.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ndb::consistency {

struct WorkerOptions {
  std::string directory{};  // for the records
  std::string datastore{};  // host:port
  std::vector<std::string> memcacheds{};
  int serial = 0;  // of all workers of the run
  int phase = 0;
  std::uint64_t seed = 0;
  bool short_deadlines = false;          // of RPCs, for phases with faults on the way to the Datastore
  bool short_memcache_timeouts = false;  // the same of memcached
};

// As program arguments, and back.
std::vector<std::string> to_arguments(const WorkerOptions& options);
WorkerOptions worker_options(const std::vector<std::string>& arguments);

// Works until stdin ends.
int run_worker(const WorkerOptions& options);

}  // namespace ndb::consistency
