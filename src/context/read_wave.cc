#include "context/read_wave.h"

#include <algorithm>
#include <cstddef>

#include "context/read_batch.h"

namespace ndb::context {

void ReadWave::entity(const std::shared_ptr<detail::ReadOp>& op, const CallPolicy& policy, const RpcOptions& rpc) {
  for (auto& [batch_rpc, batch] : batches_) {
    if (batch_rpc == rpc && batch->add(op, policy)) return;
  }
  auto batch = std::make_shared<ReadBatch>(workspace_, transaction_, rpc);
  batch->add(op, policy);
  batches_.emplace_back(rpc, std::move(batch));
}

void ReadWave::tags(std::span<memcache::TagRead> reads, std::function<void()> done) {
  tags_.emplace_back(reads, std::move(done));
}

void ReadWave::raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done) {
  raw_.push_back({.key = std::move(key)});
  raw_done_.push_back(std::move(done));
}

void ReadWave::send() {
  std::vector<memcache::ReadRequest> requests;
  std::vector<std::size_t> ends;
  for (const auto& [rpc, batch] : batches_) {
    batch->ask(requests);
    ends.push_back(requests.size());
  }
  std::vector<memcache::TagRead> tags;
  for (const auto& [reads, done] : tags_) tags.insert(tags.end(), reads.begin(), reads.end());

  std::vector<memcache::ReadResult> results;
  if (!requests.empty() || !tags.empty() || !raw_.empty()) {
    if (!requests.empty() || !tags.empty()) ++workspace_->counts->memcache_reads;
    results = workspace_->gateway()->read(requests, tags, raw_);
  }

  auto tag = tags.begin();
  for (const auto& [reads, done] : tags_) {
    std::ranges::copy_n(tag, std::ssize(reads), reads.begin());
    tag += std::ssize(reads);
    done();
  }
  for (std::size_t i = 0; i < raw_.size(); ++i) raw_done_[i](std::move(raw_[i].item));
  std::size_t begin = 0;
  for (std::size_t i = 0; i < batches_.size(); begin = ends[i++]) {
    batches_[i].second->received(std::span(results).subspan(begin, ends[i] - begin));
  }
}

}  // namespace ndb::context
