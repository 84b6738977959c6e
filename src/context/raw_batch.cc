#include "context/raw_batch.h"

#include <utility>

namespace ndb::context {

void RawBatch::send() {
  for (std::size_t i = 0; i < steps_.size();) {
    if (steps_[i].run) {
      steps_[i++].run(gateway_);
      continue;
    }
    std::size_t end = i;
    while (end < steps_.size() && steps_[end].got) ++end;
    send_gets(i, end);
    i = end;
  }
}

void RawBatch::send_gets(std::size_t begin, std::size_t end) {
  std::vector<memcache::RawRead> reads;
  for (std::size_t i = begin; i < end; ++i) reads.push_back({.key = std::move(steps_[i].key)});
  gateway_.read({}, {}, reads);
  for (std::size_t i = begin; i < end; ++i) steps_[i].got(std::move(reads[i - begin].item));
}

}  // namespace ndb::context
