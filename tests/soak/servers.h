// What the services use, and the faults that happen to it: two memcacheds and a Datastore on disk, in processes.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "soak/child.h"
#include "soak/notes_model.h"
#include "support/memcached_server.h"

namespace ndb::soak {

// Not thread-safe.
class Servers {
 public:
  // `command`: the program `ndb`. `directory`: where its data and what it prints go.
  Servers(std::string command, std::string directory);

  // The variables by which services find them.
  std::vector<std::string> environment() const;

  void pause_datastore() { datastore_->pause(); }
  void resume_datastore() { datastore_->resume(); }
  void kill_datastore() { datastore_->kill(); }
  void start_datastore();  // at its old port
  testing::MemcachedServer& memcached(std::size_t number) { return memcacheds_.at(number); }

 private:
  std::string command_, directory_, address_ = "127.0.0.1:0";
  std::array<testing::MemcachedServer, 2> memcacheds_;
  std::unique_ptr<Child> datastore_;
};

// Injects one fault at a time, in rounds that have each of them once, in an order that the seed determines.
class Faults {
 public:
  Faults(Servers& servers, NotesModel& model, std::uint64_t seed) : servers_(servers), model_(model), random_(seed) {}

  // Until then, or somewhat longer, because the last fault ends. All servers work afterwards.
  void run_until(std::chrono::steady_clock::time_point end);
  // How long memcacheds that hang may have held the thread of a request between these times: a call to memcached blocks
  // its thread, and until a server's breaker opens three calls wait for it, 50 ms each.
  std::chrono::milliseconds silence_between(std::chrono::steady_clock::time_point begin,
                                            std::chrono::steady_clock::time_point end) const;
  std::string summary() const;

 private:
  enum class Fault : std::uint8_t {
    kDatastoreHangs,
    kDatastoreDies,
    kMemcachedHangs,
    kMemcachedDies,
    kMemcachedsHang,
    kMemcachedsDie,
  };
  static constexpr std::size_t kFaults = 6;
  struct Silence {
    std::chrono::steady_clock::time_point begin, end;
    int servers;
  };
  void inject(Fault fault);
  void hang(std::initializer_list<testing::MemcachedServer*> memcacheds);
  void pass(int least_ms, int most_ms);

  Servers& servers_;
  NotesModel& model_;
  std::mt19937_64 random_;
  std::array<int, kFaults> counts_{};
  std::vector<Silence> silences_;
};

}  // namespace ndb::soak
