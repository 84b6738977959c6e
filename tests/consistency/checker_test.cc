// The checker on histories written by hand: what is legal, and every kind of violation.
#include "consistency/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ndb::consistency {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr KeyIndex kValue = 0, kCounter = 1;
constexpr Nanos kSecond = 1'000'000'000;

// A history of one value and one counter; times are seconds.
class Story {
 public:
  Story() {
    history_.counters = {false, true};
    history_.locks_lost = {false, false};
  }

  Story& put(WriteId id, int from, int to, Version version) { return write(id, false, from, to, version); }
  Story& erase(WriteId id, int from, int to, Version version) { return write(id, true, from, to, version); }
  // Its answer never came; `version` is known where a Lookup found it.
  Story& unknown_put(WriteId id, int from, Version version = 0) { return unanswered(id, false, from, version); }
  Story& unknown_erase(WriteId id, int from) { return unanswered(id, true, from, 0); }
  Story& refused_erase(WriteId id, int from) {
    unanswered(id, true, from, 0);
    history_.writes.back().refused = true;
    return *this;
  }
  Story& in_session(SessionId session) {
    history_.writes.back().session = session;
    return *this;
  }

  Story& read(WriteId id, int from, int to) {
    history_.reads.push_back(
        {.key = kValue, .tier = Tier::kMemcache, .id = id, .begin = from * kSecond, .end = to * kSecond});
    return *this;
  }
  Story& remembered(SessionId session, WriteId id, int from, int to) {
    read(id, from, to);
    history_.reads.back().session = session;
    history_.reads.back().remembered = true;
    return *this;
  }
  Story& cached(SessionId session, WriteId id, int from, int to) {
    remembered(session, id, from, to);
    history_.reads.back().tier = Tier::kContext;
    return *this;
  }
  Story& lock_lost() {
    history_.locks_lost[kValue] = true;
    return *this;
  }
  Story& increment(WriteId id, bool acknowledged) {
    acknowledged ? put(id, 1, 2, id) : unknown_put(id, 1);
    history_.writes.back().key = kCounter;
    return *this;
  }
  Story& last(const Final& last) {
    history_.finals.push_back(last);
    return *this;
  }

  std::vector<Property> violated() const {
    std::vector<Property> properties;
    for (const Violation& violation : check(history_).violations) properties.push_back(violation.property);
    return properties;
  }
  Report report() const { return check(history_); }

 private:
  Story& write(WriteId id, bool erases, int from, int to, Version version) {
    history_.writes.push_back({.id = id,
                               .key = kValue,
                               .erases = erases,
                               .invoked = from * kSecond,
                               .acknowledged = to * kSecond,
                               .sent = true,
                               .applied = true,
                               .version = version});
    return *this;
  }
  Story& unanswered(WriteId id, bool erases, int from, Version version) {
    history_.writes.push_back(
        {.id = id, .key = kValue, .erases = erases, .invoked = from * kSecond, .sent = true, .version = version});
    return *this;
  }

  History history_;
};

TEST(Checker, ReadsOfTheNewestAndOfWhatIsBeingWrittenAreLegal) {
  EXPECT_THAT(Story().put(1, 0, 1, 10).read(1, 2, 3).violated(), IsEmpty());
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 5, 20).read(1, 3, 4).read(2, 3, 4).violated(), IsEmpty());
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 4, 20).read(1, 3, 9).violated(), IsEmpty()) << "begun before the end";
  EXPECT_THAT(Story().put(1, 0, 5, 10).put(2, 1, 4, 9).read(1, 6, 7).violated(), IsEmpty())
      << "versions, not ends, order";
}

TEST(Checker, AnAcknowledgedWriteIsSeenByEveryReadThatBeginsLater) {
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 3, 20).read(1, 4, 5).violated(), ElementsAre(Property::kP1));
  EXPECT_THAT(Story().put(1, 0, 1, 10).erase(2, 2, 3, 20).read(1, 4, 5).violated(), ElementsAre(Property::kP1));
  EXPECT_THAT(Story().put(1, 0, 5, 10).put(2, 1, 4, 9).read(2, 6, 7).violated(), ElementsAre(Property::kP1));
  EXPECT_THAT(Story().lock_lost().put(1, 0, 1, 10).put(2, 2, 3, 20).read(1, 4, 5).violated(),
              ElementsAre(Property::kP1))
      << "whatever was lost";
}

