// Readers and writers on machines of their own, around one key, one scripted memcached and one Datastore; each step of
// theirs is a call. So a test reads like the history of a race, and every read in it is checked:
//   P1  no read returns a version older than one that was acknowledged before the read began;
//   P2  at the end of the test memcached serves nothing older than the Datastore has;
//   P3  P1, and no read returns a version older than one that a read completed before it returned.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "gateway_fixture.h"
#include "support/scripted_memcached.h"

namespace ndb::memcache {

using testing::ScriptedMemcached;
using testing::Verb;

// It stores only the version of the entity.
struct Datastore {
  std::atomic<std::uint64_t> version{1};
  std::atomic<std::uint64_t> acknowledged{1};
  std::atomic<std::uint64_t> returned{0};  // the highest that a read has returned
};

// Which promises a test checks: all, unless it says why not.
struct Promised {
  bool p1 = true, p2 = true, p3 = true;
};

class InterleavingTest : public GatewaySteps {
 protected:
  // A gateway and the state of its user. Steps return their results as text.
  class Actor {
   public:
    Actor(InterleavingTest& test, const std::string& name) : Actor(test, name, test.clock_) {}
    Actor(InterleavingTest& test, const std::string& name, const Clock& clock) : test_(&test) {
      Config config = test.config({test.server_.address(name)});
      config.clock = &clock;
      gateway_ = make_gateway(std::move(config));
    }
    Gateway& gateway() { return *gateway_; }

    // Reading. "hit v1", "known absent", "leased" (a miss that may be filled), "missed", "bypassed".
    std::string gets(std::uint64_t floor = 0);
    std::string looks_up();                            // reads the Datastore: "v1"
    std::string looks_up_late(std::uint64_t version);  // the same from a replica that lags behind
    std::string fills();                               // with what was looked up; the record
    std::string reads();                               // all of it: "hit v1", or "v1"

    // Writing. Each returns the record, or why there is no lock.
    std::string locks(std::chrono::seconds hold = std::chrono::seconds(60));
    bool is_protected() const;       // by its lock, for another second
    std::string commits();           // "v2"
    std::string releases();          // and acknowledges
    std::string writes_through();    // the same, leaving the value
    std::string fails();             // the commit is known to have failed
    std::string loses_the_answer();  // the commit's outcome is unknown
    std::string writes();            // all of it, without write-through

   private:
    std::string leaves(CommitOutcome outcome, std::uint64_t version, std::optional<std::string_view> payload = {});
    // CAS uniques belong to a connection, and connections to a thread. A thread that ends leaves its connections to the
    // next new one, so all steps of an actor use the same ones, even after a pause.
    template <class Step>
    auto run(Step step) {
      decltype(step()) result;
      std::thread([&] { result = step(); }).join();
      return result;
    }

    InterleavingTest* test_;
    std::unique_ptr<Gateway> gateway_;
    LeasePtr lease_;
    LockPtr lock_;
    std::uint64_t looked_up_ = 0, committed_ = 0;
  };

  // A step that stops where a rule parks its command. The destructor resumes it at the latest.
  class Paused {
   public:
    Paused(ScriptedMemcached::RulePtr rule, std::function<std::string()> step) : rule_(std::move(rule)) {
      thread_ = std::thread([this, step = std::move(step)] { result_ = step(); });
      rule_->wait();
    }
    ~Paused() {
      if (thread_.joinable()) resume();
    }
    Paused(const Paused&) = delete;
    Paused& operator=(const Paused&) = delete;
    std::string resume() {
      rule_->release();
      thread_.join();
      return result_;
    }

   private:
    ScriptedMemcached::RulePtr rule_;
    std::string result_;
    std::thread thread_;
  };

  void SetUp() override { server_.clear_log(); }  // of the gateways' start-up probes
  void TearDown() override;                       // checks P2

  // The record as text, "absent", or "unreadable".
  std::string record() { return record(key_); }
  std::string record(const Key& key);
  std::optional<Record> found(const Key& key);
  void cache_v1();  // v1 is cached at the start
  void evict() { server_.evict(name_); }

  const Key key_ = make_key("ada");
  const std::string name_ = record_name(key_.bytes());
  ScriptedMemcached server_{clock_};
  Datastore datastore_;
  Promised promised_;
  Actor w1_{*this, "W1"}, w2_{*this, "W2"}, r1_{*this, "R1"}, r2_{*this, "R2"};
};

}  // namespace ndb::memcache
