#include "base/hash.h"

#include <xxhash.h>

#include <array>
#include <random>

namespace ndb {
namespace {

// Random throughout, rather than the secret that XXH3 derives from a 64-bit seed, so that each word of the input is
// multiplied under a mask of its own.
class Secret {
 public:
  Secret() {
    std::random_device random;
    for (std::uint32_t& word : words_) word = random();
  }
  const void* data() const { return words_.data(); }
  static constexpr std::size_t size() { return sizeof(Words); }

 private:
  using Words = std::array<std::uint32_t, 48>;
  static_assert(sizeof(Words) >= XXH3_SECRET_SIZE_MIN);
  Words words_;
};

// In a function, because keys are also made before main.
const Secret& secret() {
  static const Secret secret;
  return secret;
}

}  // namespace

std::size_t seeded_hash(std::string_view bytes) noexcept {
  return XXH3_64bits_withSecret(bytes.data(), bytes.size(), secret().data(), Secret::size());
}

}  // namespace ndb
