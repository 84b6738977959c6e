#include "tools/import.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <future>
#include <iostream>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/client_core.h"
#include "model/limits.h"
#include "tools/calls.h"
#include "tools/entity_json.h"
#include "tools/progress.h"

namespace ndb::tools {
namespace {

constexpr std::size_t kMaxBytes = 9 << 20;       // of 10 MiB; the rest is for the fields around the entities
constexpr std::size_t kMaxLineBytes = 32 << 20;  // longer than any entity: 1 MiB is at most 8 MiB of JSON
constexpr int kRetries = 5;                      // repeating a put does no harm

// Lines with their numbers. Holds at most one line at a time.
class Lines {
 public:
  explicit Lines(std::istream& in) : in_(in) {}

  // False at the end, and after a read error: see status().
  bool next() {
    line_.clear();
    if (in_.peek() == std::istream::traits_type::eof()) return false;
    ++number_;
    for (int c; (c = in_.get()) != std::istream::traits_type::eof() && c != '\n';) {
      line_.push_back(static_cast<char>(c));
      if (line_.size() > kMaxLineBytes) return false;
    }
    return true;
  }

  absl::Status status() const {
    if (line_.size() > kMaxLineBytes) return absl::InvalidArgumentError("is longer than any entity can be");
    if (in_.bad()) return absl::UnavailableError(cat("cannot be read: ", std::strerror(errno)));
    return absl::OkStatus();
  }

  const std::string& line() const { return line_; }
  std::size_t number() const { return number_; }
  bool is_blank() const { return line_.find_first_not_of(" \t\r") == std::string::npos; }

 private:
  std::istream& in_;
  std::string line_;
  std::size_t number_ = 0;
};

// The entities of one Commit, each with the number of its line.
class Batch {
 public:
  // False: the batch is full, or has the key already, which a Commit may contain only once.
  bool takes(const v1::Entity& entity) const {
    return entities_.empty() ||
           (entities_.size() < kMaxCommitMutations && bytes_ + entity.ByteSizeLong() <= kMaxBytes &&
            !keys_.contains(entity.key().SerializeAsString()));
  }

  void add(const v1::Entity& entity, std::size_t line) {
    keys_.insert(entity.key().SerializeAsString());
    add_ids(entity.key());
    entities_.push_back(entity.SerializeAsString());
    bytes_ += entities_.back().size();
    lines_.push_back(line);
  }

  bool empty() const { return entities_.empty(); }
  std::size_t size() const { return entities_.size(); }
  const std::vector<std::string>& entities() const { return entities_; }
  const std::vector<std::size_t>& lines() const { return lines_; }
  const std::set<std::string>& ids() const { return ids_; }  // their keys

 private:
  // Includes the ids of ancestors: a new entity that was given one of them would become the parent of existing
  // entities.
  void add_ids(v1::Key key) {
    for (; key.path_size() > 0; key.mutable_path()->RemoveLast()) {
      if (key.path(key.path_size() - 1).has_id()) ids_.insert(key.SerializeAsString());
    }
  }

  std::vector<std::string> entities_;
  std::vector<std::size_t> lines_;
  std::set<std::string> keys_, ids_;
  std::size_t bytes_ = 0;
};

class Import {
 public:
  Import(const TransferCommand& command, const Client::Core& core)
      : command_(command), stub_(*core.stub), database_(*core.partition.database) {}

  // Sends one batch while the next one is read.
  absl::Status run(std::istream& in) {
    Lines lines(in);
    while (lines.next()) {
      if (lines.is_blank()) continue;
      const absl::StatusOr<v1::Entity> entity = from_json(lines.line());
      if (!entity.ok()) return finish(entity.status(), lines.number());
      NDB_RETURN_IF_ERROR(add(*entity, lines.number()));
    }
    return finish(lines.status(), lines.number());
  }

  void end_progress() { progress_.end(); }
  std::uint64_t imported() const { return progress_.entities(); }
  std::size_t left_out() const { return left_out_; }

 private:
  using Commit = std::future<absl::StatusOr<wire::CommitResponse>>;
  using Reservation = std::future<absl::StatusOr<wire::ReserveIdsResponse>>;

  bool is_wanted(const v1::Key& key) const {
    const auto lists = [](const std::vector<std::string>& list, const std::string& item) {
      return std::find(list.begin(), list.end(), item) != list.end();
    };
    return (command_.kinds.empty() || lists(command_.kinds, key.path(key.path_size() - 1).kind())) &&
           (!command_.namespaces || lists(*command_.namespaces, key.partition_id().namespace_id()));
  }

