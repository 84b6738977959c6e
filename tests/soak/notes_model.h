// What readers of the notes may get: a model of what the puts wrote. Thread-safe.
//
// The puts of a note are numbered from 1, begin one after the other, and write their number as its text. Reads may be
// made by anybody at any time. A put that fails has an unknown outcome: it may be seen or not, also later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ndb::soak {

class NotesModel {
 public:
  explicit NotesModel(std::size_t notes) : notes_(notes) {}

  // The number that this put must write.
  std::int64_t begin_put(std::size_t note);
  // `writes`: what an acknowledged put gave, if it gave it; the note's count of puts that were applied.
  void acknowledge(std::size_t note, std::int64_t number, std::optional<std::int64_t> writes);

  // What a read that begins now must give at least: P1 and P3 of docs/consistency.md.
  struct Floor {
    std::int64_t number = 0;
    std::int64_t losses = 0;
  };
  Floor begin_read(std::size_t note);
  // `text` is empty if there is no such note.
  void end_read(std::size_t note, Floor floor, const std::string& text, std::optional<std::int64_t> writes);

  // `kill` makes memcacheds lose their locks; no put or read begins or ends meanwhile. Of notes whose last put is not
  // acknowledged at that time stale reads are excused, until a later put is acknowledged: lost locks weaken P3, and
  // together with an unknown outcome the other promises.
  void lose_locks(const std::function<void()>& kill);

  // What was wrong, for people.
  std::vector<std::string> violations() const;
  // Reads that were compared with the last acknowledged put, and those that could not be, because of lost locks.
  std::int64_t compared() const;
  std::int64_t excused() const;

 private:
  struct Note {
    std::int64_t begun = 0, acknowledged = 0, seen = 0;
    std::int64_t losses = 0;         // of locks
    std::int64_t excused_until = 0;  // the first put that ends the excuse when it is acknowledged; 0: there is none
    std::map<std::int64_t, std::int64_t> writes{{0, 0}};  // by number of the put
  };
  void check_writes(std::size_t note, std::int64_t number, std::int64_t writes);
  void violated(std::size_t note, const std::string& what);

  mutable std::mutex mutex_;
  std::vector<Note> notes_;
  std::vector<std::string> violations_;
  std::int64_t compared_ = 0, excused_ = 0;
};

}  // namespace ndb::soak
