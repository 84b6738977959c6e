// What a query selects, and the ways to get it: all at once, page by page, one by one, or into a function.
#pragma once

#include <algorithm>
#include <any>
#include <concepts>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ndb/cursor.h"
#include "ndb/detail/query_calls.h"
#include "ndb/error.h"
#include "ndb/explain.h"
#include "ndb/future.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/tasklet.h"

namespace ndb {

namespace detail {

// A result as a row. Its error, if it has one, is thrown.
template <class Row>
Row row_of(QueryResult result) {
  if (!result.status.ok()) throw_error(result.status);
  if constexpr (std::derived_from<Row, Handle>) {
    return HandleAccess::wrap<Row>(std::move(result.key), std::move(result.payload));
  } else if constexpr (std::same_as<Row, Key>) {
    return std::move(result.key);
  } else {
    return std::any_cast<Row>(std::move(result.row));
  }
}

}  // namespace detail

// Results one after another. While one batch of them is used, the next is under way. An iteration works in the context
// where it was started, and one tasklet at a time may use it (BadRequestError). Copies share the position. A
// single-pass range.
//
// An error of one result (see Selection) is thrown in the place of that result, and the iteration is then past it: to
// continue, call next(), or begin the loop over the same iteration, again. An error of the query itself ends the
// iteration, and every later call throws it again.
template <class Row>
class Iteration {
 public:
  // An input iterator for a range-based for loop, which holds one result.
  class Iterator {
   public:
    // What std::input_iterator asks for.
    using value_type = Row;
    using difference_type = std::ptrdiff_t;

    // Reads the first result. This, and ++, wait for a result and throw as Iteration::next() does.
    explicit Iterator(std::shared_ptr<detail::QueryRun> run) : run_(std::move(run)) { ++*this; }

    // The result. Not at the end.
    Row& operator*() const { return *row_; }
    Row* operator->() const { return &*row_; }

    // On to the next result.
    Iterator& operator++() {
      row_.reset();
      if (run_->has_next()) row_.emplace(detail::row_of<Row>(run_->next()));
      return *this;
    }
    void operator++(int) { ++*this; }

    // Whether there is no further result.
    bool operator==(std::default_sentinel_t) const { return !row_.has_value(); }

   private:
    std::shared_ptr<detail::QueryRun> run_;
    mutable std::optional<Row> row_;
  };

  // Selection::iterate() makes it.
  explicit Iteration(std::shared_ptr<detail::QueryRun> run) : run_(std::move(run)) {}

  // Whether there is another result, which may be one that next() throws the error of. Waits where need be.
  bool has_next() const { return run_->has_next(); }
  Row next() const { return detail::row_of<Row>(run_->next()); }  // BadRequestError if there is none
  // As next(), with an error of the result as a status.
  absl::StatusOr<Row> try_next() const {
    detail::QueryResult result = run_->next();
    if (!result.status.ok()) return std::move(result.status);
    return detail::row_of<Row>(std::move(result));
  }
  // The places before and behind the last result; at the start both are where the query starts. The second is also
  // behind results that Query::on_error() has skipped since.
  const Cursor& cursor_before() const { return run_->before(); }
  const Cursor& cursor_after() const { return run_->after(); }

