#include "soak/notes_model.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/strings.h"

namespace ndb::soak {

std::int64_t NotesModel::begin_put(std::size_t note) {
  const std::lock_guard lock(mutex_);
  return ++notes_[note].begun;
}

void NotesModel::acknowledge(std::size_t note, std::int64_t number, std::optional<std::int64_t> writes) {
  const std::lock_guard lock(mutex_);
  Note& it = notes_[note];
  it.acknowledged = number;
  if (number >= it.excused_until) it.excused_until = 0;
  if (writes) check_writes(note, number, *writes);
}

NotesModel::Floor NotesModel::begin_read(std::size_t note) {
  const std::lock_guard lock(mutex_);
  return {std::max(notes_[note].acknowledged, notes_[note].seen), notes_[note].losses};
}

void NotesModel::end_read(std::size_t note, Floor floor, const std::string& text, std::optional<std::int64_t> writes) {
  const std::lock_guard lock(mutex_);
  Note& it = notes_[note];
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && (error != std::errc() || end != text.data() + text.size() || number < 1 || number > it.begun)) {
    violated(note, cat("a read gave \"", text, "\", which nobody has put: the last put was number ", it.begun));
    return;
  }
  if (writes) check_writes(note, number, *writes);
  if (it.excused_until != 0 || it.losses != floor.losses) {
    ++excused_;
    return;
  }
  ++compared_;
  if (number < floor.number) {
    violated(note, cat("a read gave put ", number, " after put ", floor.number, " was acknowledged or read"));
  }
  it.seen = std::max(it.seen, number);
}

void NotesModel::lose_locks(const std::function<void()>& kill) {
  const std::lock_guard lock(mutex_);
  kill();
  for (Note& note : notes_) {
    if (note.begun == note.acknowledged) continue;
    ++note.losses;
    note.excused_until = note.begun + 1;
  }
}

// A put adds one to the writes of the put that was applied before it: the writes of a number are always the same, grow
// with the numbers, and not faster than these.
void NotesModel::check_writes(std::size_t note, std::int64_t number, std::int64_t writes) {
  std::map<std::int64_t, std::int64_t>& all = notes_[note].writes;
  const auto after = all.lower_bound(number);
  const bool known = after != all.end() && after->first == number;
  bool right = true;
  if (known) {
    right = after->second == writes;
  } else {
    const auto grows = [](std::pair<std::int64_t, std::int64_t> low, std::pair<std::int64_t, std::int64_t> high) {
      return low.second < high.second && high.second - low.second <= high.first - low.first;
    };
    right = grows(*std::prev(after), {number, writes}) && (after == all.end() || grows({number, writes}, *after));
    all.emplace(number, writes);
  }
  if (!right) violated(note, cat("put ", number, " is counted as write ", writes, ": a write was lost, or made twice"));
}

void NotesModel::violated(std::size_t note, const std::string& what) {
  violations_.push_back(cat("note ", note, ": ", what));
}

std::vector<std::string> NotesModel::violations() const {
  const std::lock_guard lock(mutex_);
  return violations_;
}

std::int64_t NotesModel::compared() const {
  const std::lock_guard lock(mutex_);
  return compared_;
}

std::int64_t NotesModel::excused() const {
  const std::lock_guard lock(mutex_);
  return excused_;
}

}  // namespace ndb::soak
