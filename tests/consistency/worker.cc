#include "consistency/worker.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <thread>

#include "base/log.h"
#include "base/strings.h"
#include "consistency/item.h"
#include "consistency/recorder.h"
#include "consistency/recording_stub.h"

namespace ndb::consistency {
namespace {

using std::chrono::milliseconds;

constexpr int kReaders = 1;   // threads that mostly read large batches through memcache
constexpr int kWatchers = 2;  // threads that read what is hot, from either tier
constexpr int kWriters = 3;   // threads that do everything
constexpr int kThreadBits = 8;
constexpr int kNumberBits = 40;

// The work of one thread.
class Actor {
 public:
  Actor(const WorkerOptions& options, const Client& client, int thread, const std::atomic<bool>& stop)
      : options_(&options),
        client_(&client),
        stop_(&stop),
        prefix_((static_cast<std::uint64_t>(options.serial) << kThreadBits | static_cast<std::uint64_t>(thread))
                << kNumberBits),
        recorder_(cat(options.directory, "/", options.serial, ".", thread)),
        random_(options.seed ^ prefix_) {}

  void run(void (Actor::*act)()) {
    while (!*stop_) {
      ContextOptions request;
      const std::jthread canceller = bound_at_random(request);
      const ContextScope scope = client_->context(request);
      context_ = &*scope;
      begin_session();
      choose_policies();
      for (std::uint64_t calls = 1 + below(60); calls > 0 && !*stop_; --calls) {
        try {
          (this->*act)();
        } catch (const Error&) {
          // Its outcome is in the stub's records. The pause avoids hammering a broken server.
          std::this_thread::sleep_for(milliseconds(1));
        }
      }
    }
  }

