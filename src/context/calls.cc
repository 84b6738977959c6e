// The functions through which the verbs reach the current context.
#include "ndb/detail/calls.h"

#include <exception>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "context/context_impl.h"
#include "context/current.h"
#include "context/write_batch.h"
#include "ndb/patch.h"
#include "ndb/verbs.h"

namespace ndb::detail {
namespace {

using context::Call;
using context::ContextCache;
using context::current_hold;
using context::CurrentContext;
using context::InFlight;
using context::RpcOptions;
using context::Write;

// A read whose caller waits for it on its own stack.
class SyncRead final : public FutureCore, public ReadOp {
 public:
  using ReadOp::ReadOp;
  Found take() {
    throw_if_error(status_);
    return {std::move(key), std::move(payload_)};
  }

 private:
  void found(PayloadPtr payload) override {
    payload_ = std::move(payload);
    FutureCore::finish();
  }
  void failed(const absl::Status& status) override {
    status_ = status;
    FutureCore::finish();
  }

  PayloadPtr payload_;
  absl::Status status_;
};

// Many reads that one caller waits for: one allocation for all, and one wake-up.
class MultiRead final : public FutureCore {
 public:
  MultiRead(std::span<const Key> keys, const ModelInfo& info) : left_(keys.size()) {
    reads_.reserve(keys.size());
    for (const Key& key : keys) reads_.emplace_back(*this, key, info);
  }

  std::shared_ptr<ReadOp> read(std::size_t i) { return {shared_from_this(), &reads_[i]}; }
  std::vector<absl::StatusOr<Found>> take() {
    std::vector<absl::StatusOr<Found>> found;
    found.reserve(reads_.size());
    for (Read& read : reads_) {
      if (read.status.ok()) {
        found.emplace_back(Found{std::move(read.key), std::move(read.payload)});
      } else {
        found.emplace_back(std::move(read.status));
      }
    }
    return found;
  }

 private:
  struct Read final : ReadOp {
    Read(MultiRead& all, const Key& k, const ModelInfo& i) : ReadOp(k, i), all_(&all) {}
    void found(PayloadPtr p) override {
      payload = std::move(p);
      all_->one_less();
    }
    void failed(const absl::Status& s) override {
      status = s;
      all_->one_less();
    }
    PayloadPtr payload;
    absl::Status status;
    MultiRead* all_;
  };
  void one_less() {
    if (--left_ == 0) finish();
  }

