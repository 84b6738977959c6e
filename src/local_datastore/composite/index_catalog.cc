#include "local_datastore/composite/index_catalog.h"

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

namespace ndb::local {
namespace {

// Whoever reads the file meanwhile sees the old text or the new one.
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

absl::Status IndexCatalog::check(const QueryPlan& plan) {
  const std::vector<IndexNeed> needs = index_needs(plan);
  if (needs.empty()) return absl::OkStatus();
  const MutexLock lock(mutex_);
  if (missing(needs).empty()) return absl::OkStatus();
  absl::Status trouble = options_.file.empty() ? absl::OkStatus() : read_again();
  const std::vector<CompositeIndex> wanted = missing(needs);
  if (wanted.empty()) return absl::OkStatus();
  if (options_.required) {
    std::string message = "no matching index found. recommended index is:\n";
    for (const CompositeIndex& index : wanted) message += in_yaml(index);
    if (!trouble.ok()) message += cat(options_.file, ": ", from_absl(trouble.message()), '\n');
    return absl::FailedPreconditionError(message);
  }
  suggested_.insert(suggested_.end(), wanted.begin(), wanted.end());
  if (!options_.file.empty() && (trouble.ok() || absl::IsNotFound(trouble))) trouble = write();
  if (!trouble.ok()) {
    log(Severity::kWarning,
        cat("the index file ", options_.file, " gets no suggestions: ", from_absl(trouble.message())));
  }
  return absl::OkStatus();
}

std::vector<CompositeIndex> IndexCatalog::indexes() {
  const MutexLock lock(mutex_);
  if (!options_.file.empty()) read_again().IgnoreError();  // then those known before
  std::set<CompositeIndex> all(indexes_.begin(), indexes_.end());
  all.insert(suggested_.begin(), suggested_.end());
  return {all.begin(), all.end()};
}

std::vector<CompositeIndex> IndexCatalog::missing(const std::vector<IndexNeed>& needs) const {
  std::vector<CompositeIndex> known = indexes_;
  known.insert(known.end(), suggested_.begin(), suggested_.end());
  std::vector<CompositeIndex> out;
  for (const IndexNeed& need : needs) {
    if (need.is_met_by(known)) continue;
    out.push_back(need.recommended());
    known.push_back(out.back());
  }
  return out;
}

absl::Status IndexCatalog::read_again() {
  NDB_ASSIGN_OR_RETURN(const std::string text, read_file(options_.file));
  NDB_ASSIGN_OR_RETURN(indexes_, parse_index_yaml(text));
  return absl::OkStatus();
}

absl::Status IndexCatalog::write() {
  const absl::StatusOr<std::string> text = read_file(options_.file);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  NDB_ASSIGN_OR_RETURN(const std::string more, with_suggestions(text.ok() ? *text : "", suggested_));
  return replace_file(options_.file, more);
}

}  // namespace ndb::local
