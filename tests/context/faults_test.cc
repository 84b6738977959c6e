// A context when a tier fails: it returns nothing stale, loses nothing silently and does nothing by halves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "memcache/protocol/record.h"
#include "support/fake_clock.h"
#include "support/tiers.h"

namespace {

using ndb::testing::MemcachedServer;
using ndb::testing::ScriptedStub;
using ndb::testing::Tiers;
using ::testing::HasSubstr;

class Note : public ndb::Model<Note> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
};

class Careless : public ndb::Model<Careless> {  // written although memcache can't be locked
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _best_effort = true;
};

class Faults : public Tiers {
 protected:
  std::int64_t read(const ndb::Options& options = {}) {
    std::int64_t n = -1;
    in_new_context(client_, [&] {
      if (const Note note = Note::get_by_id("x", options)) n = note->n;
    });
    return n;
  }
  void write(std::int64_t n) {
    in_new_context(client_, [&] { Note::make({.n = n}, ndb::id("x")).put(); });
  }
  // A client with a clock and a memcached of the test's own.
  ndb::Client on_clock(const ndb::Clock& clock, const std::string& server, ScriptedStub*& stub) const {
    ndb::ClientOptions with = options();
    with.memcached_hosts = {server};
    const auto core = ndb::testing::take_core(ndb::Client(with));
    auto config = ndb::context::memcache_config(with);
    config.clock = core->clock = &clock;
    core->gateway = *ndb::memcache::Gateway::make(std::move(config));
    return scripted(ndb::detail::ClientAccess::make(core), stub);
  }
  const ndb::Client client_ = client();
};

TEST_F(Faults, ADatastoreThatIsNotThereIsNamed) {
  ndb::ClientOptions nowhere = options();
  nowhere.channel = nullptr;
  nowhere.emulator_host = "127.0.0.1:" + std::to_string(ndb::testing::free_port());
  in_new_context(ndb::Client(nowhere), [&] {
    const auto get = Note::get_by_id_async("x", {.use_memcache = false, .retries = 0}).try_get().status();
    EXPECT_EQ(get.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(get.message()), HasSubstr(*nowhere.emulator_host));
    EXPECT_THAT(std::string(get.message()), HasSubstr("Key('Note', 'x'"));
    Note note = Note::make({.n = 1}, ndb::id("x"));
    EXPECT_EQ(note.put_async().try_get().status().code(), absl::StatusCode::kUnavailable);
    EXPECT_FALSE(ndb::get_context().cache_size());
    EXPECT_THROW(ndb::transaction([] {}, {.retries = 0}), ndb::Error);
  });
}

TEST_F(Faults, WithoutMemcachedReadsGoOnAndWritesAreRefused) {
  write(1);
  MemcachedServer server;
  ndb::ClientOptions with = options();
  with.memcached_hosts = {server.address()};
  const ndb::Client client(with);
  in_new_context(client, [] { EXPECT_EQ(Note::get_by_id("x")->n, 1); });
  server.kill();
  in_new_context(client, [] {
    EXPECT_EQ(Note::get_by_id("x")->n, 1);
    EXPECT_EQ(ndb::get_context().counts().lookups, 1);
    EXPECT_EQ(ndb::get_context().counts().memcache_fills, 0);
    const absl::Status status = Note::make({.n = 2}, ndb::id("x")).put_async().try_get().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr("not written"));
    EXPECT_EQ(ndb::get_context().counts().commits, 0);
    // An entity whose key is not known yet needs no lock.
    EXPECT_TRUE(Note::make({.n = 3}).put().is_complete());
    EXPECT_THROW(ndb::transaction([] { Note::make({.n = 4}, ndb::id("x")).put(); }), ndb::Error);
  });
  EXPECT_EQ(read({.use_memcache = false}), 1);
}

// A commit without an answer may or may not have been applied, now or later: nothing that could be stale is served.
TEST_F(Faults, AnUnknownOutcomeLeavesTheKeyToTheDatastore) {
  for (const bool applied : {true, false}) {
    SCOPED_TRACE(applied);
    write(1);
    EXPECT_EQ(read(), 1);
    ScriptedStub* stub = nullptr;
    const ndb::Client client = scripted(stub);
    stub->on_commit = [&](const auto&) {
      return ScriptedStub::Verdict{absl::DeadlineExceededError("no answer"), applied};
    };
    in_new_context(client, [&] {
      Note::get_by_id("x");
      EXPECT_EQ(Note::make({.n = 2}, ndb::id("x")).put_async().try_get().status().code(),
                absl::StatusCode::kDeadlineExceeded);
      const auto lookups = ndb::get_context().counts().lookups;
      EXPECT_EQ(Note::get_by_id("x")->n, applied ? 2 : 1);
      EXPECT_EQ(ndb::get_context().counts().lookups, lookups + 1);
    });
    // The lock is still there: others read the Datastore, and fill nothing that a late commit would make stale.
    EXPECT_EQ(read(), applied ? 2 : 1);
    in_new_context(client_, [&] {
      Note::get_by_id("x");
      EXPECT_EQ(ndb::get_context().counts().memcache_hits, 0);
      EXPECT_EQ(ndb::get_context().counts().memcache_fills, 0);
      ndb::get_context().invalidate(ndb::key<Note>("x"));
    });
  }
}

