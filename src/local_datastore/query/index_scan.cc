#include "local_datastore/query/index_scan.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {

PathScan::PathScan(const Snapshot& snapshot, std::string prefix, KeyRange range, bool backwards,
                   std::int64_t& rows_read)
    : reader_(snapshot),
      prefix_(std::move(prefix)),
      range_(std::move(range)),
      backwards_(backwards),
      rows_read_(rows_read) {}

absl::StatusOr<bool> PathScan::take(absl::StatusOr<std::optional<Row>> found) {
  NDB_RETURN_IF_ERROR(found.status());
  started_ = true;
  finished_ = !found->has_value();
  if (finished_) return false;
  row_ = **found;
  ++rows_read_;
  return true;
}

absl::StatusOr<bool> PathScan::next() {
  if (finished_) return false;
  if (backwards_) return take(started_ ? reader_.previous(range_.begin) : reader_.seek_back(range_.end, range_.begin));
  return take(started_ ? reader_.next(range_.end) : reader_.seek(range_.begin, range_.end));
}

absl::StatusOr<bool> PathScan::advance(std::string_view path) {
  if (finished_) return false;
  if (backwards_) {
    if (started_ && this->path() <= path) return true;
    return take(reader_.seek_back(std::min(after_row(cat(prefix_, path)), range_.end), range_.begin));
  }
  if (started_ && this->path() >= path) return true;
  return take(reader_.seek(std::max(cat(prefix_, path), range_.begin), range_.end));
}

void PathScan::note(ReadSet& reads) const {
  if (!started_) return;
  KeyRange range = range_;
  if (!finished_) (backwards_ ? range.begin : range.end) = backwards_ ? std::string(row_.key) : after_row(row_.key);
  reads.ranges.add(std::move(range));
}

absl::StatusOr<bool> ZigzagJoin::next() {
  for (;;) {
    NDB_ASSIGN_OR_RETURN(const bool found, next_common());
    if (!found || allows_(path())) return found;
  }
}

// Each scan seeks to the position of the others, until all agree.
absl::StatusOr<bool> ZigzagJoin::next_common() {
  NDB_ASSIGN_OR_RETURN(const bool found, scans_.front().next());
  if (!found) return false;
  std::string target(scans_.front().path());
  const std::size_t count = scans_.size();
  for (std::size_t agreed = 1, i = 1 % count; agreed < count; i = (i + 1) % count) {
    NDB_ASSIGN_OR_RETURN(const bool more, scans_[i].advance(target));
    if (!more) return false;
    if (scans_[i].path() == target) {
      ++agreed;
    } else {
      target = scans_[i].path();
      agreed = 1;
    }
  }
  return true;
}

void ZigzagJoin::note(ReadSet& reads) const {
  for (const PathScan& scan : scans_) scan.note(reads);
}

PathUnion::PathUnion(std::vector<ZigzagJoin> joins, bool backwards) : joins_(std::move(joins)), backwards_(backwards) {}

absl::StatusOr<bool> PathUnion::next() {
  const std::string last = first_ != nullptr ? std::string(first_->path()) : std::string();
  std::vector<ZigzagJoin*> open;
  if (!started_) {
    for (ZigzagJoin& join : joins_) open_.push_back(&join);
  }
  for (ZigzagJoin* join : open_) {
    bool more = true;
    if (!started_ || join->path() == last) {
      NDB_ASSIGN_OR_RETURN(more, join->next());
    }
    if (more) open.push_back(join);
  }
  started_ = true;
  open_ = std::move(open);
  const auto first = std::min_element(open_.begin(), open_.end(), [this](const ZigzagJoin* a, const ZigzagJoin* b) {
    return backwards_ ? a->path() > b->path() : a->path() < b->path();
  });
  first_ = first == open_.end() ? nullptr : *first;
  return first_ != nullptr;
}

void PathUnion::note(ReadSet& reads) const {
  for (const ZigzagJoin& join : joins_) join.note(reads);
}

