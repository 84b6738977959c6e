// Property masks: which properties of entities a read returns, or a write changes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/storage/storage_key.h"
#include "local_datastore/write/transform.h"

namespace ndb::local {

// The mask of a read, parsed once for all its entities. A path is the whole name of a property or, split at its dots,
// leads through nested entities. Thread-safe after construction.
class ReadMask {
 public:
  // INVALID_ARGUMENT if a path has an empty name. The mask outlives it.
  static absl::StatusOr<ReadMask> of(const v1::PropertyMask& mask);

  // The entity with its key and only the properties that the mask names. The cost depends on the entity and not on the
  // length of the mask.
  v1::Entity apply(const v1::Entity& entity) const;

 private:
  struct Node {
    std::map<std::string, Node, std::less<>> children{};
    std::vector<std::string_view> paths{};  // those that end here
  };

  static bool ends_here(const Node& node, const v1::Entity& entity);
  static bool copy(const Node& node, const v1::Entity& entity, const v1::Value& value, v1::Value& out);

  std::vector<std::string_view> names_;  // sorted
  Node root_;                            // of the paths that can be split
};

// The mask of a read request, if it has one.
template <class Request>
absl::StatusOr<std::optional<ReadMask>> mask_of(const Request& request) {
  std::optional<ReadMask> out;
  if (!request.has_property_mask()) return out;
  absl::StatusOr<ReadMask> mask = ReadMask::of(request.property_mask());
  if (!mask.ok()) return mask.status();
  out = *std::move(mask);
  return out;
}

// Writes the properties that the mask names: takes them from `written`, and erases those that `written` does not have.
// INVALID_ARGUMENT if a path has an empty name.
absl::Status write_masked(const v1::Entity& written, const v1::PropertyMask& mask, Transformer& current);

}  // namespace ndb::local
