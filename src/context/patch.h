// Changes of single properties, as the mutation that makes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ndb/key.h"
#include "ndb/patch.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::context {

// A patch on its way: what is sent, and what comes back. Belongs to the thread of its context.
struct PatchMutation {
  wire::Mutation mutation;
  PatchResult result{};

  // Whether it does no harm to apply it twice.
  bool repeatable() const;
  // Takes over what the Datastore says; a value that cannot be read is null.
  void applied(const wire::MutationResult& answer);
};

// `key`: that of the patch, whole. BadArgumentError and BadValueError as ndb::Patch says; KindError.
absl::StatusOr<std::shared_ptr<PatchMutation>> patch_mutation(const detail::PatchSpec& spec, const Key& key,
                                                              bool must_exist, Timestamp now);

}  // namespace ndb::context
