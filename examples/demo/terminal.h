// The demo's output, in at most 96 columns, with colours and a moving progress bar on terminals only.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

inline constexpr std::size_t kWidth = 96;

enum class Style { kPlain, kBold, kDim, kGreen, kRed, kCyan };
std::string styled(Style style, std::string_view text);

// Breaks `text` at spaces into lines that begin with `indent` spaces; the first line has `lead` after them.
void print_wrapped(std::string_view text, std::size_t indent, Style style = Style::kPlain, std::string_view lead = {});
void print_title(std::string_view text);

std::string duration_text(std::chrono::nanoseconds duration);  // "61.2 µs"
std::string count_text(std::size_t count);                     // "63,412"

// Columns are as wide as their widest cell; the first one is flush left, the others flush right. An empty row is a
// rule.
void print_table(const std::vector<std::vector<std::string>>& rows);

// Shows the progress of a task: on a terminal one line that changes, elsewhere a line for every quarter.
class Progress {
 public:
  Progress(std::string_view what, std::size_t total);
  void advance(std::size_t by);

 private:
  void draw() const;

  const std::string what_;
  const std::size_t total_;
  std::size_t done_ = 0;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The claims that the demo makes about what it shows. The demo fails if one of them does not hold.
class Claims {
 public:
  void claim(bool holds, std::string_view what);  // prints a claim that does not hold
  std::size_t made() const { return made_; }
  std::size_t broken() const { return broken_; }

 private:
  std::size_t made_ = 0, broken_ = 0;
};

}  // namespace demo
