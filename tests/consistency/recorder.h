// Records a worker's part of a history in files, so that kill -9 loses nothing that was acknowledged: one file per
// thread, with its calls and their answers, and one for the stub, with the Datastore's answers. Each record is one
// write(2). load() reads the files of a phase when all its workers have ended.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "consistency/history.h"

namespace ndb::consistency {

Nanos now();

// A key and what happened to it: for a read, the value and its tier; for a write, its id; for a fact, also the version.
struct Cell {
  WriteId id = 0;
  Version version = 0;
  KeyIndex key = 0;
  bool erases = false;
  Tier tier = Tier::kDatastore;
};

enum class Fact : std::uint8_t {
  kSent,     // a Commit with these writes is about to be handed on
  kRefused,  // its answer: it did nothing
  kApplied,  // its answer: these versions
  kFound,    // the answer to a Lookup
};

// One file, opened for appending. Thread-safe: records of different threads do not mix.
class Recorder {
 public:
  explicit Recorder(const std::string& path);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // A write is recorded when it is called, and again when it is acknowledged; the writes of one call share an id.
  void call(WriteId id, SessionId session, std::span<const Cell> cells);
  void acknowledge(WriteId id);
  // A read that has ended. A read that never ends is not recorded, because it returned nothing.
  void read(Nanos begin, SessionId session, bool remembered, std::span<const Cell> cells);
  void fact(Fact fact, std::span<const Cell> cells);

  struct Head;  // of a record

 private:
  void append(Head head, std::span<const Cell> cells);
  int fd_;
};

// Adds the contents of the files in `directory` to `history`.
void load(const std::string& directory, History& history);

}  // namespace ndb::consistency
