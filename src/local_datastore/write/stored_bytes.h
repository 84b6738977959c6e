// Copies stored entities into responses.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "local_datastore/rules.h"
#include "local_datastore/storage/version_store.h"
#include "local_datastore/write/property_mask.h"

namespace ndb::local {

// Copies the stored bytes without parsing them, unless there is a mask. Sets version and times.
absl::Status fill_result(const StoredEntity& stored, const ReadMask* mask, v1::EntityResult& result);

}  // namespace ndb::local