  // The range from the present place on.
  Iterator begin() const { return Iterator(run_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<detail::QueryRun> run_;
};

// A page of results: `auto [results, cursor, more] = query.fetch_page(20, cursor);`
template <class Row>
struct Page {
  std::vector<Row> results{};  // in the query's order; as many as were asked for, or fewer at the end
  Cursor cursor{};             // its far end: where the next page starts, or, of fetch_page_before(), this one
  bool more = false;           // whether there is a result beyond that
};

// The base of queries, with all ways to get their results as rows of one type. Immutable, and safe to use from many
// threads.
//
// A `limit` replaces the query's own. Functions that end in _async go on in a tasklet of their own after they return;
// the query is sent when the caller next waits. Options that concern memcache have no effect. `deadline` bounds a whole
// call of fetch(), get() or fetch_page(), and each wait for a next result of iterate() and map(); when it is over they
// fail with DEADLINE_EXCEEDED. Without a deadline a query may take any time, as long as a result or a cursor arrives at
// least every 60 s.
//
// Errors are those of the Datastore, and BadQueryError and BadFilterError for a query that makes no sense. Beside these
// errors of the query there are errors of one result: BadValueError where a stored property does not fit the class,
// KindError where GQL selects another kind, DATA_LOSS where the bytes are no entity. fetch(), get() and fetch_page()
// throw the first of them and give nothing; map() calls its function with all other results before; an iteration can go
// on behind it. Query::on_error() passes over them.
template <class Row>
class Selection {
 public:
  // All results, up to the limit.
  std::vector<Row> fetch(std::size_t limit = kNoLimit, const Options& options = {}) const {
    std::vector<Row> rows;
    const auto run = start(spec_, limit, options, detail::Bounds::kRun);
    while (run->has_next()) rows.push_back(detail::row_of<Row>(run->next()));
    return rows;
  }
  // The same in a tasklet.
  Future<std::vector<Row>> fetch_async(std::size_t limit = kNoLimit, const Options& options = {}) const {
    return detail::in_background([self = *this, limit, options] { return self.fetch(limit, options); });
  }

  // The first result; an empty row if there is none.
  Row get(const Options& options = {}) const {
    const auto run = start(spec_, 1, options, detail::Bounds::kRun);
    return run->has_next() ? detail::row_of<Row>(run->next()) : Row();
  }
  // The same in a tasklet.
  Future<Row> get_async(const Options& options = {}) const {
    return detail::in_background([self = *this, options] { return self.get(options); });
  }

  // Up to `size` results from `start` on, in place of the query's limit; its offset counts for the first page only.
  // `more` is exact: one result behind the page is looked at. A result with an error makes this page fail whenever it
  // is asked for; on_error() gets past it.
  Page<Row> fetch_page(std::size_t size, const Cursor& start = {}, const Options& options = {}) const {
    detail::QuerySpec spec = spec_;
    if (start) {
      spec.start = start;
      spec.offset = 0;
    }
    return page_of(spec, size, options);
  }
  // The same in a tasklet.
  Future<Page<Row>> fetch_page_async(std::size_t size, const Cursor& start = {}, const Options& options = {}) const {
    return detail::in_background(
        [self = *this, size, start, options] { return self.fetch_page(size, start, options); });
  }

  // The page that ends at `before`: the up to `size` results in front of it, in the query's order. An empty cursor asks
  // for the last page. `cursor` of the page is where it starts, which is what the page in front of it ends at, and
  // fetch_page() reads it again; `more` says whether there is a result in front of it. `before` is a cursor of
  // fetch_page(), fetch_page_before() or an iteration of this query.
  //
  // The Datastore runs the query with all orders reversed, which may need a composite index of its own. BadQueryError
  // where that is not the same sequence backwards: if the order of results with equal values is not said (end the
  // orders with the key, `order(-Account::age, Account::_key)`; a query without orders and inequalities is by key
  // anyway); if an order is by a repeated property, since an entity is at its smallest value forwards and at its
  // largest backwards; for a projection by properties that are not among the orders; and with offset(), distinct_on()
  // or GQL.
  Page<Row> fetch_page_before(std::size_t size, const Cursor& before, const Options& options = {}) const {
    Page<Row> page = page_of(detail::reversed(spec_, wanted_, before), size, options);
    std::ranges::reverse(page.results);
    return page;
  }
  // The same in a tasklet.
  Future<Page<Row>> fetch_page_before_async(std::size_t size, const Cursor& before, const Options& options = {}) const {
    return detail::in_background(
        [self = *this, size, before, options] { return self.fetch_page_before(size, before, options); });
  }

  // `for (Account account : query)`, or with options `for (Account account : query.iterate(limit, options))`.
  Iteration<Row> iterate(std::size_t limit = kNoLimit, const Options& options = {}) const {
    return Iteration<Row>(start(spec_, limit, options, detail::Bounds::kStep));
  }
  // The range of the results, as of iterate(): each begin() sends the query anew.
  typename Iteration<Row>::Iterator begin() const { return iterate().begin(); }
  // The end of any such range.
  std::default_sentinel_t end() const { return {}; }

  // Calls `function` with every result, in concurrent tasklets (at most kMapWidth at a time): what they get is batched.
  // Gives what the calls gave, in the order of the results. If calls fail, or results have errors, the other calls are
  // made nevertheless, and then the first error is rethrown.
  template <std::invocable<Row&> Function>
  auto map(Function function, std::size_t limit = kNoLimit, const Options& options = {}) const {
    using Result = std::decay_t<std::invoke_result_t<Function&, Row&>>;
    std::vector<detail::NotVoid<Result>> results;
    std::exception_ptr error;
    std::deque<Tasklet<Result>> running;
    const auto collect = [&] {
      try {
        if constexpr (std::is_void_v<Result>) {
          running.front().get();
        } else {
          results.push_back(std::move(running.front()).get());
        }
      } catch (...) {
        if (error == nullptr) error = std::current_exception();
      }
      running.pop_front();
    };
    const auto run = start(spec_, limit, options, detail::Bounds::kStep);
    while (run->has_next()) {
      detail::QueryResult result = run->next();
      running.push_back(tasklet([&function, result = std::move(result)]() mutable -> Result {
        Row row = detail::row_of<Row>(std::move(result));
        return function(row);
      }));
      while (!running.empty() && (running.size() >= kMapWidth || running.front().done())) collect();
    }
    while (!running.empty()) collect();
    if (error != nullptr) std::rethrow_exception(error);
    if constexpr (!std::is_void_v<Result>) return results;
  }
  // The tasklet must not outlive what `function` refers to.
  template <std::invocable<Row&> Function>
  auto map_async(Function function, std::size_t limit = kNoLimit, const Options& options = {}) const {
    return tasklet([self = *this, function = std::move(function), limit, options]() mutable {
      return self.map(std::move(function), limit, options);
    });
  }

  // Which indexes the Datastore uses for this query. With `explain({.analyze = true})` it also runs the query, up to
  // its limit, and says what that took; the results are dropped, and the context cache has no part in it. UNIMPLEMENTED
  // from a Datastore that does not know ExplainOptions.
  ExplainMetrics explain(const ExplainOptions& options = {}) const { return detail::explain(spec_, wanted_, options); }
  // The same in a tasklet.
  Future<ExplainMetrics> explain_async(const ExplainOptions& options = {}) const {
    return detail::in_background([self = *this, options] { return self.explain(options); });
  }

  // What is asked, for the framework's tests.
  const detail::QuerySpec& spec() const { return spec_; }

 protected:
  // For the classes of queries.
  Selection(detail::QuerySpec spec, detail::Wanted wanted) : spec_(std::move(spec)), wanted_(std::move(wanted)) {}
  // `query` with an error handler.
  template <class Query>
  static Query handing_errors_to(Query query, ErrorHandler handler) {
    query.spec_.on_error = std::move(handler);
    return query;
  }

  detail::QuerySpec spec_;  // what is asked
  detail::Wanted wanted_;   // what results are made into

 private:
  Page<Row> page_of(const detail::QuerySpec& spec, std::size_t size, const Options& options) const {
    const auto run = start(spec, size == kNoLimit ? size : size + 1, options, detail::Bounds::kRun);
    Page<Row> page;
    while (page.results.size() < size && run->has_next()) {
      page.results.push_back(detail::row_of<Row>(run->next()));
    }
    page.more = run->has_next();
    page.cursor = run->after();  // behind what was passed over at the end, so that the next page does not meet it again
    return page;
  }
  std::shared_ptr<detail::QueryRun> start(const detail::QuerySpec& spec, std::size_t limit, const Options& options,
                                          detail::Bounds bounds) const {
    return detail::start_query(spec, wanted_, limit, options, bounds);
  }
};

}  // namespace ndb
