// The composite indexes of a server. A query that needs another one is refused, or the index is suggested.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "local_datastore/composite/composite_index.h"

namespace ndb::local {

// Thread-safe. The indexes exist only in the file index.yaml, which people may edit at any time: if it has changed, it
// is read again before a query is refused and before it is written.
class IndexCatalog {
 public:
  struct Options {
    std::string file{};     // empty: none
    bool required = false;  // refuse queries that need an index which is not in the file
  };
  // INVALID_ARGUMENT names the file and the line and field that are wrong; NOT_FOUND if the file is required and
  // missing.
  static absl::StatusOr<std::unique_ptr<IndexCatalog>> open(const Options& options);
  explicit IndexCatalog(Options options) : options_(std::move(options)) {}  // use open()
  ~IndexCatalog() { flush(); }
  IndexCatalog(const IndexCatalog&) = delete;
  IndexCatalog& operator=(const IndexCatalog&) = delete;

  // Whether the query may run. If indexes are required, FAILED_PRECONDITION with the missing ones in the form of
  // index.yaml. Otherwise OK, and the missing ones become suggestions for the file. They are written at once if they
  // are many compared with the file, else by the next flush(), so that thousands of suggestions do not cause thousands
  // of writes. The catalog holds at most as many indexes as the cloud allows a database.
  absl::Status check(const QueryPlan& plan);

  // Writes the suggestions that are not in the file yet. A failure is logged; the next suggestion tries again.
  void flush();

  std::vector<CompositeIndex> indexes();  // sorted, with the suggestions

 private:
  // Identifies a state of the file, to detect changes.
  struct Stamp {
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t changed = 0;  // nanoseconds
    bool operator==(const Stamp&) const = default;
  };

  static std::optional<Stamp> stamp_of(const std::string& file);
  bool are_met(const std::vector<IndexNeed>& needs) const NDB_REQUIRES(mutex_);
  std::vector<CompositeIndex> missing(const std::vector<IndexNeed>& needs) const NDB_REQUIRES(mutex_);
  void suggest(const CompositeIndex& index) NDB_REQUIRES(mutex_);
  absl::Status read_again() NDB_REQUIRES(mutex_);
  void write_suggestions() NDB_REQUIRES(mutex_);
  absl::Status write() NDB_REQUIRES(mutex_);

  const Options options_;
  Mutex mutex_;
  std::optional<Stamp> stamp_ NDB_GUARDED_BY(mutex_);             // of the file when it was read or written
  absl::Status read_ NDB_GUARDED_BY(mutex_);                      // the result of that read
  std::vector<CompositeIndex> suggested_ NDB_GUARDED_BY(mutex_);  // since the start
  std::size_t suggested_bytes_ NDB_GUARDED_BY(mutex_) = 0;        // in the file
  std::size_t unwritten_ NDB_GUARDED_BY(mutex_) = 0;              // suggestions
  bool full_ NDB_GUARDED_BY(mutex_) = false;                      // a suggestion was left out
  // The indexes of the file and the suggestions, by kind.
  std::map<std::string, std::vector<CompositeIndex>> known_ NDB_GUARDED_BY(mutex_);
  std::size_t known_count_ NDB_GUARDED_BY(mutex_) = 0;
};

}  // namespace ndb::local
