#include "local_datastore/storage/kv_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/storage/log_sequence.h"
#include "local_datastore/storage/storage_key.h"
#include "local_datastore/storage/store_files.h"

namespace ndb::local {
namespace {

constexpr auto kOwner = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;

rocksdb::Slice slice(std::string_view s) { return {s.data(), s.size()}; }
std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

absl::Status to_status(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsCorruption()) {
    return absl::DataLossError(
        cat("cannot ", what, ": ", status.ToString(), "; restore the data directory from a copy"));
  }
  return absl::InternalError(cat("cannot ", what, ": ", status.ToString()));
}

// RocksDB's own log file would be on the disk of the data, and an assertion that is compiled into Debian's library ends
// the process when that disk is full.
class Messages final : public rocksdb::Logger {
 public:
  Messages() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  void Logv(const char*, va_list) override {}  // messages without a level list the settings, at each start
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < GetInfoLogLevel() || level == rocksdb::InfoLogLevel::HEADER_LEVEL) return;
    std::array<char, 500> buffer{};
    (void)std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
    std::string_view text = buffer.data();
    while (text.ends_with('\n')) text.remove_suffix(1);
    log(level == rocksdb::InfoLogLevel::WARN_LEVEL ? Severity::kWarning : Severity::kError,
        cat("the local Datastore's RocksDB: ", text));
  }
};

// RocksDB's memtable begins the search for a key at the last one that was inserted under the same prefix. A commit
// writes under many prefixes in turn, and under each of them close to where the previous commit wrote.
class KeyPrefixes final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "ndb.key_prefix"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return slice(prefix_of(view(key))); }
  bool InDomain(const rocksdb::Slice&) const override { return true; }
};

// Creates files that only their owner may read, whatever the process's umask.
class PrivateFiles final : public rocksdb::FileSystemWrapper {
 public:
  PrivateFiles() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "ndb.private_files"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    return made_private(target()->NewWritableFile(name, options, file, context), name);
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* context) override {
    return made_private(target()->ReopenWritableFile(name, options, file, context), name);
  }
  rocksdb::IOStatus NewRandomRWFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                    rocksdb::IODebugContext* context) override {
    return made_private(target()->NewRandomRWFile(name, options, file, context), name);
  }
  rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions& options, rocksdb::FileLock** lock,
                             rocksdb::IODebugContext* context) override {
    return made_private(target()->LockFile(name, options, lock, context), name);
  }

 private:
  static rocksdb::IOStatus made_private(const rocksdb::IOStatus& status, const std::string& name) {
    std::error_code error;
    if (status.ok()) std::filesystem::permissions(name, kOwner, error);
    return error ? rocksdb::IOStatus::IOError(name, "its permissions cannot be set: " + error.message()) : status;
  }
};

absl::Status unusable(const std::string& directory, std::string_view why) {
  return absl::FailedPreconditionError(
      cat("cannot keep the local Datastore's data in ", ndb::quoted(directory), ": ", why));
}

// Makes the directory and its missing parents, accessible only by their owner. Restricts files that earlier versions
// made.
absl::Status make_directory(const std::string& directory) {
  std::error_code error;
  std::string made;
  for (const std::filesystem::path& part : std::filesystem::path(directory)) {
    made = (std::filesystem::path(made) / part).string();
    if (std::filesystem::exists(made, error)) continue;
    if (mkdir(made.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      return unusable(directory, cat(ndb::quoted(made), " cannot be made: ", std::generic_category().message(errno)));
    }
  }
  if (!std::filesystem::is_directory(directory, error)) return unusable(directory, "it is a file and no directory");
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::filesystem::path& name = entry.path().filename();
    const bool ours =
        name.extension() == ".log" || name.extension() == ".sst" || name.string().starts_with("MANIFEST-");
    if (ours) std::filesystem::permissions(entry.path(), kOwner, error);
  }
  return error ? unusable(directory, error.message()) : absl::OkStatus();
}

