#include "bare_store.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "local_datastore/engine.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::benchmarks {
namespace {

void check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "RocksDB: %s\n", status.ToString().c_str());
  std::exit(1);
}

// The number comes last, so that the entries of one index are adjacent.
std::string key_of(const std::pair<std::string, std::string>& pair, std::int64_t i) {
  std::string key = pair.first;
  local::append_big_endian(key, static_cast<std::uint64_t>(i));
  return key;
}

const std::pair<std::string, std::string>& entity_of(const Pairs& pairs) {
  return *std::max_element(pairs.begin(), pairs.end(),
                           [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
}

const std::pair<std::string, std::string>& index_entry_of(const Pairs& pairs) {
  return *std::find_if(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.first.starts_with('I'); });
}

}  // namespace

google::datastore::v1::Entity sample_entity(std::int64_t i) {
  google::datastore::v1::Entity entity;
  google::datastore::v1::Key::PathElement& element = *entity.mutable_key()->add_path();
  element.set_kind("Account");
  element.set_id(i + 1);
  auto& properties = *entity.mutable_properties();
  properties["name"].set_string_value("Ada Lovelace " + std::to_string(i));
  properties["age"].set_integer_value(i % 100);
  for (const char* tag : {"vip", "mathematics", "poetry"}) {
    properties["tags"].mutable_array_value()->add_values()->set_string_value(tag);
  }
  properties["employer"].set_string_value("Analytical Engines");
  properties["bio"].set_string_value(std::string(200, 'b'));
  properties["bio"].set_exclude_from_indexes(true);
  properties["active"].set_boolean_value(true);
  properties["score"].set_double_value(0.5 + static_cast<double>(i));
  properties["updated"].mutable_timestamp_value()->set_seconds(1'700'000'000 + i);
  properties["email"].set_string_value("ada@example.com");
  properties["number"].set_integer_value(i);
  return entity;
}

Folder::Folder() : path_(std::filesystem::temp_directory_path() / "ndb-benchmark-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) std::abort();
}

Folder::~Folder() { std::filesystem::remove_all(path_); }

Pairs pairs_of_an_entity() {
  const Folder folder;
  {
    auto engine = local::Engine::open({.store = {.data_dir = folder.path()}}, Clock::system());
    google::datastore::v1::CommitRequest request;
    google::datastore::v1::CommitResponse response;
    request.set_project_id("bench");
    request.set_mode(google::datastore::v1::CommitRequest::NON_TRANSACTIONAL);
    *request.add_mutations()->mutable_upsert() = sample_entity(0);
    if (!engine.ok() || !(*engine)->commit(local::CallContext(), request, response).ok()) std::abort();
  }
  const auto store = local::KvStore::open({.data_dir = folder.path()});
  if (!store.ok()) std::abort();
  Pairs pairs;
  auto cursor = (*store)->cursor();
  for (cursor.seek(""); cursor.valid(); cursor.next()) pairs.emplace_back(cursor.key(), cursor.value());
  return pairs;
}

BareStore::BareStore(const std::string& folder, bool sync) {
  const bool in_memory = folder.empty();
  write_options_.disableWAL = in_memory;
  write_options_.sync = sync;
  rocksdb::Options options;
  options.create_if_missing = true;
  if (in_memory) {
    env_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
    options.env = env_.get();
  }
  rocksdb::DB* db = nullptr;
  check(rocksdb::DB::Open(options, in_memory ? "/bare" : folder, &db));
  db_.reset(db);
}

void BareStore::write(const Pairs& pairs, std::int64_t first, std::int64_t count) {
  rocksdb::WriteBatch batch;
  for (std::int64_t i = first; i < first + count; ++i) {
    for (const auto& pair : pairs) check(batch.Put(key_of(pair, i), pair.second));
  }
  check(db_->Write(write_options_, &batch));
}

void BareStore::read(const Pairs& pairs, std::int64_t i) {
  std::string value;
  check(db_->Get({}, key_of(entity_of(pairs), i), &value));
}

void BareStore::scan(const Pairs& pairs, std::int64_t count, bool entities) {
  const std::unique_ptr<rocksdb::Iterator> entries(db_->NewIterator({}));
  entries->Seek(key_of(index_entry_of(pairs), 0));
  for (std::int64_t i = 0; i < count; ++i, entries->Next()) {
    if (!entries->Valid()) std::abort();
    if (entities) read(pairs, i);
  }
  check(entries->status());
}

}  // namespace ndb::benchmarks