  absl::Status add(const v1::Entity& entity, std::size_t line) {
    if (!is_wanted(entity.key())) {
      ++left_out_;
      return absl::OkStatus();
    }
    if (!batch_.takes(entity)) NDB_RETURN_IF_ERROR(send_batch());
    batch_.add(entity, line);
    return absl::OkStatus();
  }

  // Imports the lines before a bad line first; an error of that import has priority.
  absl::Status finish(const absl::Status& status, std::size_t line) {
    NDB_RETURN_IF_ERROR(send_batch());
    NDB_RETURN_IF_ERROR(wait());
    return status.ok() ? status : annotate(status, cat("line ", line));
  }

  absl::Status send_batch() {
    NDB_RETURN_IF_ERROR(wait());
    sent_ = std::exchange(batch_, {});
    if (sent_.empty()) return absl::OkStatus();
    reserve(sent_.ids());
    commit_ = commit(sent_.entities());
    return absl::OkStatus();
  }

  absl::Status wait() {
    const Batch sent = std::exchange(sent_, {});
    if (sent.empty()) return absl::OkStatus();
    absl::Status status = commit_.get().status();
    for (Reservation& reservation : std::exchange(reservations_, {})) {
      const absl::Status reserved = reservation.get().status();
      if (status.ok()) status = reserved;
    }
    if (!status.ok()) return find_culprit(sent, status);
    progress_.add(sent.size());
    return absl::OkStatus();
  }

  // The Datastore does not say which entity it refuses, so the entities are sent one at a time.
  absl::Status find_culprit(const Batch& sent, const absl::Status& status) {
    const bool refused = status.code() == absl::StatusCode::kInvalidArgument;
    for (std::size_t i = 0; refused && i < sent.size(); ++i) {
      const absl::Status alone = commit({&sent.entities()[i], 1}).get().status();
      if (!alone.ok()) return annotate(alone, cat("line ", sent.lines()[i]));
      progress_.add(1);
    }
    const std::string_view outcome = datastore::outcome_unknown(status) ? ", which may be imported or not" : "";
    return annotate(status, cat("lines ", sent.lines().front(), " to ", sent.lines().back(), outcome));
  }

  Commit commit(std::span<const std::string> entities) {
    wire::CommitRequest request;
    request.set_database_id(database_);
    request.set_mode(wire::CommitRequest::NON_TRANSACTIONAL);
    for (const std::string& entity : entities) request.add_mutations()->set_upsert(entity);
    return send(stub_, &datastore::Stub::commit, std::move(request), {.retries = kRetries});
  }

  void reserve(const std::set<std::string>& ids) {
    wire::ReserveIdsRequest request;
    for (const std::string& key : ids) {
      request.set_database_id(database_);
      request.add_keys(key);
      if (static_cast<std::size_t>(request.keys_size()) == kMaxReserveKeys || &key == &*ids.rbegin()) {
        reservations_.push_back(send(stub_, &datastore::Stub::reserve_ids, std::exchange(request, {})));
      }
    }
  }

  const TransferCommand& command_;
  datastore::Stub& stub_;
  const std::string database_;
  Batch batch_, sent_;  // the one being filled, and the one in flight
  Commit commit_;
  std::vector<Reservation> reservations_;
  Progress progress_{"imported"};
  std::size_t left_out_ = 0;
};

void report(const Import& job, const std::string& file, const absl::Status& status) {
  const std::string where = file == "-" ? "stdin" : file;
  if (!status.ok()) {
    std::cerr << "ndb: the import of " << where << " ended at " << from_absl(status.message()) << '\n'
              << "ndb: imported " << job.imported() << " entities before; doing so again does no harm\n";
    return;
  }
  std::cerr << "ndb: imported " << job.imported() << " entities from " << where;
  if (job.left_out() > 0) std::cerr << " and left out " << job.left_out();
  std::cerr << '\n';
}

}  // namespace

int import_entities(const TransferCommand& command) {
  const Client client = client_of_datastore(command.options);
  std::ifstream file;
  if (command.file != "-") {
    file.open(command.file, std::ios::binary);
    if (!file) throw_error(absl::NotFoundError(cat("cannot read ", command.file, ": ", std::strerror(errno))));
  }
  Import job(command, *core_of(client));
  const absl::Status status = job.run(command.file == "-" ? std::cin : file);
  job.end_progress();
  report(job, command.file, status);
  return status.ok() ? 0 : 1;
}

}  // namespace ndb::tools