absl::Status damaged(const std::string& directory, std::string_view how) {
  return absl::DataLossError(cat(
      "the local Datastore's data in ", ndb::quoted(directory),
      " is damaged, and commits that were acknowledged could be lost: ", how,
      ". Restore the directory from a copy, or import an export into an empty one. Where only a log (*.log) is damaged "
      "or missing, --accept-damaged-log starts with what was committed before the damage"));
}

// Keeps files small, so that the memory of erased data is freed soon.
void keep_in_memory(rocksdb::Options& options) {
  options.write_buffer_size = 8 << 20;
  options.target_file_size_base = 8 << 20;
  options.level0_file_num_compaction_trigger = 2;
}

rocksdb::Options rocksdb_options(bool in_memory) {
  rocksdb::Options options;
  if (in_memory) keep_in_memory(options);
  options.create_if_missing = true;
  options.max_background_jobs = 2;
  options.info_log = std::make_shared<Messages>();
  options.max_manifest_file_size = 16 << 20;
  options.memtable_insert_with_hint_prefix_extractor = std::make_shared<KeyPrefixes>();
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(in_memory ? 16 << 20 : 64 << 20);
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

struct KvStore::Batch::Rep {
  rocksdb::WriteBatch batch;
};

KvStore::Batch::Batch() : rep_(std::make_unique<Rep>()) {}
KvStore::Batch::~Batch() = default;

// Adding to a batch fails only above its maximum size, which is not set.
void KvStore::Batch::put(std::string_view key, std::string_view value) {
  (void)rep_->batch.Put(slice(key), slice(value));
}

void KvStore::Batch::put(std::string_view key, std::string_view head, std::string_view tail) {
  const std::array<rocksdb::Slice, 1> key_parts{slice(key)};
  const std::array<rocksdb::Slice, 2> value_parts{slice(head), slice(tail)};
  (void)rep_->batch.Put(rocksdb::SliceParts(key_parts.data(), 1), rocksdb::SliceParts(value_parts.data(), 2));
}

void KvStore::Batch::erase(std::string_view key) { (void)rep_->batch.Delete(slice(key)); }

void KvStore::Batch::erase_range(std::string_view begin, std::string_view end) {
  (void)rep_->batch.DeleteRange(slice(begin), slice(end));
}

KvStore::Cursor::Cursor(std::unique_ptr<rocksdb::Iterator> iterator) : iterator_(std::move(iterator)) {}
KvStore::Cursor::~Cursor() = default;
KvStore::Cursor::Cursor(Cursor&&) noexcept = default;
void KvStore::Cursor::seek(std::string_view key) { iterator_->Seek(slice(key)); }
void KvStore::Cursor::seek_back(std::string_view key) { iterator_->SeekForPrev(slice(key)); }
void KvStore::Cursor::next() { iterator_->Next(); }
bool KvStore::Cursor::valid() const { return iterator_->Valid(); }
std::string_view KvStore::Cursor::key() const { return view(iterator_->key()); }
std::string_view KvStore::Cursor::value() const { return view(iterator_->value()); }
absl::Status KvStore::Cursor::status() const { return to_status(iterator_->status(), "read the store"); }

absl::StatusOr<std::unique_ptr<KvStore>> KvStore::open(const Options& options) {
  auto store = std::make_unique<KvStore>();
  store->options_ = options;
  const bool in_memory = options.data_dir.empty();
  const std::string path = in_memory ? "/memory" : options.data_dir;
  rocksdb::Options db_options = rocksdb_options(in_memory);
  if (in_memory) {
    store->env_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
    (void)store->env_->CreateDirIfMissing(path);  // RocksDB would do it too, but log that it is missing
  } else {
    store->env_ = rocksdb::NewCompositeEnv(std::make_shared<PrivateFiles>());
    NDB_RETURN_IF_ERROR(make_directory(path));
    if (!options.accept_damaged_log) {
      const absl::Status whole = check_store_files(path);
      if (!whole.ok()) return damaged(path, from_absl(whole.message()));
    }
  }
  db_options.env = store->env_.get();
  db_options.wal_recovery_mode = options.accept_damaged_log ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
                                                            : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  store->log_sequence_ = std::make_unique<LogSequence>(options.accept_damaged_log);
  db_options.wal_filter = store->log_sequence_.get();
  rocksdb::DB* db = nullptr;
  if (const rocksdb::Status status = rocksdb::DB::Open(db_options, path, &db); !status.ok()) {
    if (!status.IsCorruption()) return unusable(path, status.ToString());
    const std::string& gap = store->log_sequence_->gap();
    return damaged(path, gap.empty() ? status.ToString() : gap);
  }
  store->db_.reset(db);
  if (!options.data_dir.empty() && !options.fsync_always) {
    store->syncer_ = std::thread([raw = store.get()] { raw->sync_every_second(); });
  }
  return store;
}

KvStore::KvStore() = default;

KvStore::~KvStore() {
  if (syncer_.joinable()) {
    {
      MutexLock lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    syncer_.join();
  }
  if (db_ != nullptr && !options_.data_dir.empty() && broken().ok()) (void)db_->SyncWAL();
}

absl::StatusOr<std::optional<std::string>> KvStore::get(std::string_view key) const {
  std::string value;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return to_status(status, "read the store");
  return std::optional<std::string>(std::move(value));
}

KvStore::Cursor KvStore::cursor() const {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  return Cursor(std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options)));
}

