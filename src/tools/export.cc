#include "tools/export.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/client_core.h"
#include "datastore/pace.h"
#include "ndb/value.h"
#include "tools/calls.h"
#include "tools/entity_json.h"
#include "tools/progress.h"

namespace ndb::tools {
namespace {

// The output file of an export. It has a temporary name until it is complete. Pipes, devices and `-` (stdout) are
// written directly.
class Output {
 public:
  explicit Output(const std::string& name) : name_(name) {
    if (name == "-") return;
    const auto there = std::filesystem::status(name);
    partial_ = exists(there) && !is_regular_file(there) ? name : name + ".partial";
    file_.open(partial_, std::ios::binary | std::ios::trunc);
    if (!file_) throw_error(failure());
  }
  ~Output() {
    std::error_code ignored;
    if (partial_ != name_ && !partial_.empty()) std::filesystem::remove(partial_, ignored);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  std::ostream& stream() { return partial_.empty() ? std::cout : file_; }

  absl::Status check() { return stream().good() ? absl::OkStatus() : failure(); }

  absl::Status finish() {
    stream().flush();
    NDB_RETURN_IF_ERROR(check());
    if (partial_.empty()) return absl::OkStatus();
    file_.close();
    NDB_RETURN_IF_ERROR(check());
    if (partial_ == name_) return absl::OkStatus();
    std::error_code error;
    std::filesystem::rename(partial_, name_, error);
    if (error) return absl::UnavailableError(cat("cannot name the file ", name_, ": ", error.message()));
    partial_.clear();
    return absl::OkStatus();
  }

 private:
  absl::Status failure() const {
    return absl::UnavailableError(
        cat("cannot write ", partial_.empty() ? "to stdout" : partial_, ": ", std::strerror(errno)));
  }

  const std::string name_;
  std::string partial_{};  // the name of the temporary file; empty: stdout, or finished
  std::ofstream file_;
};

class Export {
 public:
  Export(const TransferCommand& command, const Client::Core& core, Output& output)
      : command_(command), core_(core), home_{*core.partition.project, *core.partition.database}, output_(output) {}

  absl::Status run() {
    NDB_ASSIGN_OR_RETURN(const std::vector<std::string> namespaces, find_namespaces());
    for (const std::string& name_space : namespaces) {
      if (command_.kinds.empty()) NDB_RETURN_IF_ERROR(export_rows(name_space, ""));
      for (const std::string& kind : command_.kinds) NDB_RETURN_IF_ERROR(export_rows(name_space, kind));
    }
    return output_.finish();
  }

  void end_progress() { progress_.end(); }
  std::uint64_t exported() const { return progress_.entities(); }

  std::string as_of() const {
    if (!read_time_) return "; the Datastore gave no time to read at, so writes meanwhile may be in it in part";
    using std::chrono::microseconds;
    const WallTime time(microseconds(read_time_->seconds() * 1'000'000 + read_time_->nanos() / 1000));
    return cat(" as of ", Value(time).to_string());
  }

 private:
  absl::StatusOr<std::vector<std::string>> find_namespaces() {
    if (command_.namespaces) return *command_.namespaces;
    std::vector<std::string> namespaces;
    NDB_RETURN_IF_ERROR(for_each_row("", "__namespace__", [&namespaces](const v1::Entity& row) {
      namespaces.push_back(row.key().path(0).name());  // the default one has an id
      return absl::OkStatus();
    }));
    return namespaces;
  }

  absl::Status export_rows(const std::string& name_space, const std::string& kind) {
    return for_each_row(name_space, kind, [this](const v1::Entity& entity) -> absl::Status {
      if (is_reserved(entity.key().path(entity.key().path_size() - 1).kind())) return absl::OkStatus();
      const absl::StatusOr<std::string> line = to_json(entity, home_);
      if (!line.ok()) return annotate(line.status(), entity.key().ShortDebugString());
      errno = 0;
      output_.stream() << *line << '\n';
      progress_.add(1);
      return output_.check();
    });
  }

  std::future<absl::StatusOr<wire::RunQueryResponse>> ask(const std::string& name_space, const std::string& kind,
                                                          const std::string& cursor,
                                                          const datastore::CallOptions& options) {
    wire::RunQueryRequest request;
    request.set_database_id(home_.database);
    request.mutable_partition_id()->set_project_id(home_.project);
    request.mutable_partition_id()->set_database_id(home_.database);
    request.mutable_partition_id()->set_namespace_id(name_space);
    if (read_time_) *request.mutable_read_options()->mutable_read_time() = *read_time_;
    if (!kind.empty()) request.mutable_query()->add_kind()->set_name(kind);
    request.mutable_query()->set_start_cursor(cursor);
    return send(*core_.stub, &datastore::Stub::run_query, std::move(request), options);
  }

  // Requests the next batch while one is written. The very first batch determines the time as of which all others are
  // read.
  template <class Take>
  absl::Status for_each_row(const std::string& name_space, const std::string& kind, const Take& take) {
    // Without a deadline: an export takes as long as it takes, but fails if the Datastore makes no progress for long.
    datastore::Pace pace({}, Clock::system().monotonic());
    auto next = ask(name_space, kind, "", {});
    for (std::string cursor;;) {
      NDB_ASSIGN_OR_RETURN(const wire::RunQueryResponse response, next.get());
      const wire::QueryResultBatch& batch = response.batch();
      if (!read_time_ && batch.has_read_time()) read_time_ = batch.read_time();
      const bool more = batch.more_results() == wire::QueryResultBatch::NOT_FINISHED;
      if (more) {
        NDB_ASSIGN_OR_RETURN(const datastore::CallOptions options, wait_before_next(batch, cursor, pace));
        cursor = batch.end_cursor();
        next = ask(name_space, kind, cursor, options);
      }
      for (const wire::EntityResult& result : batch.entity_results()) {
        v1::Entity entity;
        if (!entity.ParseFromString(result.entity()) || entity.key().path().empty()) {
          return absl::DataLossError("the Datastore sent an entity that cannot be read");
        }
        NDB_RETURN_IF_ERROR(take(entity));
      }
      if (!more) return absl::OkStatus();
    }
  }

  // Pauses if `batch`, which began at `cursor`, made no progress. Returns the options of the next RPC.
  static absl::StatusOr<datastore::CallOptions> wait_before_next(const wire::QueryResultBatch& batch,
                                                                 const std::string& cursor, datastore::Pace& pace) {
    if (batch.end_cursor().empty() || batch.end_cursor() == cursor) {
      return absl::InternalError("the Datastore says that there are more results, but sent no cursor");
    }
    if (batch.entity_results().empty()) {
      pace.stalled();
    } else {
      pace.progressed(Clock::system().monotonic());
    }
    NDB_ASSIGN_OR_RETURN(const datastore::Pace::Next next, pace.next(Clock::system().monotonic()));
    std::this_thread::sleep_for(next.pause);
    return next.options;
  }

  const TransferCommand& command_;
  const Client::Core& core_;
  const Home home_;
  Output& output_;
  Progress progress_{"exported"};
  std::optional<wire::Timestamp> read_time_;
};

}  // namespace

int export_entities(const TransferCommand& command) {
  const Client client = client_of_datastore(command.options);
  Output output(command.file);
  Export job(command, *core_of(client), output);
  const absl::Status status = job.run();
  job.end_progress();
  if (!status.ok()) {
    std::cerr << "ndb: the export failed: " << from_absl(status.message()) << '\n';
    return 1;
  }
  std::cerr << "ndb: exported " << job.exported() << " entities" << job.as_of() << '\n';
  return 0;
}

}  // namespace ndb::tools