TEST(Checker, AbsenceNeedsADeleteOrTheBeginning) {
  EXPECT_THAT(Story().read(0, 0, 1).violated(), IsEmpty());
  EXPECT_THAT(Story().put(1, 1, 5, 10).read(0, 2, 3).violated(), IsEmpty()) << "the put is not acknowledged yet";
  EXPECT_THAT(Story().put(1, 0, 1, 10).read(0, 2, 3).violated(), ElementsAre(Property::kP1));
  EXPECT_THAT(Story().put(1, 0, 1, 10).erase(2, 2, 3, 20).read(0, 4, 5).violated(), IsEmpty());
  EXPECT_THAT(Story().put(1, 0, 1, 10).erase(2, 2, 9, 20).read(0, 4, 5).violated(), IsEmpty()) << "not acknowledged";
  EXPECT_THAT(Story().put(1, 0, 1, 10).erase(2, 6, 9, 20).read(0, 4, 5).violated(), ElementsAre(Property::kP1))
      << "later";
  EXPECT_THAT(Story().erase(1, 0, 1, 10).put(2, 2, 3, 20).read(0, 4, 5).violated(), ElementsAre(Property::kP1))
      << "older";
}

TEST(Checker, AnUnknownOutcomeMayApplyAtAnyLaterTimeOrNever) {
  EXPECT_THAT(Story().put(1, 0, 1, 10).unknown_erase(2, 2).read(0, 8, 9).read(1, 3, 4).violated(), IsEmpty());
  EXPECT_THAT(Story().unknown_erase(1, 0).put(2, 1, 2, 20).read(0, 3, 4).violated(), IsEmpty()) << "after the put";
  EXPECT_THAT(Story().put(1, 0, 1, 10).unknown_erase(2, 6).read(0, 3, 4).violated(), ElementsAre(Property::kP1))
      << "called later";
  EXPECT_THAT(Story().put(1, 0, 1, 10).refused_erase(2, 2).read(0, 3, 4).violated(), ElementsAre(Property::kP1));
  EXPECT_THAT(Story().put(1, 0, 1, 10).unknown_put(2, 2, 20).read(1, 5, 6).violated(), IsEmpty())
      << "nobody was told of it";
  EXPECT_THAT(Story().put(1, 0, 1, 10).unknown_put(2, 2, 20).read(2, 3, 4).read(1, 5, 6).violated(),
              ElementsAre(Property::kP3));
}

TEST(Checker, ReadsDoNotGoBackUnlessALockWasLost) {
  const auto back = [](Story story) { return story.put(1, 0, 1, 10).put(2, 2, 9, 20).read(2, 3, 4).read(1, 5, 6); };
  EXPECT_THAT(back(Story()).violated(), ElementsAre(Property::kP3));
  EXPECT_THAT(back(Story().lock_lost()).violated(), IsEmpty());
  EXPECT_EQ(back(Story().lock_lost()).report().p3_exempt, 1U);
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 9, 20).read(2, 3, 5).read(1, 4, 6).violated(), IsEmpty()) << "at once";
  EXPECT_THAT(Story().put(1, 0, 9, 10).read(1, 1, 2).read(0, 3, 4).violated(), ElementsAre(Property::kP3));
  EXPECT_THAT(Story().put(1, 0, 1, 10).erase(2, 2, 9, 20).read(0, 3, 4).read(1, 5, 6).violated(),
              ElementsAre(Property::kP3));
}

TEST(Checker, AValueIsTheKeysOwnAndWasWrittenBefore) {
  EXPECT_THAT(Story().read(7, 0, 1).violated(), ElementsAre(Property::kValue));
  EXPECT_THAT(Story().put(1, 5, 6, 10).read(1, 2, 3).violated(), ElementsAre(Property::kValue));
  EXPECT_THAT(Story().unknown_put(1, 0).read(1, 2, 3).violated(), ElementsAre(Property::kValue)) << "no version";
}