absl::Status KvStore::broken() const {
  MutexLock lock(mutex_);
  return broken_;
}

// After a failure RocksDB's log may end in the middle of a record, and a failed fsync may have lost what it was to
// write.
absl::Status KvStore::break_after(const absl::Status& failure) {
  MutexLock lock(mutex_);
  if (broken_.ok()) {
    broken_ = absl::InternalError(
        cat(from_absl(failure.message()), "; nothing is written until the local Datastore is started again"));
    log(Severity::kError, from_absl(broken_.message()));
  }
  return broken_;
}

absl::Status KvStore::apply(Batch& batch) {
  NDB_RETURN_IF_ERROR(broken());
  rocksdb::WriteOptions options;
  options.disableWAL = options_.data_dir.empty();
  const absl::Status status = to_status(db_->Write(options, &batch.rep_->batch), "write to the store");
  return status.ok() ? status : break_after(status);
}

absl::Status KvStore::sync() {
  if (options_.data_dir.empty() || !options_.fsync_always) return absl::OkStatus();
  MutexLock lock(mutex_);
  const std::uint64_t mine = ++wanted_;
  while (covered_ < mine && broken_.ok()) {
    if (syncing_) {
      synced_.wait(mutex_);
      continue;
    }
    syncing_ = true;
    const std::uint64_t covers = wanted_;
    mutex_.unlock();
    const absl::Status status = sync_log();
    mutex_.lock();
    syncing_ = false;
    if (status.ok()) covered_ = covers;
    synced_.notify_all();
  }
  return covered_ < mine ? broken_ : absl::OkStatus();
}

absl::Status KvStore::sync_log() {
  NDB_RETURN_IF_ERROR(broken());
  const absl::Status status = to_status(db_->SyncWAL(), "make a commit durable");
  return status.ok() ? status : break_after(status);
}

absl::Status KvStore::compact() {
  return to_status(db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr), "compact the store");
}

absl::Status KvStore::write(Batch& batch) {
  NDB_RETURN_IF_ERROR(apply(batch));
  return sync();
}

void KvStore::sync_every_second() {
  MutexLock lock(mutex_);
  while (!closing_) {
    wake_.wait_for(mutex_, std::chrono::seconds(1));
    mutex_.unlock();
    (void)sync_log();  // it logs its own failure, and the next commit fails
    mutex_.lock();
  }
}

}  // namespace ndb::local
