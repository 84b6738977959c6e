// Checks the files of a RocksDB before it opens them: whether one that acknowledged commits depend on is missing or
// damaged.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace ndb::local {

// RocksDB treats a record that is longer than the rest of its log as one that a crash has cut off, and drops it with
// everything after it; a flipped bit in a length looks the same. A store without its CURRENT file looks like a new one,
// and a missing log like an empty one. This function distinguishes these cases. OK if there is no store yet, and if a
// log only lacks its end, which was never acknowledged. DATA_LOSS, with the file and the position, if the store is
// damaged.
absl::Status check_store_files(const std::string& directory);

// Checks one file of records, a log or the manifest. `may_be_cut_off`: the last record may lack its end.
absl::Status check_record_file(const std::string& path, bool may_be_cut_off);

}  // namespace ndb::local
