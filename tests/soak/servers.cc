#include "soak/servers.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/strings.h"

namespace ndb::soak {
namespace {

constexpr int kLeast = 200, kMost = 2200;  // milliseconds that a fault lasts

}  // namespace

Servers::Servers(std::string command, std::string directory)
    : command_(std::move(command)), directory_(std::move(directory)) {
  start_datastore();
}

std::vector<std::string> Servers::environment() const {
  return {cat("DATASTORE_EMULATOR_HOST=", address_), "DATASTORE_PROJECT_ID=soak",
          cat("MEMCACHED_HOSTS=", memcacheds_[0].address(), " ", memcacheds_[1].address())};
}

void Servers::start_datastore() {
  for (int attempt = 0; attempt < 100; ++attempt) {  // another program may have the port for a moment
    datastore_ =
        std::make_unique<Child>(std::vector<std::string>{command_, "serve", "--host-port=" + address_,
                                                         "--data-dir=" + directory_ + "/data", "--fsync=interval"},
                                std::vector<std::string>{}, directory_ + "/datastore.log");
    const std::string address = datastore_->line("export DATASTORE_EMULATOR_HOST=");
    if (!address.empty()) {
      address_ = address;
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  std::fprintf(stderr, "the Datastore does not start; see %s/datastore.log\n", directory_.c_str());
  std::abort();
}

void Faults::run_until(std::chrono::steady_clock::time_point end) {
  std::array<Fault, kFaults> round{};
  for (std::size_t i = 0; i < kFaults; ++i) round.at(i) = static_cast<Fault>(i);
  for (;;) {
    std::shuffle(round.begin(), round.end(), random_);
    for (const Fault fault : round) {
      pass(200, 1000);
      if (std::chrono::steady_clock::now() >= end) return;
      ++counts_.at(static_cast<std::size_t>(fault));
      inject(fault);
    }
  }
}

void Faults::inject(Fault fault) {
  testing::MemcachedServer &first = servers_.memcached(random_() % 2), &both0 = servers_.memcached(0),
                           &both1 = servers_.memcached(1);
  switch (fault) {
    case Fault::kDatastoreHangs:
      servers_.pause_datastore();
      pass(kLeast, kMost);
      servers_.resume_datastore();
      break;
    case Fault::kDatastoreDies:
      servers_.kill_datastore();
      pass(kLeast, kMost);
      servers_.start_datastore();
      break;
    case Fault::kMemcachedHangs:
      hang({&first});
      break;
    case Fault::kMemcachedDies:
      model_.lose_locks([&] { first.restart(); });
      break;
    case Fault::kMemcachedsHang:
      hang({&both0, &both1});
      break;
    case Fault::kMemcachedsDie:
      model_.lose_locks([&] {
        both0.restart();
        both1.restart();
      });
      break;
  }
}

void Faults::hang(std::initializer_list<testing::MemcachedServer*> memcacheds) {
  const auto begin = std::chrono::steady_clock::now();
  for (testing::MemcachedServer* memcached : memcacheds) memcached->pause();
  pass(kLeast, kMost);
  for (testing::MemcachedServer* memcached : memcacheds) memcached->resume();
  silences_.push_back({begin, std::chrono::steady_clock::now(), static_cast<int>(memcacheds.size())});
}

std::chrono::milliseconds Faults::silence_between(std::chrono::steady_clock::time_point begin,
                                                  std::chrono::steady_clock::time_point end) const {
  constexpr std::chrono::milliseconds kTimeOut{50};  // ClientOptions::memcache_io_timeout
  constexpr int kFailures = 3;                       // that open a breaker
  std::chrono::milliseconds sum{0};
  for (const Silence& silence : silences_) {
    if (silence.begin < end && begin < silence.end) sum += kTimeOut * kFailures * silence.servers;
  }
  return sum;
}

void Faults::pass(int least_ms, int most_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(least_ms, most_ms)(random_)));
}

std::string Faults::summary() const {
  return cat("the Datastore hung ", counts_[0], " times and died ", counts_[1], " times, a memcached hung ", counts_[2],
             " times and died ", counts_[3], " times, both hung ", counts_[4], " times and died ", counts_[5],
             " times");
}

}  // namespace ndb::soak
