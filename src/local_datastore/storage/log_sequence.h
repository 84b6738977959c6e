// Checks that no write is missing in the logs of a RocksDB that is being opened.
#pragma once

#include <rocksdb/wal_filter.h>

#include <cstdint>
#include <string>

namespace ndb::local {

// RocksDB numbers all writes, but recovery does not notice if some of them are missing, because a whole log is, or the
// end of a log that is not the last one. This filter refuses the first record whose number does not follow that of the
// record before it. Used by one thread, during one recovery. `stops`: the filter ends the recovery there instead, so
// that everything before the gap is kept, and nothing after it.
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
  std::uint64_t next_ = 0;  // the number of the next write; 0: any number is accepted
  std::string last_log_{};  // the last log with a write
  std::string gap_{};
};

}  // namespace ndb::local
