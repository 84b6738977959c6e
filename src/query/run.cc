// A running query: fetches batch by batch, and requests the next batch while the caller uses the current one.
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "context/call_rpc.h"
#include "context/context_impl.h"
#include "context/current.h"
#include "context/time_left.h"
#include "context/wire_time.h"
#include "datastore/pace.h"
#include "ndb/detail/query_calls.h"
#include "ndb/tasklet.h"
#include "query/explain.h"
#include "query/request.h"
#include "query/results.h"

namespace ndb {
namespace {

using Batch = wire::QueryResultBatch;
using Kind = detail::Wanted::Kind;

class Run final : public detail::QueryRun {
 public:
  Run(Context::Impl& context, detail::QuerySpec spec, detail::Wanted wanted, std::size_t limit, const Options& options,
      detail::Bounds bounds)
      : context_(context.shared_from_this()),
        spec_(std::move(spec)),
        wanted_(std::move(wanted)),
        options_(options),
        bounds_(bounds),
        rpc_(context.rpc(options)),
        pace_(rpc_.call(), now(), rpc_.bounds->deadline()),
        generation_(context_->cache.generation()),
        remaining_(limit != kNoLimit ? limit : spec_.limit),
        before_(spec_.start),
        after_(spec_.start) {}

  absl::Status start();
  // Instead of start() and next().
  absl::StatusOr<ExplainMetrics> explain(bool analyze);
  bool has_next() override;
  detail::QueryResult next() override;
  const Cursor& before() const override { return before_; }
  const Cursor& after() const override { return after_; }

 private:
  struct Ready {
    detail::QueryResult result;
    Cursor cursor;
  };

  absl::Status prepare();
  static Monotonic now() { return EventLoop::current().now(); }
  absl::Status send();
  void send_ahead();
  void post(const datastore::CallOptions& options);
  absl::Status receive();
  absl::Status receive_batch();
  void follow(const Batch& batch);
  void adopt_parsed_query();
  absl::Status check_kind_of_results() const;
  absl::Status find_next();
  absl::Status take(wire::EntityResult& result, detail::QueryResult& out);
  bool is_dropped(const detail::QueryResult& result) const;
  std::size_t unread() const { return static_cast<std::size_t>(response_.batch().entity_results_size() - position_); }

  const std::shared_ptr<Context::Impl> context_;
  const detail::QuerySpec spec_;
  const detail::Wanted wanted_;
  const Options options_;
  const detail::Bounds bounds_;
  const context::RpcOptions rpc_;
  datastore::Pace pace_;            // of the run, or of the current step
  const std::uint64_t generation_;  // of the context cache when the query began