IndexScan::IndexScan(const Snapshot& snapshot, std::string index, Intervals intervals, bool backwards,
                     std::optional<Start> start, std::int64_t& rows_read)
    : reader_(snapshot),
      index_(std::move(index)),
      backwards_(backwards),
      start_(std::move(start)),
      rows_read_(rows_read) {
  if (start_.has_value()) {
    const Interval rest = backwards ? below(start_->encoded, true) : above(start_->encoded, true);
    intervals = intersect(intervals, {rest});
  }
  if (backwards) std::reverse(intervals.begin(), intervals.end());
  for (const Interval& interval : intervals) {
    KeyRange range{index_bound(index_, interval.begin), index_bound(index_, interval.end)};
    if (range.begin < range.end) ranges_.push_back(std::move(range));
  }
}

std::string IndexScan::first_key_of(std::string_view encoded) const {
  std::string out = cat(index_, encoded);
  if (start_.has_value() && start_->encoded == encoded) out += start_->path;
  return out;
}

absl::Status IndexScan::parse(const Row& row) {
  if (parse_index_row(row.key.substr(index_.size()), row.value, row_)) return absl::OkStatus();
  return absl::DataLossError("a row of an index is damaged");
}

// For the open range. The entities of one value are always in the order of their paths, so a backward scan seeks the
// last row of the previous value and continues from that value's first row.
absl::StatusOr<std::optional<Row>> IndexScan::first_of_next_value() {
  const KeyRange& range = ranges_[opened_ - 1];
  if (!backwards_) {
    return reader_.seek(in_value_ ? value_.end : std::max(range.begin, start_ ? first_key_of(start_->encoded) : ""),
                        range.end);
  }
  std::string behind = in_value_ ? value_.begin : range.end;
  for (;;) {
    NDB_ASSIGN_OR_RETURN(const std::optional<Row> last, reader_.seek_back(behind, range.begin));
    if (!last.has_value()) return last;
    NDB_RETURN_IF_ERROR(parse(*last));
    value_.begin = cat(index_, row_.encoded);
    value_.end = after_prefix(value_.begin);
    NDB_ASSIGN_OR_RETURN(const std::optional<Row> first, reader_.seek(first_key_of(row_.encoded), value_.end));
    if (first.has_value()) return first;
    behind = value_.begin;  // the previous scan has read all entries of this value
  }
}

absl::StatusOr<std::optional<Row>> IndexScan::step() {
  if (skips_ || !in_value_) return first_of_next_value();
  NDB_ASSIGN_OR_RETURN(std::optional<Row> row, reader_.next(backwards_ ? value_.end : ranges_[opened_ - 1].end));
  if (!row.has_value() && backwards_) return first_of_next_value();
  return row;
}

absl::StatusOr<bool> IndexScan::next() {
  while (!finished_) {
    if (opened_ > 0) {
      NDB_ASSIGN_OR_RETURN(const std::optional<Row> row, step());
      skips_ = false;
      if (row.has_value()) {
        NDB_RETURN_IF_ERROR(parse(*row));
        if (!in_value_ || !value_.contains(row->key)) {
          value_.begin = cat(index_, row_.encoded);
          value_.end = after_prefix(value_.begin);
        }
        in_value_ = true;
        ++rows_read_;
        return true;
      }
    }
    in_value_ = false;
    finished_ = opened_ == ranges_.size();
    if (!finished_) ++opened_;
  }
  return false;
}

void IndexScan::note(ReadSet& reads) const {
  for (std::size_t i = 0; i < opened_; ++i) {
    KeyRange range = ranges_[i];
    if (i + 1 == opened_ && !finished_ && in_value_) {
      (backwards_ ? range.begin : range.end) =
          backwards_ ? value_.begin : after_row(cat(index_, row_.encoded, row_.path));
    }
    reads.ranges.add(std::move(range));
  }
}

}  // namespace ndb::local
