// The model must notice what it is there for, and accept what the promises allow.
#include "soak/notes_model.h"

#include <gmock/gmock.h>

namespace ndb::soak {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(NotesModel, AcceptsWhatWasPut) {
  NotesModel model(1);
  model.end_read(0, model.begin_read(0), "", 0);
  model.acknowledge(0, model.begin_put(0), 1);
  model.end_read(0, model.begin_read(0), "1", 1);
  model.begin_put(0);  // fails: it may be seen or not
  model.end_read(0, model.begin_read(0), "1", 1);
  model.end_read(0, model.begin_read(0), "2", 2);
  model.begin_put(0);  // this one is never applied
  model.acknowledge(0, model.begin_put(0), 3);
  model.end_read(0, model.begin_read(0), "4", std::nullopt);
  EXPECT_THAT(model.violations(), IsEmpty());
  EXPECT_EQ(model.compared(), 5);
}

TEST(NotesModel, AReadMayOverlapAPut) {
  NotesModel model(1);
  const NotesModel::Floor floor = model.begin_read(0);
  model.acknowledge(0, model.begin_put(0), 1);
  model.end_read(0, floor, "", 0);
  EXPECT_THAT(model.violations(), IsEmpty());
}

TEST(NotesModel, FindsStaleReads) {
  NotesModel model(2);
  model.acknowledge(0, model.begin_put(0), 1);
  model.end_read(0, model.begin_read(0), "", 0);  // the acknowledged write is lost
  model.begin_put(1);
  model.end_read(1, model.begin_read(1), "1", 1);
  model.end_read(1, model.begin_read(1), "", 0);  // older than what was read
  EXPECT_THAT(model.violations(), ElementsAre(HasSubstr("note 0: a read gave put 0 after put 1"),
                                              HasSubstr("note 1: a read gave put 0 after put 1")));
}

TEST(NotesModel, FindsWhatNobodyPut) {
  NotesModel model(1);
  model.begin_put(0);
  for (const char* text : {"2", "-1", "0", "1x", "x"}) model.end_read(0, {}, text, std::nullopt);
  EXPECT_EQ(model.violations().size(), 5);
}

TEST(NotesModel, FindsLostAndRepeatedWrites) {
  NotesModel model(4);
  for (const std::size_t note : {0U, 1U, 2U, 3U}) model.acknowledge(note, model.begin_put(note), 1);
  model.acknowledge(0, model.begin_put(0), 1);     // it did not see the first
  model.acknowledge(1, model.begin_put(1), 3);     // one of the two was applied twice
  model.end_read(2, model.begin_read(2), "1", 2);  // the put said 1
  model.begin_put(3);
  model.acknowledge(3, model.begin_put(3), 2);
  model.end_read(3, {2, 0}, "2", 2);  // as many writes as the third, and before it
  EXPECT_EQ(model.violations().size(), 4);
}

TEST(NotesModel, LostLocksExcuseStaleReadsUntilTheNextPut) {
  NotesModel model(2);
  for (const std::size_t note : {0U, 1U}) model.acknowledge(note, model.begin_put(note), 1);
  const std::int64_t under_way = model.begin_put(0);
  model.lose_locks([] {});
  model.acknowledge(0, under_way, 2);
  model.end_read(0, model.begin_read(0), "1", 1);
  EXPECT_THAT(model.violations(), IsEmpty());
  EXPECT_EQ(model.excused(), 1);
  model.end_read(1, model.begin_read(1), "", 0);  // nobody wrote it meanwhile
  EXPECT_EQ(model.violations().size(), 1);

  model.acknowledge(0, model.begin_put(0), 3);
  model.end_read(0, model.begin_read(0), "2", 2);
  EXPECT_EQ(model.violations().size(), 2);
}

}  // namespace
}  // namespace ndb::soak