  // Some requests have too little time, or are cancelled, at whatever step their calls then are. The thread that
  // cancels must outlive the scope.
  std::jthread bound_at_random(ContextOptions& request) {
    if (percent(15)) request.deadline = std::chrono::microseconds(200 + below(40'000));
    if (!percent(10)) return {};
    std::stop_source source;
    request.stop = source.get_token();
    return std::jthread([source, after = std::chrono::microseconds(below(30'000))]() mutable {
      std::this_thread::sleep_for(after);
      source.request_stop();
    });
  }

  // The loop of a thread.
  void read_mostly() {
    constexpr KeyIndex kBatch = 40;
    if (percent(80)) return read(range(kValues, kSteadyValues), read_options(0));
    if (percent(40)) return read(range(static_cast<KeyIndex>(below(kValues - kBatch)), kBatch), read_options(2));
    if (percent(70)) return read(range(first_hot(), kHotAtOnce), read_options(10));
    read({some_value()}, read_options(50));
  }

  // A value that was filled too late is served only for a moment if its writer corrects that, so many threads must
  // read.
  void watch() {
    Options options = some_options();
    options.use_cache = false;
    options.use_memcache = !percent(15);
    read(range(first_hot(), kHotAtOnce), options);
  }

  void do_anything() {
    const std::uint64_t what = below(100);
    if (what < 36) return put({some_value()});
    if (what < 42) return put(some_values(4));
    if (what < 47) return erase({some_value()});
    if (what < 50) return erase(some_values(3));
    if (what < 54) return transact();
    if (what < 80) return read({some_value()}, read_options(40));
    if (what < 94) return read(some_values(12), read_options(30));
    if (what < 96) return put_into_memcache_alone();
    begin_session();
    // On a locked key this keeps the lock for minutes.
    percent(90) ? context_->clear_cache() : context_->invalidate(key(some_value()));
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool percent(std::uint64_t chance) { return below(100) < chance; }

  void begin_session() { session_ = prefix_ | ++sessions_; }

  void choose_policies() {
    limited_ = false;
    context_->set_shared_cache_policy(percent(50));
    switch (below(6)) {
      case 0:
        return context_->set_cache_policy(false);
      case 1:
        return context_->set_memcache_policy([](const Key& key) { return *key.integer_id() % 3 != 0; });
      case 2:
        return context_->set_memcache_timeout_policy(2);
      case 3:
        limited_ = true;
        return context_->set_cache_limit(4);
      default:
        return;
    }
  }

  Options some_options() {
    Options options;
    if (options_->short_deadlines) options.deadline = milliseconds(50 + below(1500));
    return options;
  }
  Options read_options(std::uint64_t cached) {
    Options options = some_options();
    options.use_cache = percent(cached);
    if (percent(5)) options.use_memcache = false;
    if (percent(5)) options.memcache_timeout = 1;
    return options;
  }
  Options write_options() {
    Options options = some_options();
    if (percent(50)) options.write_through = true;
    if (percent(50)) options.use_cache = percent(50);
    if (percent(10)) options.use_memcache = false;
    if (percent(10)) options.memcache_timeout = 1;
    return options;
  }

  static KeyIndex first_hot() { return static_cast<KeyIndex>(now() / kHotTime * kHotAtOnce % kValues); }
  KeyIndex some_value() {
    if (percent(2)) return static_cast<KeyIndex>(kValues + below(kSteadyValues));
    if (percent(20)) return static_cast<KeyIndex>(below(kValues));
    return first_hot() + static_cast<KeyIndex>(below(kHotAtOnce));
  }
  std::vector<KeyIndex> some_values(std::size_t most) {
    std::vector<KeyIndex> keys(1 + below(most));
    for (KeyIndex& key : keys) key = some_value();
    std::ranges::sort(keys);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    return keys;
  }
  static std::vector<KeyIndex> range(KeyIndex first, KeyIndex count) {
    std::vector<KeyIndex> keys(count);
    for (KeyIndex& key : keys) key = first++;
    return keys;
  }
  Key key(KeyIndex index) const { return key_of(options_->phase, index); }
  std::vector<Key> keys(std::span<const KeyIndex> indexes) const {
    std::vector<Key> keys;
    for (const KeyIndex index : indexes) keys.push_back(key(index));
    return keys;
  }

  void read(const std::vector<KeyIndex>& indexes, const Options& options) {
    const std::vector<Key> asked = keys(indexes);
    const std::uint64_t hits = context_->counts().cache_hits;
    call_trace.looked_up.reset();
    const Nanos begin = now();
    const std::vector<Item> items = get_multi<Item>(asked, options);
    const bool cached = context_->counts().cache_hits != hits;
    std::vector<Cell> cells(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Tier tier = call_trace.looked_up[indexes[i]] ? Tier::kDatastore : cached ? Tier::kContext : Tier::kMemcache;
      cells[i] = {.id = write_of(items[i]), .key = indexes[i], .tier = tier};
    }
    // A cache of limited size may have evicted what it returned.
    recorder_.read(begin, session_, options.use_cache.value_or(false) && !limited_, cells);
  }

  WriteId begin_write(std::span<const Cell> cells) {
    const WriteId id = prefix_ | ++writes_;
    call_trace.write = id;
    recorder_.call(id, session_, cells);
    return id;
  }
  static std::vector<Cell> cells_of(std::span<const KeyIndex> indexes, bool erases) {
    std::vector<Cell> cells;
    for (const KeyIndex index : indexes) cells.push_back({.key = index, .erases = erases});
    return cells;
  }
  Item item(KeyIndex index, WriteId id, std::int64_t count = 0) {
    const std::size_t size = percent(2) ? 5000 : below(100);  // records are compressed above 4096 bytes
    return Item::make(key(index),
                      {.write = static_cast<std::int64_t>(id), .count = count, .padding = std::string(size, 'x')});
  }

  void put(const std::vector<KeyIndex>& indexes) {
    const WriteId id = begin_write(cells_of(indexes, false));
    std::vector<Item> items;
    for (const KeyIndex index : indexes) items.push_back(item(index, id));
    put_multi(items, write_options());
    recorder_.acknowledge(id);
  }

  void erase(const std::vector<KeyIndex>& indexes) {
    const WriteId id = begin_write(cells_of(indexes, true));
    delete_multi(keys(indexes), write_options());
    recorder_.acknowledge(id);
  }

  // Nobody who also asks the Datastore ever gets this value. It is not recorded, so the checker does not know it.
  void put_into_memcache_alone() {
    const KeyIndex index = some_value();
    item(index, prefix_ | ++writes_).put({.use_cache = false, .use_memcache = true, .use_datastore = false});
  }

  // Increments a counter, reads it and some values, and writes some of those.
  void transact() {
    const KeyIndex counter = kFirstCounter + static_cast<KeyIndex>(below(kCounterKeys));
    const std::vector<KeyIndex> values = some_values(2);
    TransactionOptions transaction_options{.retries = 2};
    if (options_->short_deadlines) transaction_options.deadline = milliseconds(50 + below(1500));
    if (percent(20)) transaction_options.read_only = true;
    const Nanos begin = now();
    std::optional<WriteId> id;
    transaction(
        [&] {
          const Item old = read_in_transaction(begin, counter);
          if (percent(50)) read_in_transaction(begin, values[0]);
          if (transaction_options.read_only) return;
          const bool erases = percent(20);
          std::vector<Cell> cells = cells_of(values, erases);
          cells.push_back({.key = counter});
          id = begin_write(cells);
          item(counter, *id, old ? old->count + 1 : 1).put(write_options_in_transaction());
          for (const KeyIndex value : values) {
            erases ? key(value).delete_() : void(item(value, *id).put(write_options_in_transaction()));
          }
        },
        transaction_options);
    if (id) recorder_.acknowledge(*id);
  }
  Item read_in_transaction(Nanos begin, KeyIndex index) {
    Item found = key(index).get<Item>(some_options());
    const Cell cell{.id = write_of(found), .key = index, .tier = Tier::kTransaction};
    recorder_.read(begin, session_, false, {&cell, 1});
    return found;
  }
  Options write_options_in_transaction() { return {.write_through = percent(50)}; }

  const WorkerOptions* options_;
  const Client* client_;
  const std::atomic<bool>* stop_;
  const std::uint64_t prefix_;
  Recorder recorder_;
  std::mt19937_64 random_;
  Context* context_ = nullptr;
  bool limited_ = false;
  SessionId session_ = 0;
  std::uint64_t sessions_ = 0;
  std::uint64_t writes_ = 0;
};

ClientOptions client_options(const WorkerOptions& options) {
  ClientOptions client;
  client.project = "consistency";
  client.emulator_host = options.datastore;
  client.channels = 3;
  client.memcached_hosts = options.memcacheds;
  // In phases without faults, a busy machine must not look like a fault.
  if (!options.short_memcache_timeouts)
    client.memcache_connect_timeout = client.memcache_io_timeout = std::chrono::seconds(5);
  return client;
}

}  // namespace

std::vector<std::string> to_arguments(const WorkerOptions& options) {
  std::vector<std::string> arguments{"--worker",
                                     options.directory,
                                     options.datastore,
                                     std::to_string(options.serial),
                                     std::to_string(options.phase),
                                     std::to_string(options.seed),
                                     options.short_deadlines ? "1" : "0",
                                     options.short_memcache_timeouts ? "1" : "0"};
  arguments.insert(arguments.end(), options.memcacheds.begin(), options.memcacheds.end());
  return arguments;
}

WorkerOptions worker_options(const std::vector<std::string>& arguments) {
  return {.directory = arguments.at(1),
          .datastore = arguments.at(2),
          .memcacheds = {arguments.begin() + 8, arguments.end()},
          .serial = std::stoi(arguments.at(3)),
          .phase = std::stoi(arguments.at(4)),
          .seed = std::stoull(arguments.at(5)),
          .short_deadlines = arguments.at(6) == "1",
          .short_memcache_timeouts = arguments.at(7) == "1"};
}

int run_worker(const WorkerOptions& options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  set_log_sink([](Severity, std::string_view) {});  // faults are what this is about
  Recorder facts(cat(options.directory, "/", options.serial, ".stub"));
  const Client client = recording_client(client_options(options), facts);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  const auto start = [&](int count, void (Actor::*act)()) {
    for (; count > 0; --count) {
      const int thread = static_cast<int>(threads.size());
      threads.emplace_back([&, thread, act] { Actor(options, client, thread, stop).run(act); });
    }
  };
  start(kReaders, &Actor::read_mostly);
  start(kWatchers, &Actor::watch);
  start(kWriters, &Actor::do_anything);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace ndb::consistency
