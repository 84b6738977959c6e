#include "local_datastore/composite/index_catalog.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/composite/index_yaml.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

// A concurrent reader of the file sees either the old text or the new one.
absl::Status replace_file(const std::string& name, const std::string& text) {
  const std::string fresh = name + ".new";
  std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) {
    std::filesystem::rename(fresh, name, error);
  } else {
    error.assign(errno, std::generic_category());
  }
  if (error) return absl::UnavailableError(cat("cannot be written: ", error.message()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<IndexCatalog>> IndexCatalog::open(const Options& options) {
  auto catalog = std::make_unique<IndexCatalog>(options);
  if (options.file.empty()) {
    if (!options.required) return catalog;
    return bad_argument("indexes are required but there is no index file: name one, or a folder for the data");
  }
  const MutexLock lock(catalog->mutex_);
  const absl::Status status = catalog->read_again();
  if (status.ok() || (absl::IsNotFound(status) && !options.required)) return catalog;
  return annotate(status, cat("the index file ", options.file));
}

std::optional<IndexCatalog::Stamp> IndexCatalog::stamp_of(const std::string& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return std::nullopt;
  return Stamp{.inode = info.st_ino,
               .size = info.st_size,
               .changed = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

absl::Status IndexCatalog::check(const QueryPlan& plan) {
  const std::vector<IndexNeed> needs = index_needs(plan);
  if (needs.empty()) return absl::OkStatus();
  const MutexLock lock(mutex_);
  if (are_met(needs)) return absl::OkStatus();
  const absl::Status trouble = read_again();
  const std::vector<CompositeIndex> wanted = missing(needs);
  if (wanted.empty()) return absl::OkStatus();
  if (options_.required) {
    std::string message = "no matching index found. recommended index is:\n";
    for (const CompositeIndex& index : wanted) message += in_yaml(index);
    if (!trouble.ok()) message += cat(options_.file, ": ", from_absl(trouble.message()), '\n');
    return absl::FailedPreconditionError(message);
  }
  for (const CompositeIndex& index : wanted) suggest(index);
  // The file grows by at least an eighth between two writes, so the total work is linear in its final size.
  constexpr std::size_t kShare = 8;
  if (unwritten_ * kShare >= known_count_) write_suggestions();
  return absl::OkStatus();
}

void IndexCatalog::flush() {
  const MutexLock lock(mutex_);
  write_suggestions();
}

std::vector<CompositeIndex> IndexCatalog::indexes() {
  const MutexLock lock(mutex_);
  read_again().IgnoreError();  // on failure the previous ones stay
  std::set<CompositeIndex> all;
  for (const auto& [kind, indexes] : known_) all.insert(indexes.begin(), indexes.end());
  return {all.begin(), all.end()};
}

bool IndexCatalog::are_met(const std::vector<IndexNeed>& needs) const {
  for (const IndexNeed& need : needs) {
    const auto known = known_.find(need.kind);
    if (known == known_.end() || !need.is_met_by(known->second)) return false;
  }
  return true;
}

std::vector<CompositeIndex> IndexCatalog::missing(const std::vector<IndexNeed>& needs) const {
  std::vector<CompositeIndex> out;
  if (needs.empty()) return out;
  const auto found = known_.find(needs.front().kind);  // all are of the kind of the query
  std::vector<CompositeIndex> known;
  if (found != known_.end()) known = found->second;
  for (const IndexNeed& need : needs) {
    if (need.is_met_by(known)) continue;
    out.push_back(need.recommended());
    known.push_back(out.back());
  }
  return out;
}

void IndexCatalog::suggest(const CompositeIndex& index) {
  const std::size_t bytes = in_yaml(index).size();
  if (known_count_ >= kMaxCompositeIndexes || index.properties.size() > std::size_t{kMaxIndexProperties} ||
      suggested_bytes_ + bytes > kMaxSuggestedBytes) {
    if (!full_) {
      log(Severity::kWarning,
          cat("an index is not suggested: a database may have at most ", kMaxCompositeIndexes, " composite indexes of ",
              kMaxIndexProperties, " properties each, and suggestions at most ", kMaxSuggestedBytes,
              " bytes of index.yaml"));
    }
    full_ = true;
    return;
  }
  suggested_.push_back(index);
  suggested_bytes_ += bytes;
  ++unwritten_;
  known_[index.kind].push_back(index);
  ++known_count_;
}

absl::Status IndexCatalog::read_again() {
  if (options_.file.empty()) return absl::OkStatus();
  const std::optional<Stamp> stamp = stamp_of(options_.file);
  if (stamp.has_value() && stamp == stamp_) return read_;
  stamp_ = stamp;
  const absl::StatusOr<std::string> text = read_file(options_.file);
  read_ = text.status();
  if (!text.ok()) return read_;
  absl::StatusOr<std::vector<CompositeIndex>> indexes = parse_index_yaml(*text);
  read_ = indexes.status();
  if (!indexes.ok()) return read_;
  std::set<CompositeIndex> all(indexes->begin(), indexes->end());
  all.insert(suggested_.begin(), suggested_.end());
  known_.clear();
  known_count_ = all.size();
  for (const CompositeIndex& index : all) known_[index.kind].push_back(index);
  return read_;
}

void IndexCatalog::write_suggestions() {
  if (unwritten_ == 0 || options_.file.empty()) return;
  unwritten_ = 0;
  absl::Status status = read_again();
  if (status.ok() || absl::IsNotFound(status)) status = write();
  if (status.ok()) return;
  log(Severity::kWarning, cat("the index file ", options_.file, " gets no suggestions: ", from_absl(status.message())));
}

absl::Status IndexCatalog::write() {
  const absl::StatusOr<std::string> text = read_file(options_.file);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  NDB_ASSIGN_OR_RETURN(const std::string more, with_suggestions(text.ok() ? *text : "", suggested_));
  NDB_RETURN_IF_ERROR(replace_file(options_.file, more));
  stamp_ = stamp_of(options_.file);
  read_ = absl::OkStatus();
  return absl::OkStatus();
}

}  // namespace ndb::local