  std::vector<Read> reads_;
  std::size_t left_;
};

void report_unseen_write(const absl::Status& error) noexcept;

// The future of a write. An error that was neither asked for nor reported otherwise is logged with the last copy.
template <class T>
struct WriteState : FutureState<T> {
  ~WriteState() override {
    if (!this->seen()) report_unseen_write(this->status());
  }
};

// The future of a put.
struct PutState final : WriteState<Key> {
  std::optional<std::uint64_t> version;  // of the entity as written; in a transaction not known yet
};

// Runs a post hook in the context `hold`. A hook cannot undo the operation, and other callers wait for the same batch,
// so its exception is logged.
template <class Hook>
void run_post(std::shared_ptr<Context> hold, std::string_view name, const Key& key, Hook hook) {
  const context::CurrentBounds bounds(impl_of(*hold).bounds);
  const CurrentContext current(std::move(hold));
  try {
    hook();
  } catch (...) {
    log(Severity::kError, cat("the ", name, " of ", key.to_string(),
                              " failed: ", from_absl(status_of(std::current_exception()).message())));
  }
}

// If the caller has dropped the future of a write, the next flush of the context reports the error.
template <class State>
void fail(InFlight& in_flight, std::shared_ptr<State>& state, const absl::Status& status) {
  const bool unreported = state.use_count() == 1 && in_flight.keep_unreported(status);
  state->fail(status);
  if (unreported) state->see();
}

template <class State>
void settle(InFlight& in_flight, std::shared_ptr<State>& state, const absl::StatusOr<Key>& result) {
  if (!result.ok()) {
    fail(in_flight, state, result.status());
  } else if constexpr (std::derived_from<State, FutureState<void>>) {
    state->set(Unit{});
  } else {
    state->set(*result);
  }
}

void report_unseen_write(const absl::Status& error) noexcept {
  if (error.ok()) return;
  try {
    log(Severity::kError, cat("a write failed and nobody asked for its result: ", from_absl(error.message())));
  } catch (...) {  // NOLINT(bugprone-empty-catch): the sink's own trouble, which must not leave a destructor
  }
}

// Of put_if() and delete_if(), which `verb` names.
absl::Status check_base_version(const Context::Impl& context, const Write& write, std::string_view verb) {
  const std::string what = cat(verb, " of ", write.key.to_string(), ": ");
  if (context.in_transaction()) {
    return bad_request(cat(what, "a transaction finds conflicts by itself; use the verb without a version"));
  }
  if (!write.key.is_complete()) {
    return bad_key(cat(what, "the key is incomplete, so there is nothing to compare"));
  }
  if (!write.policy.datastore) {
    return bad_argument(cat(what, "only the Datastore can compare versions, but use_datastore is false"));
  }
  if (write.kind == Write::Kind::kDelete && *write.base_version == 0) {
    return bad_argument(cat(what, "version 0 stands for no entity, of which there is nothing to delete"));
  }
  return absl::OkStatus();
}

}  // namespace

void ReadOp::run_post_hook(const absl::Status& status) {
  run_post(std::exchange(context, nullptr), "_post_get_hook", key, [&] { post_get(key, status); });
}

Found read(const Key& key, const ModelInfo& info, const Options& options) {
  const Call call;
  // A hit is a plain function call: it looks up no class, allocates nothing and does not run the loop.
  const bool plain = !info.any_kind && info.pre_get == nullptr && info.post_get == nullptr && !options.max_staleness;
  if (plain && key && !key.project().empty() && !call.impl.bounds->cancelled()) {
    const bool own = call.impl.workspace->own_writes.find(key) != nullptr;
    const bool cached = !own && call.impl.decides_cache(key, options, &info);
    const ContextCache::Slot* slot = cached ? call.impl.cache.find(key) : nullptr;
    if (slot != nullptr && slot->payload && is_a(slot->payload->info(), info)) {
      ++call.impl.counts().cache_hits;
      return {key, slot->payload};
    }
  }
  auto op = std::make_shared<SyncRead>(key, info);
  call.impl.read(op, options);
  op->wait();
  return op->take();
}

std::vector<absl::StatusOr<Found>> read_multi(std::span<const Key> keys, const ModelInfo& info,
                                              const Options& options) {
  if (keys.empty()) return {};
  const Call call;
  auto reads = std::make_shared<MultiRead>(keys, info);
  for (std::size_t i = 0; i < keys.size(); ++i) call.impl.read(reads->read(i), options);
  reads->wait();
  return reads->take();
}

void read_async(const std::shared_ptr<ReadOp>& op, const Options& options) {
  const Call call;
  call.impl.read(op, options);
}

Future<Key> write_async(Handle& handle, const Options& options, std::optional<std::uint64_t> base_version) {
  const Call call;
  Context::Impl& context = call.impl;
  auto state = std::make_shared<PutState>();
  PayloadPtr& payload = HandleAccess::payload(handle);
  if (!payload) {
    state->fail(bad_value("put of an empty handle: there is no entity in it"));
    return Future<Key>(state);
  }
  const ModelInfo& info = payload->info();
  if (info.pre_put != nullptr) info.pre_put(handle);
  Write write;
  write.base_version = base_version;
  const auto prepare = [&]() -> absl::Status {
    NDB_ASSIGN_OR_RETURN(write.key, context.qualify(handle.key()));
    NDB_RETURN_IF_ERROR(check_kind(write.key, info));
    NDB_RETURN_IF_ERROR(before_put(payload, write.key, context.core->clock->now()));
    NDB_ASSIGN_OR_RETURN(write.policy, context.decide(write.key, options));
    if (base_version) NDB_RETURN_IF_ERROR(check_base_version(context, write, "put_if"));
    if (!write.policy.datastore && !write.key.is_complete()) {
      return bad_key(
          cat("put of ", write.key.to_string(),
              ": the key is incomplete, and with use_datastore = false nothing can complete it; give it an id"));
    }
    if (context.in_transaction() && write.policy.datastore) payload.expect_commit();
    write.payload = payload;
    NDB_ASSIGN_OR_RETURN(write.entity, encode_entity(write.key, *payload.get()));
    return absl::OkStatus();
  };
  const absl::Status status = prepare();
  write.allocate_first = options.allocate_first.value_or(false);
  write.rpc = context.rpc(options);
  write.done = [state, in_flight = context.workspace->in_flight, info = &info, payload = write.payload,
                hold = info.post_put != nullptr ? current_hold() : nullptr, transactional = context.in_transaction(),
                key = write.key](const absl::StatusOr<Key>& result) mutable {
    if (result.ok()) key = *result;
    if (payload && !transactional) state->version = payload->version();
    settle(*in_flight, state, result);
    if (info->post_put == nullptr) return;
    run_post(std::move(hold), "_post_put_hook", key,
             [&] { info->post_put(HandleAccess::wrap<Entity>(key, std::move(payload)), result.status()); });
  };
  if (status.ok() && info.post_commit_put != nullptr) {
    write.committed = [info = &info, payload = write.payload, hold = context.outside()](const Key& key,
                                                                                        const Committed& committed) {
      run_post(hold, "_post_commit_put_hook", key,
               [&] { info->post_commit_put(HandleAccess::wrap<Entity>(key, payload), committed); });
    };
  }
  Future<Key> future(state);
  context.end_with_call(std::exchange(state, nullptr));
  if (status.ok()) {
    context.write(std::move(write));
  } else {
    // Called later, when the caller has either kept the future or dropped it.
    context.workspace->in_flight->when_idle([done = std::move(write.done), status] { done(status); });
  }
  return future;
}

OneCall::OneCall() : context_(Context::Impl::current()) { ++context_.depth; }
OneCall::~OneCall() {
  if (--context_.depth == 0 && context_.implicit) context_.outermost_call_ends();
}
void OneCall::end_with(const std::shared_ptr<FutureCore>& future) const { context_.end_with_call(future); }

void complete(Handle& handle, const Future<Key>& put) {
  const absl::StatusOr<Key> key = put.try_get();
  if (!key.ok()) return;
  HandleAccess::key(handle) = *key;
  const auto& version = static_cast<const PutState&>(*put.state()).version;
  if (version) HandleAccess::payload(handle)->set_version(*version);
}

Future<void> erase_async(const Key& key, const Options& options, std::optional<std::uint64_t> base_version) {
  const Call call;
  Context::Impl& context = call.impl;
  auto state = std::make_shared<WriteState<void>>();
  const Future<void> future(state);
  context.end_with_call(state);
  Write write;
  write.kind = Write::Kind::kDelete;
  write.base_version = base_version;
  const auto prepare = [&]() -> absl::Status {
    NDB_ASSIGN_OR_RETURN(write.key, context.qualify(key));
    if (!write.key.is_complete()) {
      return bad_key(cat("delete of ", write.key.to_string(), ": the key is incomplete and names no entity"));
    }
    NDB_ASSIGN_OR_RETURN(write.policy, context.decide(write.key, options));
    return base_version ? check_base_version(context, write, "delete_if") : absl::OkStatus();
  };
  const absl::Status status = prepare();
  const ModelInfo* hooks = status.ok() ? *find_model(write.key.kind()) : nullptr;
  if (hooks != nullptr && hooks->pre_delete != nullptr) hooks->pre_delete(write.key);
  auto* post_delete = hooks != nullptr ? hooks->post_delete : nullptr;
  if (hooks != nullptr && hooks->post_commit_delete != nullptr) {
    write.committed = [hook = hooks->post_commit_delete, hold = context.outside()](const Key& deleted,
                                                                                   const Committed&) {
      run_post(hold, "_post_commit_delete_hook", deleted, [&] { hook(deleted); });
    };
  }
  write.rpc = context.rpc(options);
  write.done = [state = std::move(state), in_flight = context.workspace->in_flight, post_delete, key = write.key,
                hold = post_delete != nullptr ? current_hold() : nullptr](const absl::StatusOr<Key>& result) mutable {
    settle(*in_flight, state, result);
    if (post_delete == nullptr) return;
    run_post(std::move(hold), "_post_delete_hook", key, [&] { post_delete(key, result.status()); });
  };
  if (status.ok()) {
    context.write(std::move(write));
  } else {
    context.workspace->in_flight->when_idle([done = std::move(write.done), status] { done(status); });
  }
  return future;
}

Future<PatchResult> patch_async(PatchSpec spec, bool must_exist, const Options& options) {
  const Call call;
  Context::Impl& context = call.impl;
  auto state = std::make_shared<WriteState<PatchResult>>();
  const Future<PatchResult> future(state);
  context.end_with_call(state);
  Write write;
  write.kind = Write::Kind::kPatch;
  const auto prepare = [&]() -> absl::Status {
    NDB_ASSIGN_OR_RETURN(write.key, context.qualify(spec.key));
    if (!write.key.is_complete()) {
      return bad_key(cat("patch of ", write.key.to_string(), ": the key is incomplete and names no entity"));
    }
    NDB_ASSIGN_OR_RETURN(write.policy, context.decide(write.key, options));
    if (!write.policy.datastore || options.write_through.value_or(false)) {
      return bad_argument(cat("patch of ", write.key.to_string(),
                              ": the Datastore makes the changes, and knows alone what comes of them; it takes neither "
                              "use_datastore = false nor write_through"));
    }
    NDB_ASSIGN_OR_RETURN(write.patch, context::patch_mutation(spec, write.key, must_exist, context.core->clock->now()));
    return absl::OkStatus();
  };
  const absl::Status status = prepare();
  write.rpc = context.rpc(options);
  write.done = [state = std::move(state), in_flight = context.workspace->in_flight,
                patch = write.patch](const absl::StatusOr<Key>& result) mutable {
    if (result.ok()) {
      state->set(std::move(patch->result));
    } else {
      fail(*in_flight, state, result.status());
    }
  };
  if (status.ok()) {
    context.write(std::move(write));
  } else {
    context.workspace->in_flight->when_idle([done = std::move(write.done), status] { done(status); });
  }
  return future;
}

std::vector<Key> allocate_ids(const Key& incomplete, int count, const Options& options) {
  const Call call;
  if (count < 0) throw BadArgumentError(cat("allocate_ids: the number of ids must not be negative, but is ", count));
  const Key key = value_or_throw(call.impl.qualify(incomplete));
  if (key.is_complete()) {
    throw BadKeyError(cat("allocate_ids: ", key.to_string(), " has an id already; give the kind and perhaps a parent"));
  }
  throw_if_error(call.impl.check_database(key));
  const ModelInfo* hooks = value_or_throw(find_model(key.kind()));
  if (hooks != nullptr && hooks->pre_allocate_ids != nullptr) hooks->pre_allocate_ids(count, key.parent());
  const RpcOptions rpc = call.impl.rpc(options);
  std::vector<Future<Key>> futures;
  for (int i = 0; i < count; ++i) {
    futures.emplace_back(std::make_shared<FutureState<Key>>());
    call.impl.allocate(key, rpc,
                       [state = futures.back().state()](absl::StatusOr<Key> result) { state->set(std::move(result)); });
  }
  std::vector<Key> keys;
  keys.reserve(futures.size());
  absl::Status status;
  for (const Future<Key>& future : futures) {
    absl::StatusOr<Key> allocated = future.try_get();
    status.Update(allocated.status());
    if (allocated.ok()) keys.push_back(*std::move(allocated));
  }
  if (hooks != nullptr && hooks->post_allocate_ids != nullptr) {
    run_post(current_hold(), "_post_allocate_ids_hook", key,
             [&] { hooks->post_allocate_ids(count, key.parent(), status); });
  }
  throw_if_error(status);
  return keys;
}

}  // namespace ndb::detail

