// How often keys were asked for lately, in a few bits for each: a count-min sketch that forgets.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"

namespace ndb {

// Four counters of four bits for a hash, in half a cache line; sharing by several hashes only makes an estimate too
// high. When about ten uses per key of the capacity have been counted, all counters are halved, so that keys which are
// no longer popular fade (the ageing of TinyLFU: Einziger, Friedman, Manes 2017). Not thread-safe.
class FrequencySketch {
 public:
  static constexpr int kMost = 15;  // counters saturate

  // Makes it fit for this many keys, and empty. Before the first call it counts nothing.
  void resize(std::size_t keys) {
    lines_.assign(std::bit_ceil(std::clamp<std::size_t>(keys / 8, 1, kMostLines)), Line{});
    until_halved_ = halving_period();
  }
  std::size_t keys() const { return lines_.size() * 8; }

  void count(std::size_t hash) {
    const std::uint64_t h = mix_bits(hash);  // hashes of integers may be the integers
    Line& line = lines_[h & (lines_.size() - 1)];
    bool counted = false;
    for (std::size_t row = 0; row < line.size(); ++row) {
      const std::size_t shift = shift_of(h, row);
      if ((line[row] >> shift & kMost) == kMost) continue;
      line[row] += std::uint64_t{1} << shift;
      counted = true;
    }
    if (counted && --until_halved_ == 0) halve();
  }

  int estimate(std::size_t hash) const {
    const std::uint64_t h = mix_bits(hash);
    const Line& line = lines_[h & (lines_.size() - 1)];
    std::uint64_t least = kMost;
    for (std::size_t row = 0; row < line.size(); ++row) least = std::min(least, line[row] >> shift_of(h, row) & kMost);
    return static_cast<int>(least);
  }

 private:
  using Line = std::array<std::uint64_t, 4>;
  static constexpr std::size_t kMostLines = std::size_t{1} << 24;

  static std::size_t shift_of(std::uint64_t h, std::size_t row) { return (h >> (32 + 8 * row) & 0xF) * 4; }
  std::size_t halving_period() const { return 10 * keys(); }

  void halve() {
    for (Line& line : lines_) {
      for (std::uint64_t& word : line) word = word >> 1 & 0x7777777777777777;
    }
    until_halved_ = halving_period() / 2;
  }

  std::vector<Line> lines_;
  std::size_t until_halved_ = 0;
};

}  // namespace ndb
