#include "context/patch.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "model/wire.h"
#include "ndb/detail/model_info.h"

namespace ndb::context {
namespace {

using Transform = detail::PatchSpec::Transform;
using Kind = Transform::Kind;

// The entity of the mutation: the properties that are set, and the key.
absl::StatusOr<std::string> entity_of(const detail::PatchSpec& spec, const Key& key, Timestamp now) {
  const detail::ModelInfo& info = spec.values->info();
  if (info.any_kind) return detail::encode_entity(key, *spec.values.get());
  std::vector<detail::PropertyRow> rows;
  for (const detail::PropertyRow& row : info.table().rows()) {
    if (std::ranges::find(spec.set, row.name) == spec.set.end()) continue;
    if (info.legacy_data && row.ops != nullptr && row.ops->structs != nullptr) {
      return bad_argument(cat("patch of ", key.to_string(), ": ", quoted(row.name),
                              " is a struct that _legacy_data stores as several properties; put the whole entity"));
    }
    rows.push_back(row);
  }
  const detail::Table table(std::move(rows));
  const detail::PayloadPtr values(spec.values->clone());
  NDB_RETURN_IF_ERROR(detail::prepare(table, values->properties(), now, info.kind, key));
  detail::Encoder out(info.legacy_data ? detail::Layout::kOlder : detail::Layout::kNewer);
  out.properties(table, values->properties(), nullptr);
  if (!out.ok()) {
    return bad_value(
        cat("property ", quoted(out.path()), " of ", info.kind, " ", out.error(), " (", key.to_string(), ")"));
  }
  out.entity_key(key);
  return std::string(out.bytes());
}

// The ArrayValue within the Value of an array.
absl::StatusOr<std::string> elements_of(const Transform& transform) {
  if (transform.operand.type() != ValueType::kArray) {
    return bad_value(cat("the transform of ", quoted(transform.property), " needs an array"));
  }
  NDB_ASSIGN_OR_RETURN(const std::string value, detail::encode_value(transform.operand));
  detail::WireReader in(value);
  std::uint32_t tag = 0;
  std::string_view elements;
  while (!in.done()) {
    if (!in.tag(tag)) break;
    if (tag == detail::wire_tag(9, detail::kLength)) {
      if (!in.bytes(elements)) break;
    } else if (!in.skip(tag)) {
      break;
    }
  }
  return std::string(elements);
}

absl::Status fill(const Transform& transform, wire::PropertyTransform& out) {
  out.set_property(transform.property);
  switch (transform.kind) {
    case Kind::kServerTime:
      out.set_set_to_server_value(wire::PropertyTransform::REQUEST_TIME);
      return absl::OkStatus();
    case Kind::kAppendMissing: {
      NDB_ASSIGN_OR_RETURN(*out.mutable_append_missing_elements(), elements_of(transform));
      return absl::OkStatus();
    }
    case Kind::kRemoveAll: {
      NDB_ASSIGN_OR_RETURN(*out.mutable_remove_all_from_array(), elements_of(transform));
      return absl::OkStatus();
    }
    case Kind::kIncrement:
    case Kind::kMaximum:
    case Kind::kMinimum:
      break;
  }
  NDB_ASSIGN_OR_RETURN(std::string operand, detail::encode_value(transform.operand));
  if (transform.kind == Kind::kIncrement) {
    out.set_increment(std::move(operand));
  } else if (transform.kind == Kind::kMaximum) {
    out.set_maximum(std::move(operand));
  } else {
    out.set_minimum(std::move(operand));
  }
  return absl::OkStatus();
}

}  // namespace

bool PatchMutation::repeatable() const {
  const auto& transforms = mutation.property_transforms();
  return std::none_of(transforms.begin(), transforms.end(), [](const auto& one) { return one.has_increment(); });
}

void PatchMutation::applied(const wire::MutationResult& answer) {
  result.version = static_cast<std::uint64_t>(std::max<std::int64_t>(answer.version(), 0));
  for (const std::string& bytes : answer.transform_results()) {
    absl::StatusOr<Value> value = detail::decode_value(bytes);
    result.values.push_back(value.ok() ? *std::move(value) : Value());
  }
}

absl::StatusOr<std::shared_ptr<PatchMutation>> patch_mutation(const detail::PatchSpec& spec, const Key& key,
                                                              bool must_exist, Timestamp now) {
  const detail::ModelInfo& info = spec.values->info();
  NDB_RETURN_IF_ERROR(detail::check_kind(key, info));
  if (spec.set.empty() && spec.cleared.empty() && spec.transforms.empty()) {
    return bad_argument(cat("patch of ", key.to_string(), ": it changes nothing"));
  }
  NDB_ASSIGN_OR_RETURN(const detail::ModelInfo* const of_kind, detail::find_model(key.kind()));
  if (!must_exist && of_kind != nullptr && detail::is_poly(*of_kind)) {
    return bad_argument(
        cat("patch of ", key.to_string(), ": a PolyModel made by it would have no class; use update()"));
  }
  auto patch = std::make_shared<PatchMutation>();
  NDB_ASSIGN_OR_RETURN(std::string entity, entity_of(spec, key, now));
  if (must_exist) {
    patch->mutation.set_update(std::move(entity));
  } else {
    patch->mutation.set_upsert(std::move(entity));
  }
  wire::PropertyMask& mask = *patch->mutation.mutable_property_mask();
  for (const std::string& name : spec.set) mask.add_paths(name);
  for (const std::string& name : spec.cleared) mask.add_paths(name);
  for (const Transform& transform : spec.transforms) {
    NDB_RETURN_IF_ERROR(fill(transform, *patch->mutation.add_property_transforms()));
  }
  return patch;
}

}  // namespace ndb::context
