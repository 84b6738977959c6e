#include "consistency/driver.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "consistency/checker.h"
#include "consistency/fault_proxy.h"
#include "consistency/item.h"
#include "consistency/plan.h"
#include "consistency/processes.h"
#include "consistency/recorder.h"
#include "consistency/weather.h"
#include "consistency/worker.h"
#include "context/client_core.h"
#include "memcache/protocol/record.h"
#include "memcache/transport/cluster.h"
#include "ndb/local_datastore.h"
#include "support/memcached_server.h"

namespace ndb::consistency {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::MemcachedServer;

constexpr std::size_t kWorkers = 3;
constexpr milliseconds kStepTime{100};
constexpr milliseconds kPatience = std::chrono::minutes(2);  // until workers have ended
constexpr std::size_t kDatastoreProxy = kMemcacheds;

void pass_time(milliseconds time) { poll(nullptr, 0, static_cast<int>(time.count())); }

// The state that lasts over all phases, and their totals.
class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options),
        random_(options.seed),
        directory_(std::filesystem::temp_directory_path() / cat("ndb-consistency-", getpid())),
        datastore_(LocalDatastore::start({.host_port = "127.0.0.1:0"})) {
    for (std::size_t i = 0; i < kMemcacheds; ++i) {
      memcacheds_.emplace_back(std::vector<std::string>{"-m", "2"});
      proxies_.emplace_back(memcacheds_.back().port(), random_());
    }
    const std::string address = datastore_->address();
    proxies_.emplace_back(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))), random_());
  }
  ~Run() { std::filesystem::remove_all(directory_); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  bool phases() {
    const Nanos end = now() + std::chrono::nanoseconds(options_.time).count();
    const Nanos begin = now();
    for (int number = 0; ok_ && (number == 0 || now() < end); ++number) phase(number);
    summarize(now() - begin);
    return ok_;
  }

 private:
  void phase(int number) {
    const Phase plan = plan_phase(options_.seed, number);
    std::filesystem::create_directories(directory_);
    set_all(plan);
    start_workers(number, plan);
    for (const Step& step : plan.steps) take(step, plan);
    for (FaultProxy& proxy : proxies_) proxy.set({});
    for (Process& worker : workers_) {
      if (const std::string end = worker.finish(kPatience); !end.empty()) complain(end);
    }
    workers_.clear();
    judge(number, plan);
    std::filesystem::remove_all(directory_);
  }

  void set_all(const Phase& plan) {
    for (std::size_t i = 0; i < proxies_.size(); ++i)
      proxies_[i].set(regime_of(Fault::kNone, i == kDatastoreProxy, plan.pauses));
  }

  void start_workers(int number, const Phase& plan) {
    worker_.directory = directory_;
    worker_.datastore = proxies_[kDatastoreProxy].address();
    worker_.memcacheds = addresses();
    worker_.phase = number;
    worker_.short_deadlines = plan.has(Place::kDatastore) && plan.weather != Weather::kLockLoss;
    worker_.short_memcache_timeouts = plan.has_link_faults();
    for (std::size_t i = 0; i < kWorkers; ++i) workers_.push_back(start_worker());
  }
  Process start_worker() {
    worker_.serial = ++serials_;
    worker_.seed = random_();
    return Process(to_arguments(worker_));
  }
  std::vector<std::string> addresses() const {
    std::vector<std::string> addresses;
    for (std::size_t i = 0; i < kMemcacheds; ++i) addresses.push_back(proxies_[i].address());
    return addresses;
  }

  void take(const Step& step, const Phase& plan) {
    for (std::size_t i = 0; i < proxies_.size(); ++i) {
      if (step[i] == Fault::kKill) {
        // Nothing may take its port meanwhile, not even a connection of the proxy.
        proxies_[i].set({.fault = Fault::kRefuse});
        memcacheds_[i].kill();
        ++kills_;
      } else if (step[i] == Fault::kPressure) {
        fill(memcacheds_[i], random_);
        ++pressures_;
      } else {
        proxies_[i].set(regime_of(step[i], i == kDatastoreProxy, plan.pauses));
      }
    }
    if (step[static_cast<std::size_t>(Place::kWorkers)] == Fault::kKill) {
      Process& worker = workers_[random_() % workers_.size()];
      worker.kill();
      worker = start_worker();
      ++worker_kills_;
    }
    // A memcached that was killed is back at once, or at the end of the step.
    const bool at_once = random_() % 2 == 0;
    if (!at_once) pass_time(kStepTime);
    for (std::size_t i = 0; i < kMemcacheds; ++i) {
      if (step[i] != Fault::kKill) continue;
      memcacheds_[i].restart();
      proxies_[i].set(regime_of(Fault::kNone, i == kDatastoreProxy, plan.pauses));
    }
    if (at_once) pass_time(kStepTime);
  }

  void judge(int number, const Phase& plan) {
    History history;
    history.counters.resize(kKeys);
    history.locks_lost.resize(kKeys);
    load(directory_, history);
    take_finals(number, plan, history);
    for (const std::string& flaw : history.flaws) complain(flaw);
    const Report report = check(history);
    add(report, history);
    std::printf("phase %d, %s%s: %zu reads, %llu writes acknowledged, %llu unknown, %llu violations\n", number + 1,
                std::string(name(plan.weather)).c_str(), plan.pauses ? " with pauses" : "", history.reads.size(),
                static_cast<unsigned long long>(report.acknowledged), static_cast<unsigned long long>(report.unknown),
                static_cast<unsigned long long>(report.count));
    for (const Violation& violation : report.violations) {
      complain(cat("VIOLATION of ", name(violation.property), ", key ", violation.key, ": ", violation.what, "\n",
                   violation.excerpt));
    }
    std::fflush(stdout);
  }

  // Reads every key through memcache and from the Datastore when nothing is in flight.
  void take_finals(int number, const Phase& plan, History& history) {
    ClientOptions options;
    options.project = "consistency";
    options.channel = datastore_->channel();
    options.memcached_hosts = addresses();
    options.memcache_connect_timeout = options.memcache_io_timeout = std::chrono::seconds(5);
    const Client client(options);
    const auto ring = memcache::Cluster::make({.servers = addresses()});
    for (KeyIndex index = 0; index < kKeys; ++index) {
      const Key key = key_of(number, index).in_partition({.project = "consistency", .database = "", .namespace_ = ""});
      history.counters[index] = index >= kFirstCounter;
      history.locks_lost[index] =
          plan.loses_locks(static_cast<Place>((*ring)->home(memcache::record_name(key.bytes()))));
      history.finals.push_back(final_of(client, key));
    }
  }

  // A commit of unknown outcome may still be applied after its writer has gone: reads again if the tiers differ.
  static Final final_of(const Client& client, const Key& key) {
    constexpr int kLooks = 40;
    for (int look = 1;; ++look) {
      const Final last = look_at(client, key);
      const bool equal = !last.served || (last.served_absent ? last.id == 0 : last.served_version == last.version);
      if (equal || look == kLooks) return last;
      pass_time(milliseconds(50));
    }
  }
  static Final look_at(const Client& client, const Key& key) {
    Final last{.key = index_of(key)};
    const memcache::ReadRequest request{.key = key, .lease = false};
    const memcache::ReadResult result = core_of(client)->gateway->read({&request, 1}).front();
    last.served_absent = result.outcome == memcache::ReadOutcome::kAbsent;
    last.served = last.served_absent || result.outcome == memcache::ReadOutcome::kHit;
    last.served_version = last.served_absent ? 0 : result.version;

    std::promise<wire::LookupResponse> promise;
    wire::LookupRequest lookup;
    lookup.add_keys(key.bytes());
    core_of(client)->stub->lookup(std::move(lookup), {}, [&](absl::StatusOr<wire::LookupResponse> response) {
      promise.set_value(*std::move(response));
    });
    const wire::LookupResponse response = promise.get_future().get();
    if (response.found().empty()) return last;
    const wire::EntityResult& found = response.found(0);
    auto payload = *detail::decode_entity(detail::info<Item>(), key, found.entity());
    const Item item = detail::HandleAccess::wrap<Item>(key, std::move(payload));
    last.id = write_of(item);
    last.version = static_cast<Version>(found.version());
    last.count = item->count;
    return last;
  }

  void add(const Report& report, const History& history) {
    batches_ += history.batches;
    for (std::size_t tier = 0; tier < kTiers; ++tier) total_.reads[tier] += report.reads[tier];
    total_.acknowledged += report.acknowledged;
    total_.unknown += report.unknown;
    total_.writes += report.writes;
    total_.p3_exempt += report.p3_exempt;
    total_.count += report.count;
  }

  void complain(std::string_view what) {
    ok_ = false;
    std::printf("%.*s\n", static_cast<int>(what.size()), what.data());
  }

  void summarize(Nanos took) const {
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    const std::uint64_t reads = total_.reads[0] + total_.reads[1] + total_.reads[2] + total_.reads[3];
    const double seconds = static_cast<double>(took) * 1e-9;
    std::printf("%.1f s, seed %llu\n", seconds, number(options_.seed));
    std::printf("operations: %llu calls that read, %llu writes\n", number(batches_), number(total_.writes));
    std::printf(
        "reads checked: %llu (%.0f a second): %llu from the context, %llu from memcache, %llu from the Datastore, "
        "%llu in transactions\n",
        number(reads), static_cast<double>(reads) / seconds, number(total_.reads[0]), number(total_.reads[1]),
        number(total_.reads[2]), number(total_.reads[3]));
    std::printf("writes: %llu acknowledged, %llu of unknown outcome, %llu others not acknowledged\n",
                number(total_.acknowledged), number(total_.unknown),
                number(total_.writes - total_.acknowledged - total_.unknown));
    std::printf("faults:");
    for (const Fault fault :
         {Fault::kDrop, Fault::kCut, Fault::kDelay, Fault::kHalfOpen, Fault::kFlip, Fault::kRefuse}) {
      std::uint64_t links = 0;
      for (std::size_t i = 0; i < kMemcacheds; ++i) links += proxies_[i].injected(fault);
      std::printf(" %s %llu+%llu,", std::string(name(fault)).c_str(), number(links),
                  number(proxies_[kDatastoreProxy].injected(fault)));
    }
    std::int64_t evictions = 0;
    for (const MemcachedServer& server : memcacheds_) evictions += server.stat("evictions");
    std::printf(" memcached killed %llu, workers killed %llu, fillings %llu (%lld evictions since the last kill)\n",
                number(kills_), number(worker_kills_), number(pressures_), static_cast<long long>(evictions));
    std::printf("  (link faults: memcached+Datastore)\n");
    std::printf("violations: %llu; P3 not promised, and not met: %llu reads\n", number(total_.count),
                number(total_.p3_exempt));
  }

  const RunOptions options_;
  std::mt19937_64 random_;
  const std::filesystem::path directory_;
  std::unique_ptr<LocalDatastore> datastore_;
  std::deque<MemcachedServer> memcacheds_;
  std::deque<FaultProxy> proxies_;  // of the memcacheds, then of the Datastore
  WorkerOptions worker_;
  std::vector<Process> workers_;
  int serials_ = 0;

  bool ok_ = true;
  Report total_;
  std::uint64_t batches_ = 0, kills_ = 0, worker_kills_ = 0, pressures_ = 0;
};

}  // namespace

bool run(const RunOptions& options) { return Run(options).phases(); }

}  // namespace ndb::consistency
