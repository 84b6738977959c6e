// The calls of the verbs (ndb/verbs.h) to the current context. Not for users.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ndb/context.h"
#include "ndb/detail/payload.h"
#include "ndb/future.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/tasklet.h"

namespace ndb::detail {

// An entity; an empty payload says that it does not exist.
struct Found {
  Key key;
  PayloadPtr payload;
};

// One entity that is being read, as the class `info` describes. The context calls exactly one of finish() and refuse(),
// once.
class ReadOp {
 public:
  ReadOp(Key k, const ModelInfo& i) : key(std::move(k)), info(&i) {}
  virtual ~ReadOp() = default;

  void finish(PayloadPtr payload) {
    found(std::move(payload));
    if (post_get != nullptr) run_post_hook(absl::OkStatus());
  }
  void refuse(const absl::Status& status) {
    failed(status);
    if (post_get != nullptr) run_post_hook(status);
  }

  Key key;
  const ModelInfo* info;
  void (*post_get)(const Key&, const absl::Status&) = nullptr;  // the post hook of the key's class
  std::shared_ptr<Context> context{};                           // the context in which the hook runs

 protected:
  virtual void found(PayloadPtr payload) = 0;
  virtual void failed(const absl::Status& status) = 0;

 private:
  void run_post_hook(const absl::Status& status);
};

// The future of get_async(): one allocation is both the operation and the result.
template <class M>
class AsyncRead final : public FutureState<M>, public ReadOp {
 public:
  using ReadOp::ReadOp;

 private:
  void found(PayloadPtr payload) override { this->set(HandleAccess::wrap<M>(key, std::move(payload))); }
  void failed(const absl::Status& status) override { this->fail(status); }
};

// Reads. `key` may lack a partition, which the context then fills in; the returned keys are complete in this respect.
Found read(const Key& key, const ModelInfo& info, const Options& options);  // throws
// In the order of the keys, each with its own error. Returns when all reads have ended.
std::vector<absl::StatusOr<Found>> read_multi(std::span<const Key> keys, const ModelInfo& info, const Options& options);
void read_async(const std::shared_ptr<ReadOp>& op, const Options& options);

// Writes the entity: sets auto_now and encodes it before the call returns. The future gives the whole key, with the id
// that the Datastore assigned to an incomplete one. With a base version it works as put_if() does.
Future<Key> write_async(Handle& handle, const Options& options, std::optional<std::uint64_t> base_version = {});
// Groups what belongs to one call: in a thread without a scope, its writes go out in one batch, and are waited for when
// the outermost call ends.
class OneCall {
 public:
  OneCall();
  ~OneCall();
  OneCall(const OneCall&) = delete;
  OneCall& operator=(const OneCall&) = delete;
  void end_with(const std::shared_ptr<FutureCore>& future) const;  // also waits for this one

 private:
  Context::Impl& context_;
};

// As in_background(), for functions that write.
template <class Function>
auto write_in_background(Function function) {
  const OneCall call;
  auto future = in_background(std::move(function));
  call.end_with(future.state());
  return future;
}

// After a put that succeeded: gives the handle the key and the version that it was written as. `put` is of
// write_async().
void complete(Handle& handle, const Future<Key>& put);
// With a base version it works as Key::delete_if() does.
Future<void> erase_async(const Key& key, const Options& options, std::optional<std::uint64_t> base_version = {});

std::vector<Key> allocate_ids(const Key& incomplete, int count, const Options& options);

}  // namespace ndb::detail
