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

// What a query has cost.
struct ReadStats {
  std::int64_t index_rows = 0;
  std::int64_t entities = 0;
};

// The paths of the rows whose keys begin with `prefix`, within a range, in their order or backwards. One thread.
class PathScan {
 public:
  PathScan(const Snapshot& snapshot, std::string prefix, KeyRange range, bool backwards, std::int64_t& rows_read);

  // False behind the last one.
  absl::StatusOr<bool> next();
  // To the first one at `path` or beyond; stays where it is if it is there already.
  absl::StatusOr<bool> advance(std::string_view path);

  std::string_view path() const { return row_.key.substr(prefix_.size()); }
  const Row& row() const { return row_; }
  void note(ReadSet& reads) const;  // what has been looked at

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

// A zigzag join: the paths that all of several scans in one direction have, and that are allowed. A scan that is behind
// seeks to where the others are. One thread.
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

// The paths that any of several joins has, each once, in their order. One thread.
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

// A scan of the index of one property, value after value in their order or backwards; the entities of one value always
// come in the order of their paths. One thread.
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
  // The next row will have another value than this one.
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
  std::size_t opened_ = 0;  // ranges, of which the last is being scanned
  KeyRange value_;          // where the rows of this value are
  IndexRow row_;
  bool in_value_ = false;
  bool skips_ = false;
  bool finished_ = false;
};

}  // namespace ndb::local
