// The scripted memcached behaves like the real one, and follows its script.

#include "support/scripted_memcached.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <thread>

#include "base/strings.h"
#include "support/fake_clock.h"
#include "support/memcached_server.h"

namespace ndb::testing {
namespace {

using ::testing::ElementsAre;

class ScriptedMemcachedTest : public ::testing::Test {
 protected:
  std::string ask(const std::string& line) {
    const std::string address = scripted_.address("test");
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    return memcached_command(port, line);
  }
  std::string text(const std::string& key) {
    const auto item = scripted_.item(key);
    return item ? item->value : "absent";
  }

  FakeClock clock_;
  ScriptedMemcached scripted_{clock_};
};

// Uniques are numbered by order, since only equality counts.
class Uniques {
 public:
  std::string hide(const std::string& answer) {
    static const std::regex kItem("(VALUE \\S+ \\d+ \\d+) (\\d+)");
    std::smatch found;
    std::string rest = answer, out;
    while (std::regex_search(rest, found, kItem)) {
      last_ = found[2];
      const auto number = seen_.emplace(last_, seen_.size()).first->second;
      out += cat(found.prefix().str(), found[1].str(), " #", number);
      rest = found.suffix();
    }
    return out + rest;
  }
  const std::string& last() const { return last_; }

 private:
  std::string last_ = "0";
  std::map<std::string, std::size_t> seen_;
};

// memcached pads what decr has shortened with blanks if it can write into the old place, and it can't while somebody
// else holds the item (its maintenance thread, say). So numbers are compared as numbers.
std::string without_padding(const std::string& answer) {
  static const std::regex kNumber("(VALUE \\S+ \\d+) \\d+( #\\d+)?\r\n(\\d+) *\r\n");
  return std::regex_replace(answer, kNumber, "$1$2\r\n$3\r\n");
}

// The same commands to both; LAST stands for the unique that was seen last.
TEST_F(ScriptedMemcachedTest, AnswersAsTheRealOne) {
  MemcachedServer real;
  const std::string big(1 << 20, 'x');
  Uniques uniques, real_uniques;
  const std::vector<std::string> commands = {"get a",
                                             "gets a b",
                                             "set a 7 0 1\r\n1",
                                             "gets a",
                                             "gets a b",
                                             "get a b",
                                             "add a 0 0 1\r\n2",
                                             "add b 3 0 2\r\n22",
                                             "gets b a",
                                             "replace c 0 0 1\r\n3",
                                             "replace a 4 0 1\r\n3",
                                             "gets a",
                                             "cas a 0 0 1 LAST\r\n4",
                                             "gets a",
                                             "cas a 0 0 1 999999\r\n5",
                                             "cas c 0 0 1 LAST\r\n5",
                                             "gets a",
                                             "touch a 100",
                                             "touch c 100",
                                             "gets a",
                                             "incr a 7",
                                             "gets a",
                                             "incr c 1",
                                             "decr a 2",
                                             "gets a",
                                             "decr a 100",
                                             "gets a",
                                             "set t 0 0 1\r\nx",
                                             "incr t 1",
                                             "delete t",
                                             "delete t",
                                             "get t",
                                             "set m 0 0 20\r\n18446744073709551615",
                                             "incr m 2",
                                             "get m",
                                             "set n 0 -1 1\r\nx",
                                             "get n",
                                             "add q 0 0 1 noreply\r\n1\r\ngets q",
                                             "add q 0 0 1 noreply\r\n2\r\ngets q",
                                             "cas q 0 0 1 LAST noreply\r\n3\r\ngets q",
                                             "set q 0 0 1 noreply\r\n4\r\ngets q",
                                             "delete q noreply\r\ngets q",
                                             "incr a 1 noreply\r\nget a",
                                             "touch a 0 noreply\r\nget a",
                                             "set big 0 0 1\r\nx",
                                             cat("add big 0 0 1048576\r\n", big),
                                             "get big",
                                             "gets big",
                                             cat("cas big 0 0 1048576 LAST\r\n", big),
                                             "get big",
                                             cat("cas big 0 0 1048576 1 noreply\r\n", big, "\r\nget big"),
                                             cat("set big 0 0 1048576\r\n", big),
                                             "get big",
                                             "flush_all",
                                             "gets a b q",
                                             "set a 0 0 1\r\n1",
                                             "flush_all noreply\r\nget a"};
  for (const std::string& command : commands) {
    const auto with_last = [&](const Uniques& u) { return std::regex_replace(command, std::regex("LAST"), u.last()); };
    const std::string expected = without_padding(real_uniques.hide(real.command(with_last(real_uniques))));
    EXPECT_EQ(without_padding(uniques.hide(ask(with_last(uniques)))), expected) << command.substr(0, 40);
  }
}

TEST_F(ScriptedMemcachedTest, ItemsExpireByTheClockOfTheTest) {
  ask("set a 0 10 1\r\nx");
  ask("set b 0 2000000000 1\r\nx");
  clock_.advance(std::chrono::seconds(9));
  EXPECT_EQ(text("a"), "x");
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(text("a"), "absent");
  EXPECT_EQ(text("b"), "x");
}

TEST_F(ScriptedMemcachedTest, ARestartLeavesNothing) {
  ask("set a 0 0 1\r\nx");
  scripted_.restart();
  EXPECT_EQ(ask("get a"), "END\r\n");
  ask("set a 0 0 1\r\nx");
  EXPECT_EQ(scripted_.item("a")->unique, 1u);
  scripted_.set_next_unique(50);
  ask("set a 0 0 1\r\nx");
  EXPECT_EQ(scripted_.item("a")->unique, 50u);
}

TEST_F(ScriptedMemcachedTest, FatesOfACommand) {
  scripted_.lose({.verb = Verb::kSet, .nth = 2});
  EXPECT_EQ(ask("set a 0 0 1\r\n1"), "STORED\r\n");
  EXPECT_EQ(ask("set a 0 0 1\r\n2"), "");
  EXPECT_EQ(text("a"), "1");
  EXPECT_EQ(ask("set a 0 0 1\r\n3"), "STORED\r\n");

  scripted_.lose_reply({.key = "a"});
  EXPECT_EQ(ask("set b 0 0 1\r\n1"), "STORED\r\n");
  EXPECT_EQ(ask("set a 0 0 1\r\n4"), "");
  EXPECT_EQ(text("a"), "4");

  scripted_.refuse({.verb = Verb::kSet}, "SERVER_ERROR out of memory storing object\r\n");
  EXPECT_EQ(ask("set a 0 0 1 noreply\r\n5"), "SERVER_ERROR out of memory storing object\r\n");
  EXPECT_EQ(text("a"), "4");

  const auto late = scripted_.delay({.client = "test", .key = "a"});
  EXPECT_EQ(ask("set a 0 0 1\r\n6"), "");
  EXPECT_EQ(ask("set a 0 0 1\r\n7"), "STORED\r\n");
  EXPECT_EQ(text("a"), "7");
  late->release();
  EXPECT_EQ(text("a"), "6");

  scripted_.cut_off("test");
  EXPECT_EQ(ask("get a"), "");
  scripted_.let_in("test");
  EXPECT_EQ(ask("get b"), "VALUE b 0 1\r\n1\r\nEND\r\n");
}

TEST_F(ScriptedMemcachedTest, ParkedCommandsHoldUpNobodyElse) {
  const auto before = scripted_.hold({.verb = Verb::kSet}), after = scripted_.hold_reply({.verb = Verb::kDelete});
  ask("add a 0 0 1\r\n1");
  std::string answer;
  std::thread set([&] { answer = ask("set a 0 0 1\r\n2"); });
  before->wait();
  EXPECT_EQ(ask("get a"), "VALUE a 0 1\r\n1\r\nEND\r\n");
  before->release();
  EXPECT_EQ(text("a"), "2");
  set.join();
  EXPECT_EQ(answer, "STORED\r\n");

  std::thread erase([&] { answer = ask("delete a"); });
  after->wait();
  EXPECT_EQ(text("a"), "absent");
  after->release();
  erase.join();
  EXPECT_EQ(answer, "DELETED\r\n");
}

TEST_F(ScriptedMemcachedTest, TheWireCanBeRead) {
  ask("add a 7 9 2 noreply\r\nxx\r\ngets a b");
  const auto log = scripted_.log();
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log[0].client, "test");
  EXPECT_EQ(log[0].verb, Verb::kAdd);
  EXPECT_TRUE(log[0].noreply);
  EXPECT_EQ(log[0].flags, 7u);
  EXPECT_EQ(log[0].exptime, 9);
  EXPECT_EQ(log[0].value, "xx");
  EXPECT_EQ(log[1].verb, Verb::kGets);
  EXPECT_FALSE(log[1].noreply);
  EXPECT_THAT(log[1].keys, ElementsAre("a", "b"));
  EXPECT_EQ(scripted_.traffic().received, std::string("add a 7 9 2 noreply\r\nxx\r\ngets a b\r\n").size());
  EXPECT_EQ(scripted_.traffic().sent, std::string("VALUE a 7 2 1\r\nxx\r\nEND\r\n").size());
  EXPECT_EQ(scripted_.connections("test"), 1);
  scripted_.clear_log();
  EXPECT_TRUE(scripted_.log().empty());
}

}  // namespace
}  // namespace ndb::testing
