// The composite indexes that a server says it has, and what it does about queries that need others.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "local_datastore/composite/composite_index.h"

namespace ndb::local {

// Thread-safe. The indexes exist in a file only, index.yaml, which people may edit at any time: it is read again before
// a query is refused and before it is written.
class IndexCatalog {
 public:
  struct Options {
    std::string file{};     // empty: none
    bool required = false;  // queries that need an index which is not in the file are refused
  };
  // INVALID_ARGUMENT names the file, and the line and field in it that is wrong; NOT_FOUND if the file is required and
  // missing.
  static absl::StatusOr<std::unique_ptr<IndexCatalog>> open(const Options& options);
  explicit IndexCatalog(Options options) : options_(std::move(options)) {}  // use open()

  // Whether the query may run: FAILED_PRECONDITION has the indexes that it needs, as index.yaml has them. If indexes
  // are not required every query may, and these are written to the file.
  absl::Status check(const QueryPlan& plan);

  std::vector<CompositeIndex> indexes();  // in order, those that were suggested too

 private:
  std::vector<CompositeIndex> missing(const std::vector<IndexNeed>& needs) const NDB_REQUIRES(mutex_);
  absl::Status read_again() NDB_REQUIRES(mutex_);
  absl::Status write() NDB_REQUIRES(mutex_);

  const Options options_;
  Mutex mutex_;
  std::vector<CompositeIndex> indexes_ NDB_GUARDED_BY(mutex_);
  std::vector<CompositeIndex> suggested_ NDB_GUARDED_BY(mutex_);  // since the start
};

}  // namespace ndb::local
