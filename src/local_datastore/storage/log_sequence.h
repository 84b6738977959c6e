// Whether the logs of a RocksDB that is being opened follow each other.
#pragma once

#include <rocksdb/wal_filter.h>

#include <cstdint>
#include <string>

namespace ndb::local {

// RocksDB numbers all writes, and does not notice at recovery if some of them are missing because a whole log is, or
// the end of one that is not the last. This filter does: it refuses the first record that does not follow the one
// before it. Used by one thread, during one recovery. `stops`: it ends the recovery there instead, so that what was
// written before the gap is kept, and nothing after it.
//
// RocksDB's own option for this, track_and_verify_wals_in_manifest, is not used: in version 7.8 a store that is synced
// while an old log is being deleted may be refused for that log (its pull request 10892).
class LogSequence final : public rocksdb::WalFilter {
 public:
  explicit LogSequence(bool stops) : stops_(stops) {}

  const char* Name() const override { return "ndb.log_sequence"; }
  WalProcessingOption LogRecordFound(unsigned long long log_number, const std::string& log_name,
                                     const rocksdb::WriteBatch& batch, rocksdb::WriteBatch* new_batch,
                                     bool* batch_changed) override;

  // Where writes are missing. Empty: nowhere so far.
  const std::string& gap() const { return gap_; }

 private:
  const bool stops_;
  std::uint64_t next_ = 0;  // the number of the next write; 0: it may have any
  std::string last_log_{};  // that had a write
  std::string gap_{};
};

}  // namespace ndb::local