TEST_F(Faults, AResendThatSucceedsDoesNotMakeTheOutcomeKnown) {
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    return ++commits == 1 ? ScriptedStub::Verdict{absl::UnavailableError("cut"), false} : ScriptedStub::Verdict{};
  };
  in_new_context(client, [&] {
    Note::make({.n = 5}, ndb::id("x")).put({.retries = 2});
    EXPECT_EQ(commits, 2);
    EXPECT_EQ(ndb::get_context().cache_size(), 0);
    // An incomplete key is never resent: it could be inserted twice.
    commits = 0;
    EXPECT_EQ(Note::make({.n = 5}).put_async({.retries = 2}).try_get().status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(commits, 1);
  });
  EXPECT_EQ(read(), 5);
  in_new_context(client_, [&] {
    Note::get_by_id("x");
    EXPECT_EQ(ndb::get_context().counts().memcache_fills, 0);
  });
}

// While a Commit may still be applied, its key stays locked, also during the pauses between attempts; and the first
// lock is released.
TEST_F(Faults, ALockOutlastsACommitThatMayStillBeApplied) {
  ndb::testing::FakeClock clock;
  ScriptedStub* stub = nullptr;
  const ndb::Client client = on_clock(clock, memcached().address(), stub);
  const ndb::Key key("Note", ndb::id("x"), {client.project(), "", ""});
  const auto expect_lock = [&](std::chrono::seconds least) {
    const auto record = core_of(client)->gateway->inspect(std::span(&key, 1)).front();
    ASSERT_EQ(record.holders.size(), 1u);
    EXPECT_GE(record.holders.front(), clock.now() + least);
  };
  int commits = 0;
  stub->on_commit = [&](const auto&) {
    expect_lock(std::chrono::seconds(++commits == 1 ? 64 : 330));
    if (commits == 2) clock.advance(std::chrono::seconds(310));
    return commits < 3 ? ScriptedStub::Verdict{absl::UnavailableError("cut"), false} : ScriptedStub::Verdict{};
  };
  in_new_context(client, [] { Note::make({.n = 5}, ndb::id("x")).put({.retries = 2}); });
  EXPECT_EQ(commits, 3);
  expect_lock(std::chrono::seconds(330));
}

TEST_F(Faults, AResendWithoutItsLockIsOfUnknownOutcome) {
  write(1);
  MemcachedServer server;
  ndb::testing::FakeClock clock;
  ScriptedStub* stub = nullptr;
  const ndb::Client client = on_clock(clock, server.address(), stub);
  stub->on_commit = [&](const auto&) {
    server.kill();
    return ScriptedStub::Verdict{absl::DeadlineExceededError("no answer"), true};
  };
  in_new_context(client, [&] {
    EXPECT_EQ(Note::get_by_id("x")->n, 1);
    const absl::Status status = Note::make({.n = 2}, ndb::id("x")).put_async({.retries = 2}).try_get().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr("unknown whether it was written"));
    EXPECT_EQ(ndb::get_context().counts().commits, 1);
    EXPECT_EQ(Note::get_by_id("x")->n, 2);  // no longer from the context's cache
  });
  EXPECT_EQ(core_of(client)->gateway->stats().repairs_waiting, 1u);  // the lock is still to be prolonged
}

TEST_F(Faults, ARefusedItemStandsAlone) {
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  stub->on_commit = [](const ndb::wire::CommitRequest& request) -> ScriptedStub::Verdict {
    for (const auto& mutation : request.mutations()) {
      if (mutation.upsert().find("bad") != std::string::npos) return {absl::InvalidArgumentError("refused"), false};
    }
    return {};
  };
  in_new_context(client, [&] {
    std::vector<ndb::Entity> entities;
    for (int i = 0; i < 8; ++i) entities.push_back(ndb::Entity::make("Item", i == 5 ? ndb::id("bad") : ndb::id(i + 1)));
    const auto futures = ndb::put_multi_async(entities);
    for (std::size_t i = 0; i < futures.size(); ++i) {
      const absl::Status status = futures[i].try_get().status();
      EXPECT_EQ(status.ok(), i != 5) << status;
      if (!status.ok()) {
        EXPECT_THAT(std::string(status.message()), HasSubstr("Key('Item', 'bad'"));
      }
    }
    EXPECT_THROW(ndb::put_multi(entities), ndb::Error);
  });
}

