// What both example services do, written as if each request had a thread: a call returns when it has its answer.
#pragma once

#include <ndb/ndb.h>

#include <cstdint>
#include <string>

namespace notes {

class Note : public ndb::Model<Note> {
 public:
  struct Properties {
    std::string text{};
    std::int64_t writes = 0;
  };
  NDB_MODEL(text, writes)
};

// NOT_FOUND if there is none of this name.
inline Note get(const std::string& name) {
  Note note = Note::get_by_id(name);
  if (!note) throw ndb::Error(absl::NotFoundError("no note has this name"));
  return note;
}

// Gives how often it was put.
inline std::int64_t put(const std::string& name, const std::string& text) {
  return ndb::transaction([&] {
    Note note = Note::get_by_id(name);
    const std::int64_t writes = note ? note->writes + 1 : 1;
    Note::make({.text = text, .writes = writes}, ndb::id(name)).put();
    return writes;
  });
}

}  // namespace notes
