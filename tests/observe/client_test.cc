// What an observer sees of a client on real tiers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "observe/recorder.h"
#include "support/tiers.h"

namespace ndb::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class Book : public ndb::Model<Book> {
 public:
  struct Properties {
    std::string title{};
  };
  NDB_MODEL(title)
};

class ObserverTest : public Tiers {
 protected:
  ndb::Client observed(std::shared_ptr<ndb::Observer> observer, std::vector<std::string> memcached = {}) const {
    ndb::ClientOptions with = options();
    with.observer = std::move(observer);
    if (!memcached.empty()) with.memcached_hosts = std::move(memcached);
    return ndb::Client(with);
  }
  static std::vector<ndb::Key> books(int n) {
    std::vector<ndb::Key> keys;
    for (int i = 0; i < n; ++i) keys.push_back(ndb::key<Book>("b" + std::to_string(i)));
    return keys;
  }
  static void store(const ndb::Client& client, int n) {
    in_new_context(client, [&] {
      std::vector<Book> all;
      for (const ndb::Key& key : books(n)) all.push_back(Book::make(key, {.title = "title"}));
      ndb::put_multi(all);
    });
  }
  const std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

// What a page that reads in a loop costs, beside the same page with one call.
TEST_F(ObserverTest, ALoopAndOneCallForManyKeys) {
  const ndb::Client client = observed(recorder_);
  store(client, 3);
  recorder_->take();
  in_new_context(client, [&] {
    for (const ndb::Key& key : books(2)) EXPECT_TRUE(key.get<Book>());
  });
  const std::vector<std::string> one_get = {
      "begin memcache batch read keys=1",
      "end memcache batch read found=1 OK",  // EMPTY, which the put left
      "begin rpc Lookup keys=1",
      "begin rpc attempt Lookup keys=1 attempt=1 in rpc Lookup",
      "end rpc attempt Lookup found=1 OK",
      "end rpc Lookup found=1 OK",
      "begin memcache batch store keys=1",
      "end memcache batch store found=0 OK",
  };
  std::vector<std::string> loop = one_get;
  loop.insert(loop.end(), one_get.begin(), one_get.end());
  EXPECT_EQ(recorder_->take(), loop);

  in_new_context(client, [&] { ndb::get_multi<Book>(books(3)); });
  EXPECT_THAT(recorder_->take(),
              ElementsAre("begin memcache batch read keys=3", "end memcache batch read found=3 OK",
                          "begin rpc Lookup keys=1", "begin rpc attempt Lookup keys=1 attempt=1 in rpc Lookup",
                          "end rpc attempt Lookup found=1 OK", "end rpc Lookup found=1 OK",
                          "begin memcache batch store keys=1", "end memcache batch store found=0 OK"));
  recorder_->take_bytes();
  in_new_context(client, [&] {
    ndb::get_multi<Book>(books(3));
    ndb::get_multi<Book>(books(3));  // context hits: nobody is asked
  });
  EXPECT_THAT(recorder_->take(), ElementsAre("begin memcache batch read keys=3", "end memcache batch read found=3 OK"));
  const auto [sent, received] = recorder_->take_bytes();
  EXPECT_EQ(sent, 0);
  EXPECT_GT(received, 3 * std::string("title").size());
  EXPECT_TRUE(recorder_->all_ended());
}

TEST_F(ObserverTest, APutLocksCommitsAndUnlocks) {
  const ndb::Client client = observed(recorder_);
  store(client, 2);
  EXPECT_THAT(recorder_->take_servers(), Contains(memcached().address()));
  const std::vector<std::string> seen = recorder_->take();
  EXPECT_THAT(seen, Contains("begin rpc Commit keys=2"));
  EXPECT_THAT(seen.front(), StartsWith("begin memcache batch read keys=2"));
  EXPECT_THAT(seen.back(), StartsWith("end memcache batch read"));
  EXPECT_TRUE(recorder_->all_ended());
}

TEST_F(ObserverTest, RawItems) {
  const ndb::Client client = observed(recorder_);
  in_new_context(client, [] { ndb::get_context().memcache_set("raw", "value"); });
  EXPECT_THAT(recorder_->take(),
              ElementsAre("begin memcache batch command keys=1", "end memcache batch command found=0 OK"));
}

TEST_F(ObserverTest, AServerThatIsGoneEndsABatchWithAnError) {
  MemcachedServer gone;
  const ndb::Client client = observed(recorder_, {gone.address()});
  store(client, 1);
  recorder_->take();
  recorder_->take_servers();
  gone.kill();
  in_new_context(client, [] { EXPECT_TRUE(ndb::key<Book>("b0").get<Book>()); });
  EXPECT_THAT(recorder_->take(), Contains("end memcache batch read found=0 UNAVAILABLE"));
  EXPECT_THAT(recorder_->take_servers(), Contains(gone.address()));
  EXPECT_TRUE(recorder_->all_ended());
}

class Throws final : public ndb::Observer {
 public:
  void begin(const ndb::SpanBegin&) override { throw std::runtime_error("begin fails"); }
  void end(const ndb::SpanEnd&) override { throw 7; }
  ndb::RpcHeaders headers(const ndb::SpanBegin&) override { throw std::runtime_error("headers fail"); }
};

TEST_F(ObserverTest, WhatAnObserverThrowsGoesNoFurther) {
  static std::vector<std::string>* logged = nullptr;  // the sink is called one call at a time
  std::vector<std::string> lines;
  logged = &lines;
  ndb::set_log_sink([](ndb::Severity, std::string_view line) { logged->push_back(std::string(line)); });
  {
    const ndb::Client client = observed(std::make_shared<Throws>());
    store(client, 3);
    in_new_context(client, [] {
      for (const auto& book : ndb::get_multi<Book>(books(3))) EXPECT_TRUE(book);
      ndb::transaction([] { Book::make({.title = "new"}, ndb::id("b9")).put(); });
    });
  }
  ndb::set_log_sink(nullptr);
  std::erase_if(lines, [](const std::string& line) { return line.find("Observer::") == std::string::npos; });
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines.front(), HasSubstr("Observer::begin() threw: begin fails"));
  EXPECT_LT(lines.size(), 20);  // dozens were thrown
}

TEST_F(ObserverTest, NoObserverSeesNothing) {
  store(observed(nullptr), 1);
  EXPECT_THAT(recorder_->take(), IsEmpty());
}

}  // namespace
}  // namespace ndb::testing
