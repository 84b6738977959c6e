#include "local_datastore/composite/index_admin.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "local_datastore/composite/index_yaml.h"
#include "local_datastore/limits.h"
#include "local_datastore/rules.h"

namespace ndb::local {
namespace {

std::string id_of(const CompositeIndex& index) { return base64url_encode(sha256(in_yaml(index)).substr(0, 9)); }

auto find_id(const std::vector<CompositeIndex>& indexes, const std::string& id) {
  return std::find_if(indexes.begin(), indexes.end(), [&id](const auto& index) { return id_of(index) == id; });
}

void describe(const CompositeIndex& index, const std::string& project, admin::Index& out) {
  out.set_project_id(project);
  out.set_index_id(id_of(index));
  out.set_kind(index.kind);
  out.set_ancestor(index.ancestor ? admin::Index::ALL_ANCESTORS : admin::Index::NONE);
  for (const IndexedProperty& property : index.properties) {
    admin::Index::IndexedProperty& shown = *out.add_properties();
    shown.set_name(property.name);
    shown.set_direction(property.descending ? admin::Index::DESCENDING : admin::Index::ASCENDING);
  }
  out.set_state(admin::Index::READY);
}

}  // namespace

absl::Status IndexAdmin::list_indexes(const CallContext&, admin::ListIndexesRequest& request,
                                      admin::ListIndexesResponse& response) {
  NDB_RETURN_IF_ERROR(check_scope({.project = request.project_id(), .database = {}}));
  if (!request.filter().empty()) {
    return absl::InvalidArgumentError("The local Datastore lists all indexes; the filter must be empty.");
  }
  if (request.page_size() < 0) return absl::InvalidArgumentError("The page_size must not be negative.");
  const std::vector<CompositeIndex> indexes = catalog_.indexes();
  auto next = indexes.begin();
  if (!request.page_token().empty()) {  // the first index of the page
    next = find_id(indexes, request.page_token());
    if (next == indexes.end()) {
      return absl::InvalidArgumentError(
          "The page_token does not belong to this list, which may have changed; start again without it.");
    }
  }
  const int page = request.page_size() == 0 ? kMaxIndexesPerPage : std::min(request.page_size(), kMaxIndexesPerPage);
  for (; next != indexes.end() && response.indexes_size() < page; ++next) {
    describe(*next, request.project_id(), *response.add_indexes());
  }
  if (next != indexes.end()) response.set_next_page_token(id_of(*next));
  return absl::OkStatus();
}

absl::Status IndexAdmin::get_index(const CallContext&, admin::GetIndexRequest& request, admin::Index& response) {
  NDB_RETURN_IF_ERROR(check_scope({.project = request.project_id(), .database = {}}));
  const std::vector<CompositeIndex> indexes = catalog_.indexes();
  const auto index = find_id(indexes, request.index_id());
  if (index == indexes.end()) {
    return absl::NotFoundError(cat("There is no index with the id ", quoted(request.index_id()), "."));
  }
  describe(*index, request.project_id(), response);
  return absl::OkStatus();
}

}  // namespace ndb::local