TEST_F(Faults, AKnownFailureGivesTheLockBack) {
  write(1);
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  stub->on_commit = [](const auto&) { return ScriptedStub::Verdict{absl::PermissionDeniedError("no"), false}; };
  in_new_context(client, [&] {
    EXPECT_EQ(Note::make({.n = 2}, ndb::id("x")).put_async().try_get().status().code(),
              absl::StatusCode::kPermissionDenied);
  });
  EXPECT_EQ(read(), 1);
  in_new_context(client_, [&] {
    EXPECT_EQ(Note::get_by_id("x")->n, 1);
    EXPECT_EQ(ndb::get_context().counts().memcache_hits, 1);  // filled by the read before
  });
}

// A write is acknowledged while a read is in flight. The read may return the old value to its caller, but leaves it in
// neither cache.
TEST_F(Faults, ALateReadDoesNotOverwriteAWrite) {
  write(1);
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  bool in_the_way = true;
  stub->on_lookup = [&](const auto&) {
    if (std::exchange(in_the_way, false)) {
      std::thread([&] { write(2); }).join();  // like another process
    }
  };
  in_new_context(client, [&] {
    EXPECT_EQ(Note::get_by_id("x")->n, 2);
    ndb::get_context().clear_cache();
    // Now within one context: the get is in flight when the put is acknowledged.
    const auto get = Note::get_by_id_async("x", {.use_memcache = false});
    Note::make({.n = 3}, ndb::id("x")).put();
    get.wait();
    EXPECT_EQ(Note::get_by_id("x")->n, 3);
  });
  EXPECT_EQ(read(), 3);
  EXPECT_EQ(read(), 3);
}

// Another program writes past memcache and invalidates the key, after this context has sent a read that is not answered
// yet.
TEST_F(Faults, InvalidateMeetsAReadThatIsUnderWay) {
  write(1);
  ndb::ClientOptions without = options();
  without.memcached_hosts = std::vector<std::string>();
  const ndb::Client console(without);
  ScriptedStub* stub = nullptr;
  const ndb::Client client = scripted(stub);
  for (const bool by_query : {false, true}) {
    SCOPED_TRACE(by_query);
    write(1);
    in_new_context(client, [&] {
      ndb::Context& context = ndb::get_context();
      const ndb::Key key = ndb::key<Note>("x");
      stub->after_answer = [&] {
        std::thread([&] { in_new_context(console, [] { Note::make({.n = 2}, ndb::id("x")).put(); }); }).join();
        context.invalidate(key);
      };
      const auto early = by_query ? Note::query().fetch(1).front()->n : Note::get_by_id("x")->n;
      EXPECT_EQ(early, 1) << "this is what was asked for";
      EXPECT_EQ(Note::get_by_id("x")->n, 2);
    });
  }
}

TEST_F(Faults, WritesOfOneKeyKeepTheirOrder) {
  in_new_context(client_, [&] {
    std::vector<ndb::Future<ndb::Key>> puts;
    for (std::int64_t n = 1; n <= 5; ++n) puts.push_back(Note::make({.n = n}, ndb::id("x")).put_async());
    const auto erased = ndb::key<Note>("x").delete_async();
    puts.push_back(Note::make({.n = 6}, ndb::id("x")).put_async());
    ndb::wait_all(puts);
    EXPECT_TRUE(erased.done());
    EXPECT_EQ(ndb::get_context().counts().commits, 7);
    EXPECT_EQ(Note::get_by_id("x")->n, 6);
  });
  EXPECT_EQ(read(), 6);
}

TEST_F(Faults, GarbageInMemcacheIsNotServed) {
  write(1);
  EXPECT_EQ(read(), 1);
  EXPECT_EQ(read(), 1);
  // Another entity's record under this key, and plain garbage.
  const std::string dump = memcached().command("lru_crawler metadump all");
  for (const std::string& value : {std::string("garbage"), std::string()}) {
    std::size_t at = 0;
    while ((at = dump.find("key=ndb1", at)) != std::string::npos) {
      std::string key = dump.substr(at + 4, dump.find(' ', at) - at - 4);
      // metadump writes keys URL-encoded: only the colon of ours needs it.
      if (const auto colon = key.find("%3A"); colon != std::string::npos) key.replace(colon, 3, ":");
      memcached().command("set " + key + " 0 0 " + std::to_string(value.size()) + "\r\n" + value);
      at += 8;
    }
    EXPECT_EQ(read(), 1);
    write(1);
  }
}

