// Encodes and decodes entities, as the Datastore would return them.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "model/compression.h"
#include "ndb/detail/describe.h"
#include "ndb/detail/payload.h"
#include "ndb/entity.h"
#include "ndb/error.h"
#include "ndb/model.h"

namespace ndb::testing {

template <class M>
absl::StatusOr<std::string> encode(const M& model) {
  return detail::encode_entity(model.key(), *detail::HandleAccess::payload(model).get());
}

template <class M>
absl::StatusOr<M> decode(const Key& key, std::string_view bytes) {
  auto payload = detail::decode_entity(detail::info<M>(), key, bytes);
  if (!payload.ok()) return payload.status();
  return detail::HandleAccess::wrap<M>(key, *std::move(payload));
}

// Writes an entity as one class and reads it as another. Throws what a get would throw.
template <class To, class From>
To convert(const From& from) {
  const auto bytes = encode(from);
  if (!bytes.ok()) throw_error(bytes.status());
  const auto to = decode<To>(from.key(), *bytes);
  if (!to.ok()) throw_error(to.status());
  return *to;
}

// What a put does before it encodes.
template <class M>
absl::Status prepare(M& model, Timestamp now = Timestamp(std::chrono::seconds(5))) {
  return detail::before_put(detail::HandleAccess::payload(model), model.key(), now);
}

// The contents of a zlib stream that must be complete and not too large.
inline std::string inflated(std::string_view bytes) {
  std::string out;
  const bool whole = detail::inflate(bytes, detail::Budget::kBytes, out) == detail::Inflated::kWhole;
  return whole ? out : "this is no zlib stream";
}

// The message of the exception that `call` throws; empty if it throws none.
template <class E, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace ndb::testing
