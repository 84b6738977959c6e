#include "ndb/detail/payload.h"

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "model/wire.h"
#include "ndb/detail/codec.h"
#include "ndb/detail/model_info.h"
#include "ndb/entity.h"
#include "ndb/handle.h"

namespace ndb {
namespace detail {
namespace {

constexpr std::size_t kMaxEntityBytes = 1048572;  // Datastore API

std::string_view kind_shown(const ModelInfo& info, const Key& key) { return info.any_kind ? key.kind() : info.kind; }

void encode_properties(Encoder& out, const ModelInfo& info, const void* properties) {
  if (info.any_kind) {
    out.properties(*static_cast<const Entity::Properties*>(properties));
  } else {
    out.properties(info.table(), properties);
  }
}

const void* properties_of(const Payload& payload) {
  return const_cast<Payload&>(payload).properties();  // only read
}

}  // namespace

absl::StatusOr<std::string> encode_entity(const Key& key, const Payload& payload) {
  Encoder out;
  encode_properties(out, payload.info(), properties_of(payload));
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

absl::StatusOr<PayloadPtr> decode_entity(const ModelInfo& info, const Key& key, std::string_view entity) {
  PayloadPtr payload(info.make_payload());
  Decoder in;
  const bool good = info.any_kind ? in.properties(entity, *static_cast<Entity::Properties*>(payload->properties()))
                                  : in.properties(info.table(), entity, payload->properties());
  if (!good) return in.status(kind_shown(info, key), key);
  return payload;
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
  detail::encode_properties(left, a.payload_->info(), a.payload_->properties());
  detail::encode_properties(right, b.payload_->info(), b.payload_->properties());
  return left.ok() && right.ok() && left.bytes() == right.bytes();
}

}  // namespace ndb