// A write of such a kind proceeds without its lock. memcache may serve the old entity, but not for long, and the
// release is repeated until memcache has accepted it.
TEST_F(Faults, ABestEffortKindIsWrittenWithoutItsLock) {
  MemcachedServer server;
  ndb::ClientOptions with_own = options();
  with_own.memcached_hosts = {server.address()};
  with_own.memcache_io_timeout = std::chrono::milliseconds(50);
  const ndb::Client client(with_own);
  const auto read = [&] {
    std::int64_t n = -1;
    in_new_context(client, [&] { n = Careless::get_by_id("x")->n; });
    return n;
  };
  in_new_context(client, [] {
    Careless::make({.n = 1}, ndb::id("x")).put();
    Note::make({.n = 1}, ndb::id("x")).put();
  });
  EXPECT_EQ(read(), 1);
  EXPECT_EQ(read(), 1);
  server.pause();
  in_new_context(client, [] {
    Careless::make({.n = 2}, ndb::id("x")).put();
    EXPECT_EQ(Careless::get_by_id("x")->n, 2);
    ndb::transaction([] { Careless::make({.n = 3}, ndb::id("x")).put(); });
    EXPECT_THROW(Note::make({.n = 2}, ndb::id("x")).put(), ndb::Error);
    EXPECT_THROW(ndb::transaction([] {
                   Careless::make({.n = 4}, ndb::id("x")).put();
                   Note::make({.n = 3}, ndb::id("x")).put();
                 }),
                 ndb::Error);
  });
  server.resume();
  while (core_of(client)->gateway->stats().repairs_waiting > 0) std::this_thread::yield();
  EXPECT_EQ(read(), 3);
}

TEST_F(Faults, ABestEffortKindIsKeptForAMinuteAtMost) {
  in_new_context(
      client_, [] { Careless::make({.n = 1}, ndb::id("short")).put({.memcache_timeout = 0, .write_through = true}); });
  const ndb::Key key("Careless", ndb::id("short"), {client_.project(), "", ""});
  // memcached keeps a record for ten minutes longer than readers serve it.
  const std::string answer = memcached().command("me " + ndb::memcache::record_name(key.bytes()) + "\r\nmn");
  const long left = -std::stol(answer.substr(answer.find("exp=") + 4));
  EXPECT_GT(left, 600);
  EXPECT_LE(left, 662);
}

// However long the Datastore takes to answer, the time-out of the result counts from the question.
TEST_F(Faults, ATimeoutCountsFromBeforeTheRead) {
  write(1);
  ndb::testing::FakeClock clock;
  ScriptedStub* stub = nullptr;
  const ndb::Client client = on_clock(clock, memcached().address(), stub);
  const ndb::Key key("Note", ndb::id("x"), {client.project(), "", ""});
  for (const int slow : {30, 70}) {
    const auto asked = clock.now();
    stub->on_lookup = [&](const auto&) { clock.advance(std::chrono::seconds(slow)); };
    in_new_context(client, [] { EXPECT_EQ(Note::get_by_id("x", {.memcache_timeout = 60})->n, 1); });
    const auto record = core_of(client)->gateway->inspect(std::span(&key, 1)).front();
    if (slow < 60) {
      EXPECT_EQ(record.state, ndb::memcache::Inspection::State::kValue);
      EXPECT_LE(record.expiry, asked + std::chrono::seconds(61));
      clock.advance(std::chrono::seconds(60));
    } else {
      EXPECT_EQ(record.state, ndb::memcache::Inspection::State::kEmpty);
    }
  }
}

// A program that does not know memcache writes an entity that is cached.
TEST_F(Faults, TheProbeFindsAStaleHit) {
  write(1);
  EXPECT_EQ(read(), 1);
  ndb::testing::FakeClock clock;
  const auto core = ndb::testing::take_core(client());
  core->clock = &clock;
  core->probe = std::make_unique<ndb::context::ConsistencyProbe>(*core->stub, *core->gateway, clock, 1);
  const ndb::Client probing = ndb::detail::ClientAccess::make(core);
  const auto hit = [&](std::uint64_t probed) {
    std::int64_t n = -1;
    in_new_context(probing, [&] { n = Note::get_by_id("x")->n; });
    clock.advance(ndb::context::ConsistencyProbe::kDelay);
    while (probing.memcache_stats().probed < probed) std::this_thread::yield();
    return n;
  };
  EXPECT_EQ(hit(1), 1);
  EXPECT_EQ(probing.memcache_stats().stale_hits, 0u);

  ndb::ClientOptions without = options();
  without.memcached_hosts = std::vector<std::string>();
  in_new_context(ndb::Client(without), [] { Note::make({.n = 2}, ndb::id("x")).put(); });
  clock.advance(std::chrono::minutes(1));  // far beyond what clocks may differ by
  EXPECT_EQ(hit(2), 1);
  while (probing.memcache_stats().stale_hits < 1) std::this_thread::yield();
  while (read() != 2) std::this_thread::yield();  // until the record has been invalidated
}

}  // namespace
