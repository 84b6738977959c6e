#include "tour.h"

#include <cstdint>
#include <iostream>
#include <string>
#include <utility>

#include "counts.h"

namespace demo {

void Tour::chapter(std::string_view title) {
  print_title(title);
  at_title_ = true;
}

void Tour::step(std::string_view title, std::string_view manual) {
  ++steps_;
  std::cout << (std::exchange(at_title_, false) ? "" : "\n")
            << styled(Style::kBold, (steps_ < 10 ? "  " : " ") + std::to_string(steps_) + ". " + std::string(title))
            << '\n';
  print_wrapped(manual, 5, Style::kDim);
}

void Tour::note(std::string_view text) { print_wrapped(text, 5); }

void Tour::show(std::string_view code, const std::function<void()>& run, const ndb::TierCounts& expected) {
  print_wrapped(code, 5, Style::kCyan);
  const ndb::TierCounts before = ndb::get_context().counts();
  run();
  const ndb::TierCounts& after = ndb::get_context().counts();
  std::string changes;
  for (const auto& [name, field] : kCounts) {
    if (after.*field == before.*field) continue;
    changes += (changes.empty() ? "" : ", ") + std::string(name) + " " + std::to_string(before.*field) + "→" +
               std::to_string(after.*field);
  }
  print_wrapped(changes.empty() ? "nothing is sent" : changes, 7, Style::kPlain, "└ ");
  for (const auto& [name, field] : kCounts) {
    const std::uint64_t grown = after.*field - before.*field;
    claims_.claim(grown == expected.*field, std::string(name) + " grow by " + std::to_string(expected.*field) +
                                                ", not by " + std::to_string(grown));
  }
}

void Tour::claim(bool holds, std::string_view what) {
  if (holds) print_wrapped(what, 7, Style::kGreen, "└ ");
  claims_.claim(holds, what);
}

}  // namespace demo
