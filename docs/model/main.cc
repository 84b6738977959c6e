// protocol_model: searches the states of the memcache protocol. README.md beside this file explains what it finds.

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "check.h"
#include "comparison.h"
#include "search.h"

namespace ndb::explorer {
namespace {

constexpr const char* kHelp = R"(usage: protocol_model --check [--reads N]
       protocol_model [OPTION...]

  --check            search what the test searches and compare it with what is expected; --reads 1 is the short form
  --variant NAME     the protocol (default current): current blind-lock delete-release no-min same-token no-epochs
                     release-unknown best-effort legacy-put legacy-delete
  --faults A,B       one search, in which each of these may happen once: crash lost delay evict expire unk part
                     casreuse refused none (default: a search for each of them)
  --pairs            a search for each pair of faults, also of the same one
  --writers N        1 to 3 (default 2)
  --reads N          of each of the 2 readers (default 2)
  --write-through    writers leave their value; else EMPTY
  --delete           the last writer deletes the entity
  --invalidate       somebody calls invalidate() once
  --floors           each reader is one context, which remembers what it has read
  --split            others may come between a store and the look at its result
  --compare          search without the reduction of states, and hold every state against its reduced form
  --trace            print a shortest counterexample for each property that is violated
  --most-states N    give a search up after so many states (default 100000000: some 5 GB)
)";

struct Options {
  Setup setup{};
  bool check = false, pairs = false, compare = false, trace = false;
  std::size_t most_states = 100'000'000;
  std::vector<Setup> searches{};
};

// The words of a command line, one after the other.
class Words {
 public:
  explicit Words(std::span<char*> words) : words_(words) {}
  bool is_empty() const { return words_.empty(); }
  std::string_view next() {
    if (words_.empty()) return {};
    const std::string_view word = words_.front();
    words_ = words_.subspan(1);
    return word;
  }
  template <class Number>
  bool next_number(Number& number, Number least, Number most) {
    const std::string_view word = next();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc() && end == word.data() + word.size() && number >= least && number <= most;
  }

 private:
  std::span<char*> words_;
};

bool add_faults(Setup& setup, std::string_view names) {
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    if (name == "none") continue;
    const std::optional<Fault> fault = fault_named(name);
    if (!fault) return false;
    ++setup.faults[*fault];
  }
  return true;
}

bool parse_option(std::string_view name, Words& words, Options& options, std::optional<std::string_view>& faults) {
  Setup& setup = options.setup;
  if (name == "--check") return options.check = true;
  if (name == "--pairs") return options.pairs = true;
  if (name == "--compare") return options.compare = true;
  if (name == "--trace") return options.trace = true;
  if (name == "--write-through") return setup.write_through = true;
  if (name == "--delete") return setup.deletes = true;
  if (name == "--invalidate") return setup.invalidator = true;
  if (name == "--floors") return setup.floors = true;
  if (name == "--split") return setup.split = true;
  if (name == "--writers") return words.next_number(setup.writers, 1, kMaxWriters);
  if (name == "--reads") return words.next_number(setup.reads, 1, 3);
  if (name == "--most-states") return words.next_number(options.most_states, std::size_t{1}, std::size_t{1} << 40U);
  if (name == "--faults") {
    faults = words.next();
    return !faults->empty();
  }
  if (name != "--variant") return false;
  const std::optional<Variant> variant = variant_named(words.next());
  if (variant) setup.variant = *variant;
  return variant.has_value();
}

void add_pairs(Options& options) {
  for (std::size_t one = 0; one < kRealFaults; ++one) {
    for (std::size_t two = one; two < kRealFaults; ++two) {
      Setup& setup = options.searches.emplace_back(options.setup);
      ++setup.faults[one];
      ++setup.faults[two];
    }
  }
}

void add_singles(Options& options) {
  options.searches.push_back(options.setup);
  for (std::size_t fault = 0; fault < kFaultKinds; ++fault) {
    options.searches.emplace_back(options.setup).faults[fault] = 1;
  }
}

std::optional<Options> parse(std::span<char*> arguments) {
  Options options;
  Words words(arguments);
  std::optional<std::string_view> faults;
  while (!words.is_empty()) {
    if (!parse_option(words.next(), words, options, faults)) return std::nullopt;
  }
  if (faults) {
    if (!add_faults(options.searches.emplace_back(options.setup), *faults)) return std::nullopt;
  } else {
    options.pairs ? add_pairs(options) : add_singles(options);
  }
  return options;
}

bool run_comparisons(const Options& options) {
  bool same = true;
  for (const Setup& setup : options.searches) {
    const Comparison result = compare(setup, options.most_states);
    const char* verdict = !result.difference.empty() ? "DIFFERENT" : result.complete ? "same" : "same (ended early)";
    std::printf("%-18s %11zu  %s\n%s", faults_text(setup).c_str(), result.states, verdict, result.difference.c_str());
    std::fflush(stdout);
    same = same && result.difference.empty();
  }
  return same;
}

void run_searches(const Options& options) {
  std::puts(kHeading);
  for (const Setup& setup : options.searches) {
    const Result result = search(setup, kP1 | kP2 | kP3, options.most_states);
    std::puts(row(setup, result).c_str());
    if (options.trace) {
      for (const auto& [property, steps] : result.counterexamples) {
        std::printf("  %s:\n", properties_text(property).c_str());
        for (const std::string& step : steps) std::printf("    %s\n", step.c_str());
      }
    }
    std::fflush(stdout);
  }
}

int run(std::span<char*> arguments) {
  const std::optional<Options> options = parse(arguments);
  if (!options) {
    std::fputs(kHelp, stderr);
    return 2;
  }
  if (options->check) return check(options->setup.reads) ? 0 : 1;
  if (options->compare) return run_comparisons(*options) ? 0 : 1;
  run_searches(*options);
  return 0;
}

}  // namespace
}  // namespace ndb::explorer

int main(int argc, char** argv) {
  return ndb::explorer::run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}
