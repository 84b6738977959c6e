#include "ndb/detail/payload.h"

#include <algorithm>
#include <ostream>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "model/entity_wire.h"
#include "model/limits.h"
#include "model/wire.h"
#include "ndb/detail/codec.h"
#include "ndb/detail/model_info.h"
#include "ndb/detail/types.h"
#include "ndb/entity.h"
#include "ndb/handle.h"

namespace ndb {
namespace detail {
namespace {

std::string_view kind_shown(const ModelInfo& info, const Key& key) { return info.any_kind ? key.kind() : info.kind; }

const void* properties_of(const Payload& payload) {
  return const_cast<Payload&>(payload).properties();  // read only
}

void encode_properties(Encoder& out, const Payload& payload) {
  if (payload.info().any_kind) {
    out.properties(*static_cast<const Entity::Properties*>(properties_of(payload)));
  } else {
    out.properties(payload.info().table(), properties_of(payload), &payload.unknown());
  }
}

absl::StatusOr<PayloadPtr> decode_as(const ModelInfo& info, const Key& key, std::string_view entity, Budget* batch) {
  PayloadPtr payload(info.make_payload());
  Decoder in(info.keep_unknown);
  const bool good = info.any_kind ? in.properties(entity, *static_cast<Entity::Properties*>(payload->properties()))
                                  : in.properties(info.table(), entity, payload->properties(),
                                                  info.keep_unknown ? &payload->unknown() : nullptr);
  if (!good) return in.status(kind_shown(info, key), key);
  if (batch != nullptr && !batch->take(in.charged())) {
    return bad_value(cat(key.to_string(), " is not read: the entities of one batch may take ",
                         Budget::kBatchBytes >> 30,
                         " GiB in memory, which those before it have used up; read fewer at a time"));
  }
  return payload;
}

// The names in the property `class`: several, or a single one in the result of a projection.
bool class_list(std::string_view value, std::vector<std::string>& names) {
  Decoder in;
  WireValue wire;
  return in.parse(value, wire) && Codec<std::vector<std::string>>::decode(in, wire, names);
}

std::string shown(const std::vector<std::string>& names) {
  return Value(Array(names.begin(), names.end())).to_string();
}

// The class of an entity whose kind is that of `info`: the last of the stored classes that this program has. Entities
// that were written before there were classes have none.
absl::StatusOr<const ModelInfo*> stored_class(const ModelInfo& info, const Key& key,
                                              const std::vector<std::string>& names) {
  const ModelInfo* root = &info;
  while (root->poly_base != nullptr) root = root->poly_base;
  const ModelInfo* found = names.empty() ? root : nullptr;
  for (const std::string& name : names) {
    if (const ModelInfo* known = find_poly_model(info.kind, name)) found = known;
  }
  if (found != nullptr && is_a(*found, info)) return found;
  return kind_error(cat(key.to_string(), " is of the classes ", shown(names), " and cannot be read as ",
                        info.class_name, "; read it as ", root->class_name, " or as ndb::Entity"));
}

// An entity of a PolyModel. Classes that this program does not have are preserved.
absl::StatusOr<PayloadPtr> decode_poly(const ModelInfo& info, const Key& key, std::string_view entity, Budget* batch) {
  std::string_view stored;
  std::vector<std::string> names;
  for_each_property(entity, [&](std::string_view name, std::string_view value) {
    if (name == kClassProperty) stored = value;
    return true;
  });
  if (!class_list(stored, names)) {
    return bad_value(cat("property \"class\" of ", info.kind, " is no list of class names (", key.to_string(), ")"));
  }
  NDB_ASSIGN_OR_RETURN(const ModelInfo* const of_entity, stored_class(info, key, names));
  NDB_ASSIGN_OR_RETURN(PayloadPtr payload, decode_as(*of_entity, key, entity, batch));
  const std::vector<std::string_view> own = class_names(*of_entity);
  if (!names.empty() && !std::equal(names.begin(), names.end(), own.begin(), own.end())) {
    payload->unknown().append(property_field(kClassProperty, stored));
  }
  return payload;
}

}  // namespace

absl::StatusOr<std::string> encode_entity(const Key& key, const Payload& payload) {
  Encoder out(payload.info().legacy_data ? Layout::kOlder : Layout::kNewer);
  encode_properties(out, payload);
  const std::string_view kind = kind_shown(payload.info(), key);
  if (!out.ok()) {
    return bad_value(cat("property ", quoted(out.path()), " of ", kind, " ", out.error(), " (", key.to_string(), ")"));
  }
  if (key) out.entity_key(key);
  if (out.size() > kMaxEntityBytes) {
    return bad_value(cat("an entity of ", kind, " has ", out.size(), " bytes; ", kMaxEntityBytes, " are allowed (",
                         key.to_string(), ")"));
  }
  return std::string(out.bytes());
}

absl::StatusOr<PayloadPtr> decode_entity(const ModelInfo& info, const Key& key, std::string_view entity,
                                         Budget* batch) {
  return is_poly(info) ? decode_poly(info, key, entity, batch) : decode_as(info, key, entity, batch);
}

absl::StatusOr<std::map<std::string, Value, std::less<>>> dynamic_properties(const Payload& payload) {
  const ModelInfo& info = payload.info();
  if (info.any_kind) return *static_cast<const Entity::Properties*>(properties_of(payload));
  Encoder out(Layout::kPlain);
  encode_properties(out, payload);
  if (!out.ok()) return bad_value(cat("property ", quoted(out.path()), " of ", info.kind, " ", out.error()));
  Entity::Properties properties;
  Decoder in;
  if (!in.properties(out.bytes(), properties)) return in.status(info.kind, Key());
  return properties;
}

absl::StatusOr<Key> entity_key(std::string_view entity) {
  std::string_view key;
  WireReader in(entity);
  while (!in.done()) {
    std::uint32_t tag;
    if (!in.tag(tag) || !(tag == wire_tag(1, kLength) ? in.bytes(key) : in.skip(tag))) {
      return absl::DataLossError("these bytes are not a serialized entity");
    }
  }
  if (key.empty()) return absl::NotFoundError("the entity has no key");
  return Key::from_bytes(key);
}

absl::StatusOr<std::string> encode_value(const Value& value) {
  Encoder out;
  out.value(value);
  if (!out.ok()) return bad_value(cat("the value ", out.error()));
  return std::string(out.bytes());
}

absl::StatusOr<Value> decode_value(std::string_view bytes) {
  Decoder in;
  WireValue wire;
  Value value;
  if (!in.parse(bytes, wire) || !in.value(wire, value)) {
    return absl::DataLossError("these bytes are not a serialized value");
  }
  return value;
}

}  // namespace detail

void Handle::throw_absent() const {
  throw Error(absl::FailedPreconditionError(to_absl(cat(
      "there is no such entity", key_ ? cat(" as ", key_.to_string()) : "", "; test the handle before you use it"))));
}

bool operator==(const Handle& a, const Handle& b) {
  if (a.key_ != b.key_ || !a.payload_ || !b.payload_) return a.key_ == b.key_ && !a.payload_ == !b.payload_;
  if (a.payload_.get() == b.payload_.get()) return true;
  if (&a.payload_->info() != &b.payload_->info()) return false;
  detail::Encoder left, right;
  detail::encode_properties(left, *a.payload_.get());
  detail::encode_properties(right, *b.payload_.get());
  if (!left.ok() || !right.ok()) return false;
  if (left.bytes() == right.bytes()) return true;
  // Properties that the class does not know may be in another order.
  Entity::Properties left_properties, right_properties;
  detail::Decoder in;
  return left.size() == right.size() && in.properties(left.bytes(), left_properties) &&
         in.properties(right.bytes(), right_properties) && left_properties == right_properties;
}

}  // namespace ndb
