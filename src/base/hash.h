// Hashes, and the scrambling of bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ndb {

// For tables in memory whose keys come from outside: the hash has a secret that each process draws, so that nobody can
// choose many keys with one hash. It must never be stored or sent. Thread-safe.
std::size_t seeded_hash(std::string_view bytes) noexcept;

// Scrambles the bits of a number, one to one: each bit of the result depends on all of them (the finalizer of
// MurmurHash3, by Austin Appleby). The local Datastore's ids are made with it, so it stays as it is.
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53;
  return x ^ x >> 33;
}

// Transparent hashing, so that maps keyed by std::string are searched by std::string_view without a copy.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const noexcept { return seeded_hash(s); }
};

}  // namespace ndb
