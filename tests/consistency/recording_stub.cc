#include "consistency/recording_stub.h"

#include <string_view>

#include "context/client_core.h"

namespace ndb::consistency {
namespace {

Cell cell_of(std::string_view entity) {
  const Key key = *detail::entity_key(entity);
  auto payload = *detail::decode_entity(detail::info<Item>(), key, entity);
  return {.id = write_of(detail::HandleAccess::wrap<Item>(key, std::move(payload))), .key = index_of(key)};
}

}  // namespace

std::vector<Cell> RecordingStub::cells_of(const wire::CommitRequest& request) {
  std::vector<Cell> cells;
  for (const wire::Mutation& mutation : request.mutations()) {
    if (mutation.has_upsert()) {
      cells.push_back(cell_of(mutation.upsert()));
    } else {
      cells.push_back({.id = call_trace.write, .key = index_of(*Key::from_bytes(mutation.delete_())), .erases = true});
    }
  }
  return cells;
}

void RecordingStub::record_found(Recorder& recorder, const wire::LookupResponse& response) {
  std::vector<Cell> cells;
  for (const wire::EntityResult& found : response.found()) {
    cells.push_back(cell_of(found.entity()));
    cells.back().version = static_cast<Version>(found.version());
  }
  if (!cells.empty()) recorder.fact(Fact::kFound, cells);
}

void RecordingStub::record_outcome(Recorder& recorder, std::vector<Cell>& cells, bool whole,
                                   const absl::StatusOr<wire::CommitResponse>& response) {
  if (!response.ok()) {
    if (whole && !datastore::outcome_unknown(response.status())) recorder.fact(Fact::kRefused, cells);
    return;
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i].version = static_cast<Version>(response->mutation_results(static_cast<int>(i)).version());
  }
  recorder.fact(Fact::kApplied, cells);
}

Client recording_client(const ClientOptions& options, Recorder& recorder) {
  const std::shared_ptr<Client::Core> core = testing::take_core(Client(options));
  core->stub = std::make_unique<RecordingStub>(std::move(core->stub), recorder);
  return ndb::detail::ClientAccess::make(core);
}

}  // namespace ndb::consistency
