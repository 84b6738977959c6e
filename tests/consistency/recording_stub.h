// A stub that records the versions in the Datastore's answers before anybody else sees them. So every value that can be
// read, from any tier, has a version in the log of some process, even if that was killed right afterwards.
#pragma once

#include <bitset>
#include <memory>
#include <utility>
#include <vector>

#include "consistency/item.h"
#include "consistency/recorder.h"
#include "support/take_core.h"

namespace ndb::consistency {

// The call in progress on this thread. The context sends on the thread that waits, so the stub can tell.
struct CallTrace {
  WriteId write = 0;               // mutations that delete do not carry it themselves
  std::bitset<kKeys> looked_up{};  // keys that the Datastore was asked for
};
inline thread_local CallTrace call_trace;

class RecordingStub final : public testing::ForwardingStub {
 public:
  RecordingStub(std::unique_ptr<datastore::Stub> real, Recorder& recorder)
      : ForwardingStub(std::move(real)), recorder_(&recorder) {}

  void lookup(wire::LookupRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::LookupResponse> done) override {
    for (const std::string& key : request.keys()) call_trace.looked_up.set(index_of(*Key::from_bytes(key)));
    ForwardingStub::lookup(
        std::move(request), options,
        [recorder = recorder_, done = std::move(done)](absl::StatusOr<wire::LookupResponse> response) {
          if (response.ok()) record_found(*recorder, *response);
          done(std::move(response));
        });
  }
  void commit(wire::CommitRequest request, const datastore::CallOptions& options,
              datastore::Done<wire::CommitResponse> done) override {
    std::vector<Cell> cells = cells_of(request);
    const bool whole = request.mode() == wire::CommitRequest::TRANSACTIONAL || cells.size() == 1;
    recorder_->fact(Fact::kSent, cells);
    ForwardingStub::commit(std::move(request), options,
                           [recorder = recorder_, cells = std::move(cells), whole,
                            done = std::move(done)](absl::StatusOr<wire::CommitResponse> response) mutable {
                             record_outcome(*recorder, cells, whole, response);
                             done(std::move(response));
                           });
  }

 private:
  static std::vector<Cell> cells_of(const wire::CommitRequest& request);
  static void record_found(Recorder& recorder, const wire::LookupResponse& response);
  static void record_outcome(Recorder& recorder, std::vector<Cell>& cells, bool whole,
                             const absl::StatusOr<wire::CommitResponse>& response);

  Recorder* const recorder_;
};

// A client with `options` whose RPCs are recorded. `recorder` must outlive it.
Client recording_client(const ClientOptions& options, Recorder& recorder);

}  // namespace ndb::consistency
