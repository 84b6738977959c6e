#include "consistency/weather.h"

#include <chrono>
#include <string>

#include "base/strings.h"

namespace ndb::consistency {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Regime regime_of(Fault fault, bool datastore, bool pauses) {
  Regime regime{.fault = fault};
  if (pauses) regime.pause = datastore ? microseconds(4000) : microseconds(100);
  switch (fault) {
    case Fault::kDrop:
    case Fault::kCut:
      regime.one_in = datastore ? 20 : 30;
      break;
    case Fault::kDelay:
      regime.one_in = 5;
      regime.longest_delay = milliseconds(datastore ? 300 : 120);
      break;
    case Fault::kHalfOpen:
      regime.one_in = 40;
      break;
    case Fault::kFlip:
      regime.one_in = 20;
      break;
    default:
      break;
  }
  return regime;
}

void fill(const testing::MemcachedServer& server, std::mt19937_64& random) {
  constexpr int kItems = 8000;
  std::string commands;
  for (int i = 0; i < kItems; ++i) {
    const std::size_t size = 60 + random() % 300;
    commands += cat("set filler-", random() % 1'000'000, " 0 0 ", size, " noreply\r\n", std::string(size, 'x'), "\r\n");
  }
  commands += "mn";
  server.command(commands);
}

}  // namespace ndb::consistency