  wire::RunQueryRequest request_;  // the next request to send
  std::size_t remaining_;          // results that are still to be returned
  wire::RunQueryResponse response_;
  int position_ = 0;                                                     // in its batch
  detail::Budget budget_{detail::Budget::kBatchBytes};                   // of its entities in memory
  std::shared_ptr<detail::FutureState<wire::RunQueryResponse>> answer_;  // of the request in flight
  bool ended_ = false;                                                   // response_ is the last one
  bool stuck_ = false;                                                   // the start of the next one is unknown
  std::optional<Ready> ready_;                                           // found, and not returned yet
  Cursor before_, after_;
  ExplainMetrics metrics_;  // of the batches until now
  absl::Status failed_;
  bool busy_ = false;
};

absl::Status Run::start() {
  NDB_RETURN_IF_ERROR(prepare());
  return remaining_ == 0 ? absl::OkStatus() : send();
}

// Fills in the first request.
absl::Status Run::prepare() {
  request_.set_database_id(context_->workspace->database());
  NDB_ASSIGN_OR_RETURN(*request_.mutable_read_options(), read_options(*context_, spec_, options_));
  NDB_ASSIGN_OR_RETURN(*request_.mutable_partition_id(), partition_of(*context_, spec_));
  if (!spec_.gql.empty()) {
    NDB_ASSIGN_OR_RETURN(*request_.mutable_gql_query(), gql_message(*context_, spec_));
  } else {
    NDB_ASSIGN_OR_RETURN(*request_.mutable_query(), query_message(*context_, spec_));
    if (wanted_.kind == Kind::kKeys) {
      request_.mutable_query()->add_projection()->mutable_property()->set_name("__key__");
    }
    if (wanted_.kind == Kind::kProjection && wanted_.projection.empty()) {
      return bad_query("a projection names no property");
    }
    for (const std::string& name : wanted_.projection) {
      if (name.empty()) return bad_query("a projection names no property");
      request_.mutable_query()->add_projection()->mutable_property()->set_name(name);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ExplainMetrics> Run::explain(bool analyze) {
  NDB_RETURN_IF_ERROR(prepare());
  request_.mutable_explain_options()->set_analyze(analyze);
  if (!analyze) {
    NDB_RETURN_IF_ERROR(receive());
    return std::move(metrics_);
  }
  do {
    NDB_RETURN_IF_ERROR(receive_batch());
    if (remaining_ != kNoLimit) remaining_ -= std::min(remaining_, unread());
    position_ = response_.batch().entity_results_size();
  } while (!ended_ && remaining_ > 0);
  return std::move(metrics_);
}

// Sends the next request, after a pause if the last batch made no progress.
absl::Status Run::send() {
  if (stuck_)
    return absl::InternalError("the Datastore says that a query has more results, but sent no cursor after them");
  NDB_RETURN_IF_ERROR(context::check(rpc_.bounds.get()));
  NDB_ASSIGN_OR_RETURN(const datastore::Pace::Next next, pace_.next(now()));
  if (next.pause.count() > 0) {
    const context::CurrentBounds current(rpc_.bounds);
    sleep(next.pause);
  }
  post(next.options);
  return absl::OkStatus();
}

// Sends the next request while there are results left to use. An error that prevents it is reported when they are used
// up.
void Run::send_ahead() {
  if (stuck_) return;
  if (bounds_ == detail::Bounds::kStep) {
    post(rpc_.call());
  } else if (const auto next = pace_.next(now()); next.ok()) {
    post(next->options);
  }
}

// Counts results that were fetched and not returned yet against the limit. If the context cache then drops some of
// them, one more batch is requested.
void Run::post(const datastore::CallOptions& options) {
  if (request_.has_query() && remaining_ != kNoLimit) {
    const std::size_t wanted = std::min<std::size_t>(remaining_ - unread(), std::numeric_limits<std::int32_t>::max());
    request_.mutable_query()->mutable_limit()->set_value(static_cast<std::int32_t>(wanted));
  }
  ++context_->counts().queries;
  answer_ = context::start_rpc(*context_->workspace, rpc_.bounds, &datastore::Stub::run_query,
                               wire::RunQueryRequest(request_), options);
}

// Waits for the next response.
absl::Status Run::receive() {
  if (answer_ == nullptr) NDB_RETURN_IF_ERROR(send());
  const auto answer = std::exchange(answer_, nullptr);
  answer->wait();
  NDB_RETURN_IF_ERROR(answer->status());
  response_ = std::move(answer->value());
  position_ = 0;
  return request_.has_explain_options() ? add_metrics(response_.explain_metrics(), metrics_) : absl::OkStatus();
}

// Waits for the next batch, then requests the one after it, if it is needed.
absl::Status Run::receive_batch() {
  NDB_RETURN_IF_ERROR(receive());
  budget_ = detail::Budget(detail::Budget::kBatchBytes);
  const Batch& batch = response_.batch();
  if (request_.has_gql_query()) {
    NDB_RETURN_IF_ERROR(check_kind_of_results());
    adopt_parsed_query();
  }
  // A query that has reached its limit goes on if some of the batch are not returned after all.
  ended_ = batch.more_results() != Batch::NOT_FINISHED &&
           (batch.more_results() != Batch::MORE_RESULTS_AFTER_LIMIT || remaining_ == kNoLimit);
  if (ended_) return absl::OkStatus();
  follow(batch);
  if (unread() > 0 && (remaining_ == kNoLimit || remaining_ > unread())) send_ahead();
  return absl::OkStatus();
}

// Lets the next request start at the end of `batch`.
void Run::follow(const Batch& batch) {
  wire::Query& query = *request_.mutable_query();
  stuck_ = stuck_ || batch.end_cursor().empty() || batch.end_cursor() == query.start_cursor();
  query.set_start_cursor(batch.end_cursor());
  const std::int32_t skipped = std::clamp(batch.skipped_results(), 0, std::max(0, query.offset()));
  query.set_offset(query.offset() - skipped);
  if (unread() > 0 || skipped > 0) {
    pace_.progressed(now());
  } else {
    pace_.stalled();
  }
}

// Further batches of a GQL query use the query into which the Datastore has parsed the text.
void Run::adopt_parsed_query() {
  stuck_ = !response_.has_query();
  const wire::Query& parsed = response_.query();
  if (parsed.has_limit()) {
    remaining_ = std::min(remaining_, static_cast<std::size_t>(std::max(0, parsed.limit().value())));
  }
  *request_.mutable_query() = parsed;
}

absl::Status Run::check_kind_of_results() const {
  const auto is = response_.batch().entity_result_type();
  const auto fits = wanted_.kind == Kind::kEntities ? wire::EntityResult::FULL
                    : wanted_.kind == Kind::kKeys   ? wire::EntityResult::KEY_ONLY
                                                    : wire::EntityResult::PROJECTION;
  if (is == fits) return absl::OkStatus();
  return bad_query(is == wire::EntityResult::FULL ? "the text selects entities: ask without keys_only() or project()"
                   : is == wire::EntityResult::KEY_ONLY ? "the text selects keys: ask by keys_only()"
                                                        : "the text selects properties: ask by project()");
}

absl::Status Run::find_next() {
  while (remaining_ > 0) {
    while (unread() > 0) {
      wire::EntityResult& one = *response_.mutable_batch()->mutable_entity_results(position_++);
      Ready ready{.result = {}, .cursor = Cursor::from_bytes(std::move(*one.mutable_cursor()))};
      ready.result.status = in_query(take(one, ready.result), spec_);
      if (is_dropped(ready.result)) continue;
      if (!ready.result.status.ok() && spec_.on_error) {
        after_ = std::move(ready.cursor);
        spec_.on_error(ready.result.key, ready.result.status);
        continue;
      }
      ready_ = std::move(ready);
      if (remaining_ != kNoLimit) --remaining_;
      return absl::OkStatus();
    }
    if (ended_) break;
    NDB_RETURN_IF_ERROR(receive_batch());
  }
  return absl::OkStatus();
}

// Whether the context cache knows that this is no longer a result.
bool Run::is_dropped(const detail::QueryResult& result) const {
  return result.status.ok() && wanted_.kind == Kind::kEntities && !result.payload;
}

absl::Status Run::take(wire::EntityResult& result, detail::QueryResult& out) {
  if (wanted_.kind == Kind::kEntities) {
    const WallTime read_time = context::to_wall_time(response_.batch().read_time());
    if (spec_.read_time) return past_cache(result, *wanted_.info, budget_, out);
    return through_cache(*context_, result, read_time, *wanted_.info, options_, generation_, budget_, out);
  }
  NDB_ASSIGN_OR_RETURN(out.key, detail::entity_key(result.entity()));
  if (wanted_.kind == Kind::kProjection) {
    NDB_ASSIGN_OR_RETURN(out.row, wanted_.decode(out.key, result.entity()));
  }
  return absl::OkStatus();
}

bool Run::has_next() {
  context_->check_thread();
  if (ready_) return true;
  throw_if_error(failed_);
  if (busy_)
    throw BadRequestError("another tasklet is waiting for the next result of this query; let one go through it");
  const context::Call call(*context_);
  if (bounds_ == detail::Bounds::kStep) pace_.begin(now());
  busy_ = true;
  try {
    failed_ = in_query(find_next(), spec_);
  } catch (...) {  // an exception of a policy or an error handler, or StuckError
    busy_ = false;
    throw;
  }
  busy_ = false;
  throw_if_error(failed_);
  return ready_.has_value();
}

detail::QueryResult Run::next() {
  if (!has_next()) throw BadRequestError("the query has no further result: ask has_next() first");
  before_ = std::exchange(after_, std::move(ready_->cursor));
  detail::QueryResult result = std::move(ready_->result);
  ready_.reset();
  return result;
}

}  // namespace

std::shared_ptr<detail::QueryRun> detail::start_query(const QuerySpec& spec, const Wanted& wanted, std::size_t limit,
                                                      const Options& options, Bounds bounds) {
  const context::Call call;
  const auto run = std::make_shared<Run>(call.impl, spec, wanted, limit, options, bounds);
  throw_if_error(in_query(run->start(), spec));
  return run;
}

ExplainMetrics detail::explain(const QuerySpec& spec, const Wanted& wanted, const ExplainOptions& explain) {
  const context::Call call;
  Run run(call.impl, spec, wanted, kNoLimit, explain.options, Bounds::kRun);
  absl::StatusOr<ExplainMetrics> metrics = run.explain(explain.analyze);
  throw_if_error(in_query(metrics.status(), spec));
  return *std::move(metrics);
}

}  // namespace ndb
