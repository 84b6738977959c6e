// The part of google.datastore.admin.v1.DatastoreAdmin that reads indexes.
#pragma once

#include "absl/status/status.h"
#include "google/datastore/admin/v1/datastore_admin.pb.h"
#include "local_datastore/call_context.h"
#include "local_datastore/composite/index_catalog.h"

namespace ndb::local {

namespace admin = google::datastore::admin::v1;

// Thread-safe. Every project has the indexes of the catalog. An index's id is a hash of its definition.
class IndexAdmin {
 public:
  explicit IndexAdmin(IndexCatalog& catalog) : catalog_(catalog) {}  // the catalog outlives this

  // Returns pages of at most 100 indexes. Filters are not supported.
  absl::Status list_indexes(const CallContext& call, admin::ListIndexesRequest& request,
                            admin::ListIndexesResponse& response);
  absl::Status get_index(const CallContext& call, admin::GetIndexRequest& request, admin::Index& response);

 private:
  IndexCatalog& catalog_;
};

}  // namespace ndb::local
