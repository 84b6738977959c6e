// A fixture with one client on real tiers, and the entities that the tests of transactions share.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>

#include "support/tiers.h"

namespace ndb::testing {

class Counter : public ndb::Model<Counter> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class Large : public ndb::Model<Large> {
 public:
  struct Properties {
    ndb::Blob noise{};
  };
  NDB_MODEL(noise)
};

class Memo : public ndb::Model<Memo> {  // lives in memcache
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _use_datastore = false;
};

class Transactions : public Tiers {
 protected:
  void set(std::string_view id, std::int64_t n) {
    in_new_context(client_, [&] { Counter::make({.n = n}, ndb::id(id)).put(); });
  }
  std::int64_t get(std::string_view id) {
    std::int64_t n = -1;
    in_new_context(client_, [&] {
      if (const Counter counter = Counter::get_by_id(id)) n = counter->n;
    });
    return n;
  }
  // Runs `body` in a context of its own on another thread, as another program would.
  void elsewhere(const std::function<void()>& body) {
    std::thread([&] { in_new_context(client_, body); }).join();
  }
  // A client whose Commits all end with `status`, and are applied nevertheless if `apply` is set; commits_ counts them.
  ndb::Client with_failing_commits(const absl::Status& status, bool apply) {
    ScriptedStub* stub = nullptr;
    ndb::Client client = scripted(stub);
    stub->on_commit = [this, status, apply](const auto&) {
      ++commits_;
      return ScriptedStub::Verdict{status, apply};
    };
    return client;
  }
  static void increment(std::string_view id) {
    Counter counter = Counter::get_by_id(id);
    counter.edit().n += 1;
    counter.put();
  }
  const ndb::Client client_ = client();
  int commits_ = 0;
};

}  // namespace ndb::testing
