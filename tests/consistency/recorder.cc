#include "consistency/recorder.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"

namespace ndb::consistency {
namespace {

enum class Kind : std::uint32_t { kCall, kAcknowledge, kRead, kFact };

}  // namespace

struct Recorder::Head {
  Kind kind;
  std::uint32_t cells = 0;
  WriteId id = 0;
  SessionId session = 0;
  Nanos begin = 0;
  Nanos end = 0;
  Fact fact = Fact::kSent;
  bool remembered = false;
};

Nanos now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Nanos{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Recorder::Recorder(const std::string& path) : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (fd_ >= 0) return;
  std::perror(path.c_str());
  std::abort();
}

Recorder::~Recorder() { close(fd_); }

void Recorder::append(Head head, std::span<const Cell> cells) {
  head.cells = static_cast<std::uint32_t>(cells.size());
  const iovec pieces[] = {{&head, sizeof head}, {const_cast<Cell*>(cells.data()), cells.size_bytes()}};
  const auto size = static_cast<ssize_t>(sizeof head + cells.size_bytes());
  if (writev(fd_, pieces, 2) == size) return;
  std::perror("the history can't be written");
  std::abort();
}

void Recorder::call(WriteId id, SessionId session, std::span<const Cell> cells) {
  append({.kind = Kind::kCall, .id = id, .session = session, .begin = now()}, cells);
}

void Recorder::acknowledge(WriteId id) { append({.kind = Kind::kAcknowledge, .id = id, .end = now()}, {}); }

void Recorder::read(Nanos begin, SessionId session, bool remembered, std::span<const Cell> cells) {
  append({.kind = Kind::kRead, .session = session, .begin = begin, .end = now(), .remembered = remembered}, cells);
}

void Recorder::fact(Fact fact, std::span<const Cell> cells) { append({.kind = Kind::kFact, .fact = fact}, cells); }

// Records are stored as they are in memory, because the same program on the same machine writes and reads them.
class Loader {
 public:
  explicit Loader(History& history) : history_(&history) {}

  void take(std::string_view file) {
    Recorder::Head head{};
    while (file.size() >= sizeof head) {
      std::memcpy(&head, file.data(), sizeof head);
      const std::size_t size = sizeof head + head.cells * sizeof(Cell);
      if (file.size() < size) return;  // its writer was killed before anybody saw the result
      cells_.resize(head.cells);
      std::memcpy(cells_.data(), file.data() + sizeof head, size - sizeof head);
      take(head);
      file.remove_prefix(size);
    }
  }

  // Facts may be loaded before the calls that they belong to.
  void finish() {
    for (Write& write : history_->writes) {
      if (const auto end = acknowledged_.find(write.id); end != acknowledged_.end()) write.acknowledged = end->second;
      const auto facts = facts_.find(std::pair(write.id, write.key));
      if (facts == facts_.end()) continue;
      write.sent = facts->second.sent;
      write.refused = facts->second.refused;
      write.applied = facts->second.applied;
      write.version = facts->second.version;
    }
  }

 private:
  struct Facts {
    bool sent = false;
    bool refused = false;
    bool applied = false;
    Version version = 0;
  };

  void take(const Recorder::Head& head) {
    switch (head.kind) {
      case Kind::kCall:
        for (const Cell& cell : cells_) {
          history_->writes.push_back(
              {.id = head.id, .key = cell.key, .session = head.session, .erases = cell.erases, .invoked = head.begin});
        }
        return;
      case Kind::kAcknowledge:
        acknowledged_[head.id] = head.end;
        return;
      case Kind::kRead:
        ++history_->batches;
        for (const Cell& cell : cells_) {
          history_->reads.push_back({.key = cell.key,
                                     .tier = cell.tier,
                                     .remembered = head.remembered,
                                     .id = cell.id,
                                     .session = head.session,
                                     .begin = head.begin,
                                     .end = head.end});
        }
        return;
      case Kind::kFact:
        for (const Cell& cell : cells_) take_fact(head.fact, cell);
        return;
    }
  }

  void take_fact(Fact fact, const Cell& cell) {
    Facts& facts = facts_[std::pair(cell.id, cell.key)];
    facts.sent |= fact == Fact::kSent;
    facts.refused |= fact == Fact::kRefused;
    facts.applied |= fact == Fact::kApplied;
    if (cell.version == 0) return;
    if (facts.version != 0 && facts.version != cell.version) {
      history_->flaws.push_back(cat("the write ", cell.id, " of key ", cell.key, " has two versions: ", facts.version,
                                    " and ", cell.version));
    }
    facts.version = cell.version;
  }

  History* history_;
  std::vector<Cell> cells_;
  absl::flat_hash_map<WriteId, Nanos> acknowledged_;
  absl::flat_hash_map<std::pair<WriteId, KeyIndex>, Facts> facts_;
};

void load(const std::string& directory, History& history) {
  Loader loader(history);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    loader.take(bytes);
  }
  loader.finish();
}

}  // namespace ndb::consistency
