// A memcached inside the test program that obeys a script. It speaks the part of the text protocol that the gateway
// uses, as the real one does (scripted_memcached_test.cc compares them), on free loopback ports; what makes it a test's
// own is that commands can be held up, lost, delayed or refused, that items can vanish, and that the wire can be read.
//
//   ScriptedMemcached server(clock);
//   ... Config{.servers = {server.address("W1")}} ...
//   auto held = server.hold({.verb = Verb::kCas, .client = "W1"});  // the next cas of W1 stops before it is executed
//   ... W1 releases its lock, on another thread ...
//   held->wait();     // now it waits there, and others may act
//   held->release();  // now it has been executed
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "support/memcached_items.h"

namespace ndb::testing {

// Thread-safe. Gateways that use it may outlive it: their connections are then closed.
class ScriptedMemcached {
 public:
  using Item = MemcachedItems::Item;

  // Selects commands for a rule; members that are not set match every command. The rule applies to the nth match from
  // now on, and only to that; with nth = 0 to every match.
  struct Match {
    std::optional<Verb> verb{};
    std::string client{};
    std::string key{};
    int nth = 1;
  };

  // A rule for a command. A test that waits for a command that does not come fails after ten seconds.
  class Rule {
   public:
    void wait();     // until the command is parked, cut off, or answered
    void release();  // lets the parked command go on; returns when it has been executed and answered

   private:
    friend class ScriptedMemcached;
    enum class Fate { kHold, kHoldReply, kDelay, kLose, kLoseReply, kRefuse };
    enum class State { kAwaited, kParked, kReleased, kOver };
    Rule(Fate fate, Match match, std::string answer)
        : fate_(fate), match_(std::move(match)), answer_(std::move(answer)) {}
    void park();
    void enter(State state);
    void await_end_of(State state);

    const Fate fate_;
    const Match match_;
    const std::string answer_;
    int matched_ = 0;  // guarded by the server's mutex
    Mutex mutex_;
    Condition changed_;
    State state_ NDB_GUARDED_BY(mutex_) = State::kAwaited;
  };
  using RulePtr = std::shared_ptr<Rule>;

  // `clock` decides when items expire.
  explicit ScriptedMemcached(const Clock& clock) : items_(clock) {}
  ~ScriptedMemcached();
  ScriptedMemcached(const ScriptedMemcached&) = delete;
  ScriptedMemcached& operator=(const ScriptedMemcached&) = delete;

  // host:port for this client. Each client has a port of its own, by which the script and the log tell clients apart.
  std::string address(const std::string& client);

  // The script. While a command is parked, only later commands of the same connection wait.
  RulePtr hold(Match match);                        // parked before it is executed
  RulePtr hold_reply(Match match);                  // parked after it was executed
  RulePtr delay(Match match);                       // its connection is cut; executed when released
  RulePtr lose(Match match);                        // its connection is cut; it is never executed
  RulePtr lose_reply(Match match);                  // executed, but its connection is cut instead of a reply
  RulePtr refuse(Match match, std::string answer);  // not executed; these bytes are sent, wanted or not
  void cut_off(const std::string& client);          // closes its connections, and new ones as soon as they are made
  void let_in(const std::string& client);           // accepts its connections again

  // Changes to items and their uniques.
  std::optional<Item> item(const std::string& key);
  void put(const std::string& key, std::uint32_t flags, std::string value);
  void evict(const std::string& key);
  void restart();  // no items, no connections, CAS uniques from 1
  void set_next_unique(std::uint64_t unique);
  void disable_cas();                   // as -C: all uniques are 0
  void limit_items(std::size_t bytes);  // as -I

  // What went over the wire.
  std::vector<MemcachedCommand> log();         // as they arrived
  void await(const Match& match);              // until the log has an nth command that matches
  int connections(const std::string& client);  // made so far
  struct Traffic {
    std::size_t received = 0, sent = 0;  // bytes
  };
  Traffic traffic();
  void clear_log();  // and the traffic

 private:
  struct Link {
    int listener = -1;
    std::uint16_t port = 0;
    bool cut_off = false;
    int connections = 0;
    std::thread acceptor{};
  };
  class Session;

  RulePtr add_rule(Rule::Fate fate, Match match, std::string answer = {});
  RulePtr arrive(const MemcachedCommand& command, std::size_t bytes);  // logs the command; returns its rule, if any
  std::string execute(const MemcachedCommand& command);                // the reply, if one is wanted
  bool obey(Session& session, const MemcachedCommand& command, Rule* rule);
  void accept_from(int listener, const std::string& client);
  void serve(int fd, const std::string& client);
  void close_connections(const std::string& client);  // of all, if empty

  Mutex mutex_;
  Condition logged_;
  MemcachedItems items_ NDB_GUARDED_BY(mutex_);
  std::map<std::string, Link> links_ NDB_GUARDED_BY(mutex_);
  std::map<int, std::string> open_ NDB_GUARDED_BY(mutex_);  // connections and their clients
  std::vector<std::thread> sessions_ NDB_GUARDED_BY(mutex_);
  std::vector<RulePtr> rules_ NDB_GUARDED_BY(mutex_);  // all that were ever added
  std::vector<MemcachedCommand> log_ NDB_GUARDED_BY(mutex_);
  Traffic traffic_ NDB_GUARDED_BY(mutex_);
};

}  // namespace ndb::testing
