#include "search.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"
#include "moves.h"
#include "reduction.h"

namespace ndb::explorer {
namespace {

class Search {
 public:
  Search(const Setup& setup, unsigned until, std::size_t most_states)
      : setup_(setup), until_(until), most_states_(most_states), protocol_(make_protocol(setup)) {}

  Result run() {
    const auto start = std::chrono::steady_clock::now();
    for (const State& state : initial_states(setup_, *protocol_)) reach(state, 0);
    while (!next_.empty() && !ended()) {
      frontier_.clear();
      frontier_.swap(next_);
      for (const State& state : frontier_) {
        if (ended()) break;
        visit(state);
      }
      ++result_.depth;
    }
    result_.complete = next_.empty() && !ended();
    result_.states = reached_from_.size();
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(result_);
  }

 private:
  bool ended() const { return (result_.violated & until_) == until_ || reached_from_.size() > most_states_; }

  void reach(const State& state, std::uint64_t from) {
    const State least = reduced(setup_, state);
    if (reached_from_.try_emplace(fingerprint(least), from).second) next_.push_back(least);
  }

  void visit(const State& state) {
    const std::uint64_t here = fingerprint(state);
    if (keeps_stale(setup_, state)) violate(kP2, here);
    successors(setup_, *protocol_, state, [&](const State& to, absl::FunctionRef<std::string()>) {
      ++result_.steps;
      if (to.violated == 0) return reach(to, here);
      for (const Property property : {kP1, kP3}) {
        if ((to.violated & property) != 0) violate(property, here);
      }
      State past = to;
      past.violated = 0;
      reach(past, here);
    });
  }

  void violate(Property property, std::uint64_t at) {
    if ((result_.violated & property) != 0) return;
    result_.violated |= property;
    result_.counterexamples[property] = retell(property, at);
  }

  // The states of the path are known by their fingerprints up to the names of their actors; one sequence of moves with
  // fixed names leads through the same fingerprints.
  std::vector<std::string> retell(Property property, std::uint64_t end) {
    std::vector<std::uint64_t> path;
    for (std::uint64_t at = end; at != 0; at = reached_from_.at(at)) path.push_back(at);
    std::ranges::reverse(path);

    std::vector<std::string> story;
    State state;
    for (const State& first : initial_states(setup_, *protocol_)) {
      if (fingerprint(reduced(setup_, first)) == path.front()) state = first;
    }
    story.push_back(cat("(at first ", text(state.record), ")"));
    for (std::size_t i = 1; i < path.size(); ++i) {
      state = retell_step(state, story, [&](const State& to) {
        State past = to;
        past.violated = 0;
        return fingerprint(reduced(setup_, past)) == path[i];
      });
    }
    if (property == kP2) {
      story.push_back(cat("END: memcached keeps ", text(state.record), ", the Datastore has v", int{state.version}));
    } else {
      retell_step(state, story, [&](const State& to) { return (to.violated & property) != 0; });
      story.back() += property == kP1 ? "   <== older than an acknowledged write"
                                      : "   <== older than what was acknowledged or returned before";
    }
    return story;
  }

  State retell_step(const State& from, std::vector<std::string>& story, absl::FunctionRef<bool(const State&)> is_it) {
    State next = from;
    bool found = false;
    successors(setup_, *protocol_, from, [&](const State& to, absl::FunctionRef<std::string()> label) {
      if (found || !is_it(to)) return;
      found = true;
      next = to;
      next.violated = 0;
      story.push_back(label());
    });
    return next;
  }

  const Setup setup_;
  const unsigned until_;
  const std::size_t most_states_;
  const std::unique_ptr<Protocol> protocol_;
  absl::flat_hash_map<std::uint64_t, std::uint64_t> reached_from_;  // fingerprints
  std::vector<State> frontier_, next_;
  Result result_;
};

}  // namespace

Result search(const Setup& setup, unsigned until, std::size_t most_states) {
  return Search(setup, until, most_states).run();
}

}  // namespace ndb::explorer