namespace ndb {

using context::Call;

Key Handle::put(const Options& options) {
  const Call call;
  const Future<Key> written = put_async(options);
  Key key = written.get();
  detail::complete(*this, written);
  return key;
}
Key Handle::put() { return put(Options()); }
Key Handle::put_if(std::uint64_t version, const Options& options) {
  const Call call;
  const Future<Key> written = put_if_async(version, options);
  Key key = written.get();
  detail::complete(*this, written);
  return key;
}
Key Handle::put_if(std::uint64_t version) { return put_if(version, Options()); }
Future<Key> Handle::put_if_async(std::uint64_t version, const Options& options) {
  return detail::write_async(*this, options, version);
}
Future<Key> Handle::put_if_async(std::uint64_t version) { return put_if_async(version, Options()); }
Future<Key> Handle::put_async(const Options& options) { return detail::write_async(*this, options); }
Future<Key> Handle::put_async() { return put_async(Options()); }

Future<void> Key::delete_async(const Options& options) const { return detail::erase_async(*this, options); }
Future<void> Key::delete_async() const { return delete_async(Options()); }
void Key::delete_(const Options& options) const {
  const Call call;
  delete_async(options).get();
}
void Key::delete_() const { delete_(Options()); }
Future<void> Key::delete_if_async(std::uint64_t version, const Options& options) const {
  return detail::erase_async(*this, options, version);
}
Future<void> Key::delete_if_async(std::uint64_t version) const { return delete_if_async(version, Options()); }
void Key::delete_if(std::uint64_t version, const Options& options) const {
  const Call call;
  delete_if_async(version, options).get();
}
void Key::delete_if(std::uint64_t version) const { delete_if(version, Options()); }

std::vector<Future<void>> delete_multi_async(std::span<const Key> keys, const Options& options) {
  const Call call;
  std::vector<Future<void>> futures;
  futures.reserve(keys.size());
  for (const Key& key : keys) futures.push_back(key.delete_async(options));
  return futures;
}

void delete_multi(std::span<const Key> keys, const Options& options) {
  const Call call;
  const std::vector<Future<void>> futures = delete_multi_async(keys, options);
  wait_all(futures);
  absl::Status first;
  for (const Future<void>& future : futures) first.Update(future.try_get());
  throw_if_error(first);
}

}  // namespace ndb