TEST(Checker, AContextsCacheIsHeldAgainstTheContextOnly) {
  EXPECT_THAT(Story().put(1, 0, 1, 10).remembered(5, 1, 2, 3).put(2, 4, 5, 20).cached(5, 1, 6, 7).violated(),
              IsEmpty());
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 3, 20).in_session(5).cached(5, 1, 4, 5).violated(),
              ElementsAre(Property::kSession));
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 3, 20).in_session(5).cached(6, 1, 4, 5).violated(), IsEmpty())
      << "another";
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 9, 20).remembered(5, 2, 3, 4).cached(5, 1, 5, 6).violated(),
              ElementsAre(Property::kSession));
  EXPECT_THAT(Story().put(1, 0, 1, 10).put(2, 2, 9, 20).cached(5, 2, 3, 4).read(1, 5, 6).violated(), IsEmpty())
      << "nor others";
}

TEST(Checker, AnOldAbsenceFromTheCacheRaisesNoBound) {
  // The cached absence is as of the beginning, and not of the delete, which came later than the context's own put.
  const Story story = Story()
                          .remembered(5, 0, 0, 1)
                          .put(1, 2, 3, 10)
                          .cached(5, 0, 4, 8)
                          .put(2, 6, 9, 20)
                          .in_session(5)
                          .erase(3, 7, 15, 30)
                          .cached(5, 2, 10, 11);
  EXPECT_THAT(story.violated(), IsEmpty());
}

TEST(Checker, MemcacheServesInTheEndWhatTheDatastoreHasOrNothing) {
  const Final equal{.key = kValue, .served = true, .served_version = 10, .id = 1, .version = 10};
  EXPECT_THAT(Story().last(equal).last({.key = kValue, .id = 1, .version = 10}).violated(), IsEmpty());
  EXPECT_THAT(Story().last({.key = kValue, .served = true, .served_absent = true}).violated(), IsEmpty());
  for (const Final& wrong : {Final{.key = kValue, .served = true, .served_version = 10, .id = 2, .version = 20},
                             Final{.key = kValue, .served = true, .served_version = 10},
                             Final{.key = kValue, .served = true, .served_absent = true, .id = 2, .version = 20}}) {
    EXPECT_THAT(Story().lock_lost().last(wrong).violated(), ElementsAre(Property::kP2));
  }
}

TEST(Checker, CountersHaveEveryAcknowledgedIncrement) {
  const auto counted = [](std::int64_t count) {
    return Story()
        .increment(1, true)
        .increment(2, true)
        .increment(3, false)
        .last({.key = kCounter, .count = count})
        .violated();
  };
  EXPECT_THAT(counted(1), ElementsAre(Property::kCounter));
  EXPECT_THAT(counted(2), IsEmpty());
  EXPECT_THAT(counted(3), IsEmpty());
  EXPECT_THAT(counted(4), ElementsAre(Property::kCounter));
}

TEST(Checker, TheExcerptTellsWhatHappenedToTheKey) {
  const Report report = Story().put(1, 0, 1, 10).put(2, 2, 3, 20).read(1, 4, 5).report();
  ASSERT_EQ(report.violations.size(), 1U);
  EXPECT_EQ(report.violations[0].what, "a read returned version 10, but version 20 was acknowledged before it began");
  for (const char* event : {"0 us  call   put w0.0#1\n", "3000000 us  ack    put w0.0#2 = version 20\n",
                            "=> read   w0.0#1 from memcache, begun 1000000 us before"}) {
    EXPECT_THAT(report.violations[0].excerpt, HasSubstr(event));
  }
}

TEST(Checker, CountsWhatItChecked) {
  const Report report =
      Story().put(1, 0, 1, 10).unknown_put(2, 2).refused_erase(3, 2).read(1, 4, 5).cached(5, 1, 4, 5).report();
  EXPECT_EQ(report.writes, 3U);
  EXPECT_EQ(report.acknowledged, 1U);
  EXPECT_EQ(report.unknown, 1U);
  EXPECT_THAT(report.reads, ElementsAre(1, 1, 0, 0));
}

}  // namespace
}  // namespace ndb::consistency
