// Records that are missing, belong to another key, or contain no entity; also for kinds that are stored only in
// memcache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "memcache/protocol/record.h"
#include "support/tiers.h"

namespace ndb::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Page : public ndb::Model<Page> {
 public:
  struct Properties {
    std::string text{};
  };
  NDB_MODEL(text)
};

class Shared : public ndb::Model<Shared> {
 public:
  struct Properties {
    std::string text{};
  };
  NDB_MODEL(text)
  static constexpr bool _use_shared_cache = true;
};

class Session : public ndb::Model<Session> {
 public:
  struct Properties {
    std::string user{};
  };
  NDB_MODEL(user)
  static constexpr bool _use_datastore = false;
};

class MemcacheRecords : public Tiers {
 protected:
  template <class M>
  Key key(std::string_view name) const {
    return Key(M::_get_kind(), ndb::id(name), {client_.project(), "", ""});
  }
  memcache::Inspection record(const Key& key) const { return core_of(client_)->gateway->inspect({&key, 1}).front(); }
  void plant(const Key& key, const memcache::Record& record) const {
    const auto [flags, body] = memcache::encode(record, key.bytes(), 4096);
    ASSERT_EQ(memcached().command(
                  cat("set ", memcache::record_name(key.bytes()), ' ', flags, " 0 ", body.size(), "\r\n", body)),
              "STORED\r\n");
  }
  // The code and message of an error that a call ends with; "no error" otherwise.
  template <class Call>
  static std::string error(Call call) {
    try {
      call();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  const Client client_ = client();
};

// If the entity were reported absent, a session would end although it comes back with the server.
TEST_F(MemcacheRecords, WithoutAnAnswerAMemcacheOnlyEntityIsNotAbsent) {
  MemcachedServer server;
  ClientOptions with = options();
  with.memcached_hosts = {server.address()};
  const Client client(with);
  in_new_context(client, [] { Session::make({.user = "ada"}, ndb::id("s")).put(); });
  server.kill();
  const auto unavailable = AllOf(HasSubstr("Key('Session', 's'"), HasSubstr("memcached"));
  const std::vector<Key> keys = {ndb::key<Session>("s"), ndb::key<Session>("t")};
  const auto counts = in_new_context(client, [&] {
    EXPECT_TRUE(absl::IsUnavailable(Session::get_by_id_async("s").try_get().status()));
    EXPECT_THAT(error([] { Session::get_by_id("s"); }), unavailable);
    EXPECT_THAT(error([] { Session::get_by_id("s", {.use_cache = false}); }), unavailable);
    EXPECT_THAT(error([&] { ndb::get_multi<Session>(keys); }), unavailable);
    EXPECT_THAT(error([] { Session::get_or_insert("s", {.user = "eve"}); }), unavailable);
    EXPECT_THAT(error([] { Session::make({.user = "eve"}, ndb::id("s")).put(); }), unavailable);
    EXPECT_THAT(error([] { ndb::key<Session>("s").delete_(); }), unavailable);
    // Neither the answer nor the failed store is remembered.
    EXPECT_THAT(error([] { Session::get_by_id("s"); }), unavailable);
  });
  EXPECT_EQ(counts.lookups + counts.commits, 0);
  server.restart();
  const Client later(with);
  in_new_context(later, [] {
    EXPECT_FALSE(Session::get_by_id("s"));  // now it is known
    EXPECT_EQ(Session::get_or_insert("s", {.user = "bob"})->user, "bob");
  });
}

TEST_F(MemcacheRecords, AnotherEntitysBytesAreNotServed) {
  in_new_context(client_, [] {
    Page::make({.text = "of a"}, ndb::id("a")).put();
    Page::make({.text = "of b"}, ndb::id("b")).put();
    Shared::make({.text = "of c"}, ndb::id("c")).put();
    Session::make({.user = "ada"}, ndb::id("s")).put();
  });
  in_new_context(client_, [] {
    Page::get_by_id("b");
    Shared::get_by_id("c");
  });
  const std::string other = record(key<Page>("b")).payload;
  ASSERT_FALSE(other.empty());
  const std::uint64_t corrupt = client_.memcache_stats().corrupt;
  const memcache::Record value{.state = memcache::State::kValue, .version = 1, .payload = other};
  plant(key<Page>("a"), value);
  plant(key<Shared>("c"), value);
  plant(key<Session>("s"), {.state = memcache::State::kCached, .token = 1, .payload = other});
  in_new_context(client_, [&] {
    EXPECT_EQ(Page::get_by_id("a")->text, "of a");
    EXPECT_EQ(Shared::get_by_id("c")->text, "of c");
    EXPECT_FALSE(Session::get_by_id("s"));  // as if it had been evicted: memcache has lost it
  });
  EXPECT_EQ(client_.memcache_stats().corrupt, corrupt + 3);
  EXPECT_EQ(record(key<Page>("a")).state, memcache::Inspection::State::kEmpty);
  in_new_context(client_, [] { Session::make({.user = "ada"}, ndb::id("s")).put(); });
  in_new_context(client_, [] { EXPECT_EQ(Session::get_by_id("s")->user, "ada"); });
}

TEST_F(MemcacheRecords, BytesThatAreNoEntityAreAMiss) {
  in_new_context(client_, [] { Page::make({.text = "of a"}, ndb::id("a")).put(); });
  for (const std::string& junk : {std::string(1, '\xFF'), std::string(100, '\xFF'), std::string(20'000, '\xFF')}) {
    plant(key<Page>("a"), {.state = memcache::State::kValue, .version = 1, .payload = junk});
    const std::uint64_t corrupt = client_.memcache_stats().corrupt;
    const auto counts = in_new_context(client_, [] { EXPECT_EQ(Page::get_by_id("a")->text, "of a"); });
    EXPECT_EQ(counts.memcache_hits, 0);
    EXPECT_EQ(counts.lookups, 1);
    EXPECT_EQ(client_.memcache_stats().corrupt, corrupt + 1);
    EXPECT_EQ(record(key<Page>("a")).state, memcache::Inspection::State::kEmpty);
  }
  // Whether an entity that does not fit this program's class is valid is for the Datastore to say, and the record stays
  // for others.
  const std::string number = "\x1A\x0A\x0A\x04text\x12\x02\x10\x07";  // `text` is the integer 7
  plant(key<Page>("a"), {.state = memcache::State::kValue, .version = 1, .payload = number});
  in_new_context(client_, [] { EXPECT_EQ(Page::get_by_id("a")->text, "of a"); });
  EXPECT_EQ(record(key<Page>("a")).state, memcache::Inspection::State::kValue);
  // For an entity that is stored only in memcache there is no other tier to ask.
  plant(key<Session>("s"), {.state = memcache::State::kCached, .token = 1, .payload = std::string(9, '\xFF')});
  in_new_context(client_, [&] { EXPECT_THAT(error([] { Session::get_by_id("s"); }), HasSubstr("Session")); });
}

// A damaged record fails its checksum and is never decoded. An entity that was stored only in memcache is then gone, as
// after an eviction.
TEST_F(MemcacheRecords, ADamagedRecordOfMemcacheAloneIsGone) {
  in_new_context(client_, [] { Session::make({.user = "ada"}, ndb::id("s")).put(); });
  const Key session = key<Session>("s");
  auto [flags, body] =
      memcache::encode({.state = memcache::State::kCached, .token = 1, .payload = "x"}, session.bytes(), 4096);
  body.back() = static_cast<char>(body.back() + 1);
  ASSERT_EQ(memcached().command(
                cat("set ", memcache::record_name(session.bytes()), ' ', flags, " 0 ", body.size(), "\r\n", body)),
            "STORED\r\n");
  in_new_context(client_, [] { EXPECT_FALSE(Session::get_by_id("s")); });
}

}  // namespace
}  // namespace ndb::testing
