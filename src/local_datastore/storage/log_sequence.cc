#include "local_datastore/storage/log_sequence.h"

#include <rocksdb/write_batch.h>

#include <filesystem>
#include <string_view>

#include "base/strings.h"

namespace ndb::local {

rocksdb::WalFilter::WalProcessingOption LogSequence::LogRecordFound(unsigned long long, const std::string& log_name,
                                                                    const rocksdb::WriteBatch& batch,
                                                                    rocksdb::WriteBatch*, bool*) {
  // A serialized batch begins with the number of its first write (8 bytes); how many it has may be 0.
  const std::string_view bytes = batch.Data();
  const auto count = static_cast<std::uint64_t>(batch.Count());
  if (count == 0 || bytes.size() < sizeof next_) return WalProcessingOption::kContinueProcessing;
  const auto first = load_le<std::uint64_t>(bytes);
  if (next_ != 0 && first != next_) {
    const auto in = [](const std::string& log) { return ndb::quoted(std::filesystem::path(log).filename().string()); };
    gap_ = cat("write ", next_, " should follow in ", in(last_log_), " or the next log, but ", in(log_name),
               " continues with write ", first);
    return stops_ ? WalProcessingOption::kStopReplay : WalProcessingOption::kCorruptedRecord;
  }
  next_ = first + count;
  if (last_log_ != log_name) last_log_ = log_name;
  return WalProcessingOption::kContinueProcessing;
}

}  // namespace ndb::local
