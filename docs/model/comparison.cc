#include "comparison.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/strings.h"
#include "moves.h"
#include "reduction.h"

namespace ndb::explorer {
namespace {

using Next = std::pair<std::uint64_t, Byte>;  // a reduced state, and what the step to it violates

// If all states have the same next ones as their reduced forms, then by induction the same can happen to both forever.
class Comparer {
 public:
  Comparer(const Setup& setup, std::size_t most_states)
      : setup_(setup), most_states_(most_states), protocol_(make_protocol(setup)) {}

  Comparison run() {
    for (const State& state : initial_states(setup_, *protocol_)) reach(state);
    while (!left_.empty() && difference_.empty() && seen_.size() <= most_states_) {
      const State state = left_.back();
      left_.pop_back();
      compare(state);
    }
    const bool complete = left_.empty() && difference_.empty();
    return {.states = seen_.size(), .complete = complete, .difference = std::move(difference_)};
  }

 private:
  // By their names as they are.
  void reach(const State& state) {
    if (seen_.insert(fingerprint(state)).second) left_.push_back(state);
  }

  void compare(const State& state) {
    const State form = reduced(setup_, state);
    if (keeps_stale(setup_, state) != keeps_stale(setup_, form)) difference_ = "P2";
    const std::vector<Next> next = next_of(state);
    const std::vector<Next> of_form = next_of(form);
    if (next != of_form) difference_ = cat(only_in(next, state, of_form), only_in(of_form, form, next));
    successors(setup_, *protocol_, state, [&](State to, absl::FunctionRef<std::string()>) {
      to.violated = 0;
      reach(to);
    });
  }

  Next next(State to) const {
    const Byte violated = std::exchange(to.violated, Byte{0});
    return {fingerprint(reduced(setup_, to)), violated};
  }

  std::vector<Next> next_of(const State& state) const {
    std::vector<Next> all;
    successors(setup_, *protocol_, state,
               [&](const State& to, absl::FunctionRef<std::string()>) { all.push_back(next(to)); });
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    return all;
  }

  // The steps of a state that lead where none of its other form does.
  std::string only_in(const std::vector<Next>& ours, const State& state, const std::vector<Next>& theirs) const {
    std::string text;
    if (std::ranges::includes(theirs, ours)) return text;
    successors(setup_, *protocol_, state, [&](const State& to, absl::FunctionRef<std::string()> label) {
      if (!std::ranges::binary_search(theirs, next(to))) text += cat("  ", label(), "\n");
    });
    return text;
  }

  const Setup setup_;
  const std::size_t most_states_;
  const std::unique_ptr<Protocol> protocol_;
  absl::flat_hash_set<std::uint64_t> seen_;
  std::vector<State> left_;
  std::string difference_;
};

}  // namespace

Comparison compare(const Setup& setup, std::size_t most_states) { return Comparer(setup, most_states).run(); }

}  // namespace ndb::explorer
