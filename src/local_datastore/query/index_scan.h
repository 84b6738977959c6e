// Scans of rows that lead to entities, and joins of such scans. Rows are those of a kind, or of the index of a
// property.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "local_datastore/concurrency/read_set.h"
#include "local_datastore/storage/index_value.h"
#include "local_datastore/storage/version_store.h"

namespace ndb::local {

// The cost of a query.
struct ReadStats {
  std::int64_t index_rows = 0;
  std::int64_t entities = 0;
};

// The paths of the rows with the key prefix `prefix`, within a range, forwards or backwards. One thread.
class PathScan {
 public:
  PathScan(const Snapshot& snapshot, std::string prefix, KeyRange range, bool backwards, std::int64_t& rows_read);

  // False at the end.
  absl::StatusOr<bool> next();
  // Moves to the first path at or beyond `path`; does not move if it is already there.
  absl::StatusOr<bool> advance(std::string_view path);

  std::string_view path() const { return row_.key.substr(prefix_.size()); }
  const Row& row() const { return row_; }
  void note(ReadSet& reads) const;  // adds what was scanned

 private:
  absl::StatusOr<bool> take(absl::StatusOr<std::optional<Row>> found);

  SnapshotReader reader_;
  const std::string prefix_;
  const KeyRange range_;
  const bool backwards_;
  std::int64_t& rows_read_;
  Row row_;
  bool started_ = false;
  bool finished_ = false;
};

// A zigzag join: the paths that occur in all scans and are allowed. All scans have the same direction; one that is
// behind seeks to the others. One thread.
class ZigzagJoin {
 public:
  using Allows = std::function<bool(std::string_view path)>;
  ZigzagJoin(std::vector<PathScan> scans, Allows allows) : scans_(std::move(scans)), allows_(std::move(allows)) {}

  absl::StatusOr<bool> next();
  std::string_view path() const { return scans_.front().path(); }
  const Row& row() const { return scans_.front().row(); }
  void note(ReadSet& reads) const;

 private:
  absl::StatusOr<bool> next_common();

  std::vector<PathScan> scans_;
  Allows allows_;
};

// The union of several joins: each path once, in order. One thread.
class PathUnion {
 public:
  PathUnion(std::vector<ZigzagJoin> joins, bool backwards);

  absl::StatusOr<bool> next();
  std::string_view path() const { return first_->path(); }
  const Row& row() const { return first_->row(); }
  void note(ReadSet& reads) const;

 private:
  std::vector<ZigzagJoin> joins_;
  std::vector<ZigzagJoin*> open_;
  const bool backwards_;
  ZigzagJoin* first_ = nullptr;
  bool started_ = false;
};

// A scan of the index of one property, value by value, forwards or backwards; the entities of one value always come in
// the order of their paths. One thread.
class IndexScan {
 public:
  // Where an earlier scan has ended.
  struct Start {
    std::string encoded;
    std::string path;
  };
  IndexScan(const Snapshot& snapshot, std::string index, Intervals intervals, bool backwards,
            std::optional<Start> start, std::int64_t& rows_read);

  absl::StatusOr<bool> next();
  // Continues with the next value.
  void skip_value() { skips_ = true; }
  const IndexRow& row() const { return row_; }  // until the next move
  void note(ReadSet& reads) const;

 private:
  absl::StatusOr<std::optional<Row>> first_of_next_value();
  absl::StatusOr<std::optional<Row>> step();
  absl::Status parse(const Row& row);
  std::string first_key_of(std::string_view encoded) const;

  SnapshotReader reader_;
  const std::string index_;
  std::vector<KeyRange> ranges_;  // in the order of the scan
  const bool backwards_;
  const std::optional<Start> start_;
  std::int64_t& rows_read_;
  std::size_t opened_ = 0;  // how many ranges were begun; the last of them is being scanned
  KeyRange value_;          // the rows of the current value
  IndexRow row_;
  bool in_value_ = false;
  bool skips_ = false;
  bool finished_ = false;
};

}  // namespace ndb::local
