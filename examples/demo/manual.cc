#include "manual.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kinds.h"
#include "others.h"
#include "package.h"
#include "tour.h"

namespace demo {
namespace {

using std::chrono::steady_clock;

// The steps, each with contexts of its own. Every key belongs to one step, and is not cached before it.
class Walk {
 public:
  Walk(const Stage& stage, std::span<const ndb::Key> keys, Claims& claims)
      : stage_(stage), client_(stage.client), keys_(keys), rest_(keys.subspan(kKeysByName)), tour_(claims) {}

  void run();

 private:
  void both_caches();
  void call_options();
  void own_contexts();
  void writes();
  void queries();
  void clear_cache();
  void long_tasks();
  void second_thread();
  void second_process();
  void transactions();
  void behind_ndbs_back();
  void cache_policy();
  void memcache_policy();
  void datastore_policy();
  void timeout_policy();
  void class_variables();
  void fall_back();
  void batched_gets();
  void batched_puts();
  void tasklets();

  std::string id(std::size_t i) const { return std::string(keys_[i].string_id().value_or("")); }

  const Stage& stage_;
  const ndb::Client& client_;
  const std::span<const ndb::Key> keys_, rest_;
  Tour tour_;
};

// ---- Two caches

void Walk::both_caches() {
  const std::string name = id(0);
  Package package;
  tour_.step(
      "Two caches, on by default",
      "NDB looks after two levels of cache: one inside the context, and the gateway to memcache. Both are on for all "
      "kinds, and NDB itself caches what it reads and writes. A read asks the in-context cache first, then memcache, "
      "and the Datastore last.");
  {
    const auto scope = client_.context();
    SHOW(tour_, kColdRead, package = Package::get_by_id(name));
    tour_.claim(package && package->name == name, "it is " + name + " " + package->version + ", from the Datastore");
    SHOW(tour_, kContextHit, package = Package::get_by_id(name));
  }
  tour_.step(
      "A new context starts empty",
      "The in-context cache lives as long as its context, which is one incoming HTTP request, and only the code that "
      "handles this request sees it. Memcache is shared: all contexts of the application see the same values.");
  const auto scope = client_.context();
  SHOW(tour_, kMemcacheHit, package = Package::get_by_id(name));
}

void Walk::call_options() {
  const auto scope = client_.context();
  const ndb::Key key = keys_[0];
  Package package = key.get<Package>();
  tour_.step("Options of one call",
             "Many NDB functions take context options. This call passes both caches by, though both have the entity.");
  SHOW(tour_, kLookup, package = key.get<Package>({.use_cache = false, .use_memcache = false}));
  SHOW(tour_, kMemcacheHit, package = key.get<Package>({.use_cache = false}));
}

void Walk::own_contexts() {
  const auto scope = client_.context();
  tour_.step("A context belongs to its thread",
             "Each thread and each transaction runs in a new context, and get_context() gives the current one. Do not "
             "share it "
             "between threads or requests; keep it in a local variable, never in a global one.");
  ndb::Context& context = ndb::get_context();
  std::string refused;
  std::thread thief([&] {
    try {
      context.clear_cache();
    } catch (const ndb::ContextError& error) {
      refused = error.what();
    }
  });
  thief.join();
  tour_.note("Another thread calls clear_cache() on this one's context:");
  tour_.claim(!refused.empty(), "ndb::ContextError: " + refused);
}

// ---- The in-context cache

void Walk::writes() {
  const auto scope = client_.context();
  Account ada;
  tour_.step(
      "Writes go into the in-context cache too",
      "What NDB functions write to the Datastore they also write to the in-context cache, and a read that finds its "
      "entity there never reaches the Datastore.");
  SHOW(tour_, kPut, Account::make({.name = "Ada"}, ndb::id("ada")).put());
  SHOW(tour_, kContextHit, ada = Account::get_by_id("ada"));
  tour_.claim(ada && ada->name == "Ada", "it is " + ada->name);
}

void Walk::queries() {
  const std::string section = stage_.section;
  const auto scope = client_.context();
  SecondThread other(client_);
  std::vector<ndb::Key> keys;
  std::vector<Package> found;
  Package first, second;
  tour_.step("Query results and the in-context cache",
             "A query gets its results from the Datastore. One that is in the in-context cache already replaces the "
             "value that "
             "was fetched; the others are written back to that cache if its policy allows it, and never to memcache.");
  SHOW(tour_, kQuery, keys = Package::query(Package::section == section).keys(20));
  first = keys.front().get<Package>();
  tour_.note("This thread reads the first of them; then another thread changes it.");
  other.run([&] {
    Package changed = keys.front().get<Package>();
    changed.edit().version += "+query";
    changed.put();
  });
  SHOW(tour_, kQuery, found = Package::query(Package::section == section).fetch(20));
  tour_.claim(found.size() == keys.size() && found.front()->version == first->version,
              "the first result is what this context had read: " + first->name + " " + first->version);
  SHOW(tour_, kContextHit, second = keys.back().get<Package>());
}

void Walk::clear_cache() {
  const auto scope = client_.context();
  ndb::Context& context = ndb::get_context();
  const ndb::Key key = keys_[0];
  Package package = key.get<Package>();
  tour_.step("Emptying the in-context cache",
             "There is no time limit for what is in the in-context cache, since it lives no longer than its context. "
             "It can be "
             "emptied by hand.");
  SHOW(tour_, kContextHit, package = key.get<Package>());
  SHOW(tour_, kNothing, context.clear_cache());
  SHOW(tour_, kMemcacheHit, package = key.get<Package>());
}

void Walk::long_tasks() {
  const auto scope = client_.context();
  ndb::Context& context = ndb::get_context();
  const std::string section = stage_.section;
  std::vector<Package> found;
  tour_.step(
      "Long tasks",
      "The cache keeps every entity that its context read or stored, so a long query in the background may fill the "
      "memory: turn the cache off, or set a policy that leaves out what takes most. (Or bound it: set_cache_limit.)");
  SHOW(tour_, kNothing, context.set_cache_policy(false));
  SHOW(tour_, kQuery, found = Package::query(Package::section == section).fetch(20));
  tour_.claim(context.cache_size() == 0, std::to_string(found.size()) + " results, and cache_size() is 0");
}

// ---- Memcache

void Walk::second_thread() {
  const ndb::Key key = keys_[1];
  const auto scope = client_.context();
  SecondThread other(client_);
  Package package, theirs;
  tour_.step(
      "Delete-on-write, seen from a second thread",
      "An entity that is updated is deleted from memcache and then written to the Datastore. A read that comes later "
      "misses it in memcache, fetches it from the Datastore, and puts it back into memcache on the way.");
  SHOW(tour_, kColdRead, package = key.get<Package>());
  tour_.note("The second thread:");
  other.run([&] { SHOW(tour_, kMemcacheHit, theirs = key.get<Package>()); });
  tour_.claim(theirs->version == package->version, "version " + theirs->version);
  tour_.note("This thread:");
  SHOW(tour_, kNothing, package.edit().version += "+thread");
  SHOW(tour_, kPut, package.put());
  tour_.note("The second thread:");
  other.run([&] { SHOW(tour_, kColdRead, theirs = key.get<Package>({.use_cache = false})); });
  tour_.claim(theirs->version == package->version, "version " + theirs->version);
  other.run([&] { SHOW(tour_, kContextHit, theirs = key.get<Package>()); });
  tour_.claim(theirs->version != package->version, "version " + theirs->version + ", as long as its request lasts");
  other.new_context();
  tour_.note("The second thread, in its next context:");
  other.run([&] { SHOW(tour_, kMemcacheHit, theirs = key.get<Package>()); });
  tour_.claim(theirs->version == package->version, "version " + theirs->version);
}

void Walk::second_process() {
  const ndb::Key key = keys_[2];
  const auto scope = client_.context();
  Package package = key.get<Package>();
  SecondProcess other(stage_.datastore, stage_.memcached);
  Seen seen;
  const auto other_reads = [&](const std::string& version, const ndb::TierCounts& expected, const std::string& by) {
    seen = other.read(key);
    tour_.claim(seen.version == version && seen.counts == expected,
                "process " + std::to_string(other.pid()) + " reads version " + seen.version + " from " + by);
  };
  constexpr ndb::TierCounts memcache{.memcache_hits = 1};
  constexpr ndb::TierCounts datastore{.lookups = 1};
  tour_.step(
      "Delete-on-write, seen from a second process",
      "All processes use the same memcache, so a write in one of them is seen by the next read of another. What a "
      "context read before, it keeps until it ends.");
  const std::string old = package->version;
  other_reads(old, memcache, "memcache");
  tour_.note("This process:");
  SHOW(tour_, kNothing, package.edit().version += "+process");
  SHOW(tour_, kPut, package.put());
  tour_.note("The second process, in the same context and then in two new ones:");
  other_reads(old, kContextHit, "its in-context cache");
  other.new_context();
  other_reads(package->version, datastore, "the Datastore");
  other.new_context();
  other_reads(package->version, memcache, "memcache");
}

void Walk::transactions() {
  const ndb::Key key = keys_[3];
  const auto scope = client_.context();
  SecondThread other(client_);
  Package package = key.get<Package>(), theirs;
  const std::string before = package->version;
  constexpr ndb::TierCounts committed{
      .memcache_locks = 1, .lookups = 1, .lookup_keys = 1, .commits = 1, .mutations = 1};
  const auto upgrade = [&] {
    Package p = key.get<Package>();
    p.edit().version += "+transaction";
    p.put();
  };
  const auto change_ones_mind = [&] {
    upgrade();
    throw ndb::Rollback("not today");
  };
  tour_.step(
      "Transactions",
      "Reads inside a transaction pass memcache by, and so do its writes; when it has been committed, what it wrote is "
      "no longer in memcache. A transaction that fails leaves nothing behind, in no cache.");
  tour_.note(
      "Package p = key.get<Package>(); p.edit().version += \"+transaction\"; p.put(); and then, to roll back, "
      "throw ndb::Rollback(\"not today\");");
  SHOW(tour_, kLookup, ndb::transaction(change_ones_mind));
  SHOW(tour_, kContextHit, package = key.get<Package>());
  other.run([&] { theirs = key.get<Package>(); });
  tour_.claim(package->version == before && theirs->version == before,
              "here and in a second thread: " + theirs->version);
  tour_.note("The same without the last line:");
  SHOW(tour_, committed, ndb::transaction(upgrade));
  SHOW(tour_, kContextHit, package = key.get<Package>());
  other.new_context();
  tour_.note("The second thread, in a new context:");
  other.run([&] { SHOW(tour_, kColdRead, theirs = key.get<Package>()); });
  tour_.claim(package->version == before + "+transaction" && theirs->version == package->version,
              "here and in the second thread: " + theirs->version);
}

void Walk::behind_ndbs_back() {
  const ndb::Key key = keys_[4];
  const auto scope = client_.context();
  ndb::Context& context = ndb::get_context();
  Package package = key.get<Package>();
  const ndb::Client without_memcache(
      {.project = client_.project(), .emulator_host = stage_.datastore, .memcached_hosts = std::vector<std::string>{}});
  tour_.step(
      "Changed behind NDB's back",
      "A change by something that does not use NDB, such as the console's Datastore viewer, does not update cached "
      "values. The manual advises to flush memcache then; invalidate() drops just the keys concerned.");
  SecondThread(without_memcache).run([&] {
    Package changed = key.get<Package>();
    changed.edit().version += "+console";
    changed.put();
  });
  SHOW(tour_, kMemcacheHit, package = key.get<Package>({.use_cache = false}));
  tour_.claim(!package->version.ends_with("+console"), "still version " + package->version);
  SHOW(tour_, kMemcacheWrite, context.invalidate(key));
  SHOW(tour_, kColdRead, package = key.get<Package>());
  tour_.claim(package->version.ends_with("+console"), "now version " + package->version);
}

// ---- Policies

void Walk::cache_policy() {
  const auto scope = client_.context();
  ndb::Context& context = ndb::get_context();
  Account ada;
  Package package;
  const ndb::Key key = keys_[0];
  tour_.step(
      "A cache policy that excludes a kind",
      "A policy function gets a key and says whether its entity may be cached. This one keeps entities of kind Account "
      "out of the in-context cache. Instead of a function it can be true or false for all.");
  SHOW(tour_, kNothing, context.set_cache_policy([](const ndb::Key& k) { return k.kind() != "Account"; }));
  SHOW(tour_, kColdRead, ada = Account::get_by_id("ada"));
  SHOW(tour_, kMemcacheHit, ada = Account::get_by_id("ada"));
  tour_.note("Packages are cached as before:");
  SHOW(tour_, kMemcacheHit, package = key.get<Package>());
  SHOW(tour_, kContextHit, package = key.get<Package>());
}

void Walk::memcache_policy() {
  const auto scope = client_.context();
  ndb::Context& context = ndb::get_context();
  Account ada;
  tour_.step("A memcache policy", "Another policy function does the same for memcache.");
  SHOW(tour_, kNothing, context.set_memcache_policy([](const ndb::Key& k) { return k.kind() != "Account"; }));
  SHOW(tour_, kLookup, ada = Account::get_by_id("ada"));
  SHOW(tour_, kContextHit, ada = Account::get_by_id("ada"));
}

void Walk::datastore_policy() {
  Draft draft;
  {
    const auto scope = client_.context();
    ndb::Context& context = ndb::get_context();
    tour_.step("A Datastore policy: entities that live in the caches alone",
               "Where the Datastore policy says false, the entity is not written to the Datastore, but to the "
               "in-context cache "
               "and memcache as far as their policies allow: for what looks like an entity and need not be kept.");
    SHOW(tour_, kNothing, context.set_datastore_policy([](const ndb::Key& k) { return k.kind() != "Draft"; }));
    SHOW(tour_, kMemcacheWrite, Draft::make({.text = "Dear Sir"}, ndb::id("letter")).put());
    SHOW(tour_, kContextHit, draft = Draft::get_by_id("letter"));
    SHOW(tour_, kMemcacheHit, draft = Draft::get_by_id("letter", {.use_cache = false}));
    tour_.claim(draft && draft->text == "Dear Sir", "memcache has it: " + draft->text);
  }
  const auto scope = client_.context();
  tour_.note("A context without this policy looks into the Datastore:");
  SHOW(tour_, kColdRead, draft = Draft::get_by_id("letter"));
  tour_.claim(!draft, "which has no such entity");
}

void Walk::timeout_policy() {
  const auto scope = client_.context();
  ndb::Context& context = ndb::get_context();
  const ndb::Key key = keys_[5], other = keys_[0];
  Package package;
  tour_.step("A memcache time-out policy",
             "Memcache drops entities by itself when its memory is full. A time-out policy says how many seconds an "
             "entity stays "
             "there at most; 0 or no answer means forever. A constant does instead of a function.");
  SHOW(tour_, kNothing, context.set_memcache_timeout_policy(1));
  SHOW(tour_, kColdRead, package = key.get<Package>());
  tour_.note("The demo reads it again and again, past the in-context cache, until memcache does not have it any more:");
  const auto start = steady_clock::now();
  const std::uint64_t lookups = context.counts().lookups;
  while (context.counts().lookups == lookups && steady_clock::now() - start < std::chrono::seconds(10)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    package = key.get<Package>({.use_cache = false});
  }
  tour_.claim(context.counts().lookups == lookups + 1,
              "gone after " + duration_text(steady_clock::now() - start) + ": the Datastore was asked");
  tour_.note("What was put there without a time-out is still there:");
  SHOW(tour_, kMemcacheHit, package = other.get<Package>());
}

void Walk::class_variables() {
  tour_.step("Class variables",
             "Most policies are simple: do not cache this class, keep that one in memcache for 30 seconds, do not "
             "write a third "
             "to the Datastore. So the default policies look for variables of the key's model class: _use_cache, "
             "_use_memcache, _use_datastore and _memcache_timeout.");
  {
    const auto scope = client_.context();
    Visit::make({.count = 1}, ndb::id("today")).put();
    Visit visit;
    tour_.note("class Visit has _use_cache = false:");
    SHOW(tour_, kColdRead, visit = Visit::get_by_id("today"));
    SHOW(tour_, kMemcacheHit, visit = Visit::get_by_id("today"));
    tour_.note("class Secret has _use_memcache = false:");
    Secret secret;
    SHOW(tour_, kPutPastMemcache, Secret::make({.text = "xyzzy"}, ndb::id("word")).put());
    SHOW(tour_, kLookup, secret = Secret::get_by_id("word", {.use_cache = false}));
    tour_.note("class Session has _use_datastore = false:");
    SHOW(tour_, kMemcacheWrite, Session::make({.user = "ada"}, ndb::id("17")).put());
  }
  const auto scope = client_.context();
  Session session;
  SHOW(tour_, kMemcacheHit, session = Session::get_by_id("17"));
  tour_.note("class Quote has _memcache_timeout = 30 seconds:");
  std::optional<std::chrono::seconds> timeout;
  const ndb::Key quote = ndb::key<Quote>("debian");
  SHOW(tour_, kNothing, timeout = ndb::Context::default_memcache_timeout_policy(quote));
  tour_.claim(timeout == std::chrono::seconds(30), "30 s");
}

void Walk::fall_back() {
  const auto scope = client_.context();
  ndb::Context& context = ndb::get_context();
  Package package;
  Visit visit;
  Account ada;
  const ndb::Key key = keys_[0];
  tour_.step("A policy of your own that falls back to the default",
             "Class variables are the business of the default policies. A policy that is to have an opinion of its own "
             "on some "
             "keys only calls the default one, a static function of Context, for the others.");
  const auto no_packages = [](const ndb::Key& k) -> std::optional<bool> {
    if (k.kind() == "Package") return false;
    return ndb::Context::default_cache_policy(k);
  };
  tour_.note("no_packages answers false for packages, and ndb::Context::default_cache_policy(k) for other keys.");
  SHOW(tour_, kNothing, context.set_cache_policy(no_packages));
  package = key.get<Package>();
  SHOW(tour_, kMemcacheHit, package = key.get<Package>());
  visit = Visit::get_by_id("today");
  SHOW(tour_, kMemcacheHit, visit = Visit::get_by_id("today"));
  ada = Account::get_by_id("ada");
  SHOW(tour_, kContextHit, ada = Account::get_by_id("ada"));
  tour_.note(
      "The class variable still keeps visits out, and accounts are in the cache. nullptr brings the default back:");
  SHOW(tour_, kNothing, context.set_cache_policy(nullptr));
}

// ---- Auto-batching

void Walk::batched_gets() {
  const auto scope = client_.context();
  const std::span<const ndb::Key> keys = rest_;
  std::vector<ndb::Future<Package>> futures;
  const ndb::TierCounts batch{
      .memcache_reads = 1, .memcache_fills = keys.size(), .lookups = 1, .lookup_keys = keys.size()};
  tour_.step("Auto-batching", "NDB gathers operations in batches by itself, so that they take few round trips. Here " +
                                  count_text(keys.size()) +
                                  " gets, issued one by one, travel together as soon as somebody waits.");
  SHOW(tour_, kNothing, for (const ndb::Key& key : keys) futures.push_back(key.get_async<Package>()));
  SHOW(tour_, batch, ndb::wait_all(futures));
}

void Walk::batched_puts() {
  const auto scope = client_.context();
  std::vector<Package> packages = ndb::get_multi<Package>(rest_);
  std::vector<ndb::Future<ndb::Key>> futures;
  const ndb::TierCounts batch{.memcache_locks = 1, .commits = 1, .mutations = packages.size()};
  tour_.step("Puts travel together as well", "One batch deletes them all from memcache, one Commit writes them all.");
  SHOW(tour_, kNothing, for (Package& package : packages) futures.push_back(package.put_async()));
  SHOW(tour_, batch, ndb::wait_all(futures));
}

void Walk::tasklets() {
  const auto scope = client_.context();
  const std::span<const ndb::Key> keys = rest_;
  std::vector<std::int64_t> sizes;
  const ndb::TierCounts batch{
      .memcache_reads = 1, .memcache_fills = keys.size(), .lookups = 1, .lookup_keys = keys.size()};
  tour_.step("Tasklets",
             "Ordinary functions, run concurrently on one thread: where one waits the others go on, and their "
             "calls share the batch.");
  tour_.note("size_of is an ordinary function: return key.get<Package>()->size;");
  const auto size_of = [](const ndb::Key& key) { return key.get<Package>()->size; };
  SHOW(tour_, batch, sizes = ndb::map(keys, size_of));
}

void Walk::run() {
  tour_.chapter("The manual: two caches, and the context");
  both_caches();
  call_options();
  own_contexts();
  tour_.chapter("The manual: the in-context cache");
  writes();
  queries();
  clear_cache();
  long_tasks();
  tour_.chapter("The manual: memcache");
  second_thread();
  second_process();
  transactions();
  behind_ndbs_back();
  tour_.chapter("The manual: policy functions");
  cache_policy();
  memcache_policy();
  datastore_policy();
  timeout_policy();
  class_variables();
  fall_back();
  tour_.chapter("The manual: auto-batching");
  batched_gets();
  batched_puts();
  tasklets();
}

}  // namespace

void walk_through_the_manual(const Stage& stage, std::span<const ndb::Key> keys, Claims& claims) {
  Walk(stage, keys, claims).run();
}

}  // namespace demo
