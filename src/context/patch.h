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

// A patch that is being written: what is sent, and what the Datastore answers. Belongs to the thread of its context.
struct PatchMutation {
  wire::Mutation mutation;
  PatchResult result{};

  // Whether applying it twice does no harm.
  bool repeatable() const;
  // Takes over what the Datastore says; a value that cannot be read is null.
  void applied(const wire::MutationResult& answer);
};

// `key`: the whole key of the patch. BadArgumentError and BadValueError as ndb::Patch says, and KindError.
absl::StatusOr<std::shared_ptr<PatchMutation>> patch_mutation(const detail::PatchSpec& spec, const Key& key,
                                                              bool must_exist, Timestamp now);

}  // namespace ndb::context
