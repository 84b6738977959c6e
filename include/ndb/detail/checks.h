// The changes and checks that a put makes before it encodes an entity: time stamps, validators, and the other checks
// that options of properties ask for. Not for users.
#pragma once

#include "absl/status/status.h"
#include "ndb/detail/codec.h"
#include "ndb/key.h"
#include "ndb/property_options.h"
#include "ndb/value.h"

namespace ndb::detail {

struct Checks {
  void (*stamp)(void* field, Timestamp now) = nullptr;
  const ValidatorInfo* validator = nullptr;
  void (*each)(void* field, void (*run)(void* value)) = nullptr;  // calls `run` for every value
  bool required = false;
  bool json = false;  // the values must be JSON texts
  const ChoiceList* choices = nullptr;
  std::string_view kind{};  // of keys
};

// The preparation that a put of a class needs.
enum class Preparation : std::uint8_t { kNone, kChecks, kChanges };

// Prepares the object. With kChanges the caller is the only owner of `object` (PayloadPtr::detach). BadValueError,
// which names property and value; `kind` and `key` are for its message.
absl::Status prepare(const Table& table, void* object, Timestamp now, std::string_view kind, const Key& key);

}  // namespace ndb::detail
