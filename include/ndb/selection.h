// What a query selects, and the ways to get it: all at once, page by page, one by one, or into a function.
#pragma once

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

#include "ndb/cursor.h"
#include "ndb/detail/query_calls.h"
#include "ndb/future.h"
#include "ndb/handle.h"
#include "ndb/key.h"
#include "ndb/options.h"
#include "ndb/tasklet.h"

namespace ndb {

namespace detail {

// How a result becomes a row.
template <class Row>
struct RowMaker;
template <std::derived_from<Handle> M>
struct RowMaker<M> {
  static M make(QueryResult result) { return HandleAccess::wrap<M>(std::move(result.key), std::move(result.payload)); }
};
template <>
struct RowMaker<Key> {
  static Key make(QueryResult result) { return std::move(result.key); }
};

}  // namespace detail

// Results one after another. While one batch of them is used, the next is under way. It works in the context where it
// was started, and is used by one tasklet at a time (BadRequestError). Copies share the place. A range that can be gone
// through once.
template <class Row>
class Iteration {
 public:
  class Iterator {
   public:
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(std::shared_ptr<detail::QueryRun> run) : run_(std::move(run)) { ++*this; }
    Row& operator*() const { return *row_; }
    Row* operator->() const { return &*row_; }
    Iterator& operator++() {
      row_.reset();
      if (run_->has_next()) row_.emplace(detail::RowMaker<Row>::make(run_->next()));
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !row_.has_value(); }

   private:
    std::shared_ptr<detail::QueryRun> run_;
    mutable std::optional<Row> row_;
  };

  explicit Iteration(std::shared_ptr<detail::QueryRun> run) : run_(std::move(run)) {}

  bool has_next() const { return run_->has_next(); }
  Row next() const { return detail::RowMaker<Row>::make(run_->next()); }  // BadRequestError if there is none
  // The places before and behind the result that was given last; at the start both are where the query starts.
  const Cursor& cursor_before() const { return run_->before(); }
  const Cursor& cursor_after() const { return run_->after(); }

  Iterator begin() const { return Iterator(run_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<detail::QueryRun> run_;
};

// A page of results: `auto [results, cursor, more] = query.fetch_page(20, cursor);`
template <class Row>
struct Page {
  std::vector<Row> results{};
  Cursor cursor{};    // where the next page starts
  bool more = false;  // whether there is a result behind this page
};

// The base of queries, with all ways to get their results as rows of one type. Immutable, and safe to use from many
// threads.
//
// A `limit` stands instead of the query's own. Functions that end in _async have started when they return, and go on
// in a tasklet of their own; the query is sent when the caller next waits. Errors are those of the Datastore,
// BadQueryError and BadFilterError for a query that makes no sense, BadValueError for a result that does not fit its
// class. Of the options, those that concern memcache mean nothing here.
template <class Row>
class Selection {
 public:
  std::vector<Row> fetch(std::size_t limit = kNoLimit, const Options& options = {}) const {
    std::vector<Row> rows;
    for (const auto run = start(limit, options); run->has_next();) {
      rows.push_back(detail::RowMaker<Row>::make(run->next()));
    }
    return rows;
  }
  Future<std::vector<Row>> fetch_async(std::size_t limit = kNoLimit, const Options& options = {}) const {
    return detail::in_background([self = *this, limit, options] { return self.fetch(limit, options); });
  }

  // The first result; an empty row if there is none.
  Row get(const Options& options = {}) const {
    const auto run = start(1, options);
    return run->has_next() ? detail::RowMaker<Row>::make(run->next()) : Row();
  }
  Future<Row> get_async(const Options& options = {}) const {
    return detail::in_background([self = *this, options] { return self.get(options); });
  }

  // Up to `size` results from `start` on, in place of the query's limit; its offset counts for the first page only.
  // `more` is exact: one result behind the page is looked at.
  Page<Row> fetch_page(std::size_t size, const Cursor& start = {}, const Options& options = {}) const {
    detail::QuerySpec spec = spec_;
    if (start) {
      spec.start = start;
      spec.offset = 0;
    }
    const auto run = detail::start_query(spec, wanted_, size == kNoLimit ? size : size + 1, options);
    Page<Row> page;
    while (page.results.size() < size && run->has_next()) {
      page.results.push_back(detail::RowMaker<Row>::make(run->next()));
    }
    page.cursor = run->after();
    page.more = run->has_next();
    return page;
  }
  Future<Page<Row>> fetch_page_async(std::size_t size, const Cursor& start = {}, const Options& options = {}) const {
    return detail::in_background(
        [self = *this, size, start, options] { return self.fetch_page(size, start, options); });
  }

  // `for (Account account : query)`, or with options `for (Account account : query.iterate(limit, options))`.
  Iteration<Row> iterate(std::size_t limit = kNoLimit, const Options& options = {}) const {
    return Iteration<Row>(start(limit, options));
  }
  typename Iteration<Row>::Iterator begin() const { return iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

  // Calls `function` with every result, in concurrent tasklets (at most kMapWidth at a time): what they get is batched.
  // Gives what the calls gave, in the order of the results. If calls fail, the others are made nevertheless, and then
  // the error of the first is rethrown.
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
    for (const auto run = start(limit, options); run->has_next();) {
      running.push_back(tasklet(
          [&function, row = detail::RowMaker<Row>::make(run->next())]() mutable -> Result { return function(row); }));
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

  const detail::QuerySpec& spec() const { return spec_; }

 protected:
  Selection(detail::QuerySpec spec, detail::Wanted wanted) : spec_(std::move(spec)), wanted_(std::move(wanted)) {}

  detail::QuerySpec spec_;
  detail::Wanted wanted_;

 private:
  std::shared_ptr<detail::QueryRun> start(std::size_t limit, const Options& options) const {
    return detail::start_query(spec_, wanted_, limit, options);
  }
};

}  // namespace ndb
