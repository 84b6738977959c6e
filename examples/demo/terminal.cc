#include "terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace demo {
namespace {

bool is_terminal() {
  static const bool terminal = isatty(STDOUT_FILENO) == 1;
  return terminal;
}

bool has_colours() {
  static const bool colours = is_terminal() && std::getenv("NO_COLOR") == nullptr;
  return colours;
}

// The number of columns of UTF-8 text: its bytes without continuation bytes.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string spaces(std::size_t count) { return std::string(count, ' '); }

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string fixed(double number, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << number;
  return out.str();
}

}  // namespace

std::string styled(Style style, std::string_view text) {
  static constexpr std::array<std::string_view, 6> kCodes = {"0", "1", "2", "32", "31", "36"};
  if (style == Style::kPlain || !has_colours()) return std::string(text);
  return "\033[" + std::string(kCodes[static_cast<std::size_t>(style)]) + "m" + std::string(text) + "\033[0m";
}

void print_wrapped(std::string_view text, std::size_t indent, Style style, std::string_view lead) {
  std::istringstream words{std::string(text)};
  std::string begin = spaces(indent) + std::string(lead);
  std::string line, word;
  const auto end_line = [&] {
    std::cout << begin << styled(style, line) << '\n';
    begin = spaces(columns(begin));
    line.clear();
  };
  while (words >> word) {
    if (!line.empty() && columns(begin) + columns(line) + 1 + columns(word) > kWidth) end_line();
    line += (line.empty() ? "" : " ") + word;
  }
  end_line();
}

void print_title(std::string_view text) {
  const std::string rule = repeated("─", kWidth - 4 - std::min(columns(text), kWidth - 4));
  std::cout << '\n' << styled(Style::kBold, "── " + std::string(text) + " " + rule) << "\n\n";
}

std::string duration_text(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<double>(duration.count());
  if (ns < 1e3) return fixed(ns, 0) + " ns";
  if (ns < 1e6) return fixed(ns / 1e3, 1) + " µs";
  if (ns < 1e9) return fixed(ns / 1e6, 1) + " ms";
  return fixed(ns / 1e9, 1) + " s";
}

std::string count_text(std::size_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const std::string& cell = rows[r][i];
      const std::string padding = spaces(widths[i] - columns(cell));
      if (rows[r].size() == 1) {
        line = cell;
      } else {
        line += i == 0 ? cell + padding : "  " + padding + cell;
      }
    }
    if (rows[r].empty()) {
      std::size_t width = 2 * (widths.size() - 1);
      for (const std::size_t w : widths) width += w;
      line = repeated("─", width);
    }
    std::cout << "  " << styled(r == 0 ? Style::kBold : Style::kPlain, line) << '\n';
  }
}

Progress::Progress(std::string_view what, std::size_t total) : what_(what), total_(std::max<std::size_t>(total, 1)) {
  if (is_terminal()) draw();
}

void Progress::advance(std::size_t by) {
  const std::size_t quarters = 4 * done_ / total_;
  done_ += by;
  if (is_terminal() || 4 * done_ / total_ > quarters) draw();
}

void Progress::draw() const {
  static constexpr std::size_t kBar = 40;
  const double seconds = seconds_since(start_);
  const std::string figures =
      count_text(done_) + " of " + count_text(total_) +
      (done_ > 0 && seconds > 0
           ? ", " + count_text(static_cast<std::size_t>(static_cast<double>(done_) / seconds)) + "/s"
           : "");
  if (is_terminal()) {
    const std::size_t filled = std::min(kBar, kBar * done_ / total_);
    std::cout << "\r  " << what_ << ' ' << styled(Style::kCyan, repeated("█", filled)) << repeated("░", kBar - filled)
              << ' ' << figures << "\033[K" << (done_ >= total_ ? "\n" : "") << std::flush;
  } else {
    std::cout << "  " << what_ << ' ' << figures << std::endl;
  }
}

void Claims::claim(bool holds, std::string_view what) {
  ++made_;
  if (holds) return;
  ++broken_;
  std::cout << "       " << styled(Style::kRed, "DOES NOT HOLD: ") << what << '\n';
}

}  // namespace demo
