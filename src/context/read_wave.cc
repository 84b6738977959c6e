#include "context/read_wave.h"

#include <algorithm>
#include <cstddef>

#include "context/read_batch.h"
#include "memcache/time_limit.h"
#include "tasklet/bounds.h"
#include "tasklet/event_loop.h"

namespace ndb::context {

void ReadWave::entity(const std::shared_ptr<detail::ReadOp>& op, const CallPolicy& policy, const RpcOptions& rpc) {
  if (!batches_.empty() && batches_.back()->rpc() == rpc && batches_.back()->add(op, policy)) return;
  const auto found = by_rpc_.find(rpc);
  if (found != by_rpc_.end() && batches_[found->second]->add(op, policy)) return;
  by_rpc_[rpc] = batches_.size();
  batches_.push_back(std::make_shared<ReadBatch>(workspace_, transaction_, rpc));
  batches_.back()->add(op, policy);
}

void ReadWave::note(const Bounds* bounds) {
  latest_ = std::max(latest_, bounds != nullptr ? bounds->deadline() : Monotonic::max());
}

void ReadWave::tags(std::span<memcache::TagRead> reads, std::function<void()> done) {
  note(tasklet_locals().bounds.get());
  tags_.emplace_back(reads, std::move(done));
}

void ReadWave::raw(std::string key, std::function<void(std::optional<memcache::RawItem>)> done) {
  note(tasklet_locals().bounds.get());
  raw_.push_back({.key = std::move(key)});
  raw_done_.push_back(std::move(done));
}

void ReadWave::send() {
  std::vector<memcache::ReadRequest> requests;
  std::vector<std::size_t> ends;
  for (const auto& batch : batches_) {
    batch->ask(requests);
    note(batch->rpc().bounds.get());
    ends.push_back(requests.size());
  }
  std::vector<memcache::TagRead> tags;
  for (const auto& [reads, done] : tags_) tags.insert(tags.end(), reads.begin(), reads.end());

  std::vector<memcache::ReadResult> results;
  if (!requests.empty() || !tags.empty() || !raw_.empty()) {
    if (!requests.empty() || !tags.empty()) ++workspace_->counts->memcache_reads;
    // Half of the time: the Datastore must have some left where memcached does not answer.
    const memcache::TimeLimit limit(latest_ == Monotonic::max() ? std::chrono::nanoseconds::max()
                                                                : (latest_ - EventLoop::current().now()) / 2);
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
    batches_[i]->received(std::span(results).subspan(begin, ends[i] - begin));
  }
}

}  // namespace ndb::context
