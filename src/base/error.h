// How code below the NDB-level API, which does not throw, says which subclass of ndb::Error a status is to become.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "ndb/error.h"

namespace ndb {

// A status that throw_error() throws as the class named. The code is that of the class.
absl::Status bad_argument(std::string_view message);
absl::Status bad_key(std::string_view message);
absl::Status bad_value(std::string_view message);
absl::Status bad_filter(std::string_view message);
absl::Status bad_query(std::string_view message);
absl::Status bad_request(std::string_view message);
absl::Status context_error(std::string_view message);
absl::Status kind_error(std::string_view message);
absl::Status conflict(std::string_view message);
absl::Status transaction_failed(std::string_view message);
absl::Status stuck_error(std::string_view message);

// `status` with `what: ` before its message; code and payloads are kept.
absl::Status annotate(const absl::Status& status, std::string_view what);

}  // namespace ndb
