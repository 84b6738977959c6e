// The counterpart of the local Datastore: RocksDB, in which it stores its data, without anything else.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "google/datastore/v1/entity.pb.h"

namespace ndb::benchmarks {

// The i-th of the entities that all rows read and write: ten properties, about 450 bytes.
google::datastore::v1::Entity sample_entity(std::int64_t i);

// The pairs that the local Datastore stores for one entity. The longest value is the entity.
using Pairs = std::vector<std::pair<std::string, std::string>>;
Pairs pairs_of_an_entity();

// A new folder, which is removed with the object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A RocksDB in a folder, or in memory if `folder` is empty. Not thread-safe. Ends the program on any failure.
class BareStore {
 public:
  // With `sync` a write is durable when it returns.
  explicit BareStore(const std::string& folder = "", bool sync = false);

  // Writes `count` entities, from `first` on, in one batch: the values of `pairs`, with keys of their own.
  void write(const Pairs& pairs, std::int64_t first, std::int64_t count);
  // Reads one entity.
  void read(const Pairs& pairs, std::int64_t i);
  // Reads `count` entries of the first index, and the entities too if `entities` is set.
  void scan(const Pairs& pairs, std::int64_t count, bool entities);

 private:
  rocksdb::WriteOptions write_options_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace ndb::benchmarks
