// The files of a RocksDB, looked at before it opens them: whether one is missing or damaged that acknowledged commits
// depend on.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace ndb::local {

// RocksDB takes a record that is longer than the rest of its log for one that a crash has cut off, and drops it with
// all behind it; a length with a flipped bit looks the same. A store without its pointer to the manifest it takes for a
// new one, and a log that is not there for one without records. This function tells these apart. OK where there is no
// store yet, and where a log only lacks its end, which nobody was told of. DATA_LOSS, with the file and the place, if
// the store is damaged.
absl::Status check_store_files(const std::string& directory);

// One file that RocksDB writes record by record: a log, or the manifest. `may_be_cut_off`: the last record may lack its
// end.
absl::Status check_record_file(const std::string& path, bool may_be_cut_off);

}  // namespace ndb::local
