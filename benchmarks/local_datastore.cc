// The local Datastore beside bare RocksDB with the same bytes and, where one call is measured, an empty call of gRPC.
//   ndb_local_datastore_benchmark [rounds]
// Both sides are reached over loopback TCP. What starts a process starts `ndb serve` and this program with --bare.
#include "ndb/local_datastore.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bare_store.h"
#include "google/datastore/v1/datastore.grpc.pb.h"
#include "process.h"
#include "side_by_side.h"

namespace {

namespace v1 = google::datastore::v1;
using ndb::benchmarks::BareStore;
using ndb::benchmarks::Folder;
using ndb::benchmarks::kNoGoal;
using ndb::benchmarks::Pairs;
using ndb::benchmarks::Process;
using ndb::benchmarks::Row;

constexpr std::int64_t kBatch = 100;
constexpr std::int64_t kLoadBatch = 500;
constexpr std::int64_t kCounted = 100'000;
constexpr std::int64_t kScanned = 3'000;
constexpr std::int64_t kHeld[] = {0, 1'000, 500'000};

// A client of the Datastore with the measured calls. A call that fails ends the program.
class Client {
 public:
  explicit Client(const std::string& address)
      : stub_(v1::Datastore::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {}

  void empty_call() { call<v1::RollbackResponse>(&v1::Datastore::Stub::Rollback, v1::RollbackRequest()); }

  void lookup(std::int64_t i) {
    v1::LookupRequest request;
    *request.add_keys() = ndb::benchmarks::sample_entity(i).key();
    if (call<v1::LookupResponse>(&v1::Datastore::Stub::Lookup, request).found_size() != 1) std::abort();
  }

  // Any answer will do, because the store may be empty.
  void first_call() {
    v1::LookupRequest request;
    *request.add_keys() = ndb::benchmarks::sample_entity(0).key();
    call<v1::LookupResponse>(&v1::Datastore::Stub::Lookup, request);
  }

  void commit(std::int64_t first, std::int64_t count) {
    v1::CommitRequest request;
    request.set_mode(v1::CommitRequest::NON_TRANSACTIONAL);
    for (std::int64_t i = first; i < first + count; ++i) {
      *request.add_mutations()->mutable_upsert() = ndb::benchmarks::sample_entity(i);
    }
    call<v1::CommitResponse>(&v1::Datastore::Stub::Commit, request);
  }

  void load(std::int64_t first, std::int64_t end) {
    for (; first < end; first += kLoadBatch) commit(first, std::min(kLoadBatch, end - first));
  }

  void query_twenty() {
    v1::RunQueryRequest request;
    request.mutable_query()->add_kind()->set_name("Account");
    v1::PropertyFilter& filter = *request.mutable_query()->mutable_filter()->mutable_property_filter();
    filter.mutable_property()->set_name("age");
    filter.set_op(v1::PropertyFilter::EQUAL);
    filter.mutable_value()->set_integer_value(36);
    request.mutable_query()->mutable_limit()->set_value(20);
    if (call<v1::RunQueryResponse>(&v1::Datastore::Stub::RunQuery, request).batch().entity_results_size() != 20) {
      std::abort();
    }
  }

  void ordered_scan() {
    v1::RunQueryRequest request;
    v1::Query& query = *request.mutable_query();
    query.add_kind()->set_name("Account");
    query.add_order()->mutable_property()->set_name("number");
    for (std::int64_t left = kScanned; left > 0;) {
      query.mutable_limit()->set_value(static_cast<std::int32_t>(left));
      const auto response = call<v1::RunQueryResponse>(&v1::Datastore::Stub::RunQuery, request);
      if (response.batch().entity_results().empty()) std::abort();
      left -= response.batch().entity_results_size();
      query.set_start_cursor(response.batch().end_cursor());
    }
  }

  void count() {
    v1::RunAggregationQueryRequest request;
    request.mutable_aggregation_query()->mutable_nested_query()->add_kind()->set_name("Account");
    request.mutable_aggregation_query()->add_aggregations()->mutable_count();
    const auto response = call<v1::RunAggregationQueryResponse>(&v1::Datastore::Stub::RunAggregationQuery, request);
    const auto& values = response.batch().aggregation_results(0).aggregate_properties();
    if (values.at("property_1").integer_value() < kCounted) std::abort();
  }

 private:
  template <class Response, class Request>
  Response call(grpc::Status (v1::Datastore::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                Request request) {
    request.set_project_id("bench");
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    Response response;
    if (const grpc::Status status = (stub_.get()->*method)(&context, request, &response); !status.ok()) {
      std::fprintf(stderr, "a call failed: %s\n", status.error_message().c_str());
      std::exit(1);
    }
    return response;
  }

  std::unique_ptr<v1::Datastore::Stub> stub_;
};

// A gRPC server whose method does nothing.
class EmptyServer {
 public:
  EmptyServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) std::abort();
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  const std::string& address() const { return address_; }

 private:
  struct Service : v1::Datastore::Service {
    grpc::Status Rollback(grpc::ServerContext*, const v1::RollbackRequest*, v1::RollbackResponse*) override {
      return grpc::Status::OK;
    }
  };
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// The address that a server prints when it listens.
std::string address_of(Process& server) {
  constexpr std::string_view kSetting = "export DATASTORE_EMULATOR_HOST=";
  for (;;) {
    const std::string line = server.line();
    if (line.starts_with(kSetting)) return line.substr(kSetting.size());
    if (line.empty()) std::exit(1);
  }
}

// --bare COUNT: a server with this many entities in a bare RocksDB. It runs until it is killed.
[[noreturn]] void run_bare(std::int64_t count) {
  BareStore store;
  if (count > 0) {
    const Pairs pairs = ndb::benchmarks::pairs_of_an_entity();
    for (std::int64_t i = 0; i < count; i += kLoadBatch) store.write(pairs, i, kLoadBatch);
  }
  const EmptyServer server;
  std::printf("export DATASTORE_EMULATOR_HOST=%s\n", server.address().c_str());
  std::fflush(stdout);
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

Process start_bare(std::int64_t count) {
  return Process({std::filesystem::read_symlink("/proc/self/exe"), "--bare", std::to_string(count)});
}

Process start_ours() { return Process({NDB_COMMAND, "serve", "--host-port=127.0.0.1:0"}); }

bool measure_start(int rounds) {
  return ndb::benchmarks::run_side_by_side(
      {{"start, to the first answer", "the same of RocksDB and an empty server", kNoGoal, 1,
        [] {
          Process server = start_ours();
          Client(address_of(server)).first_call();
        },
        [] {
          Process server = start_bare(0);
          Client(address_of(server)).empty_call();
        },
        0.050}},
      rounds);
}

void measure_memory() {
  Process server = start_ours();
  Client client(address_of(server));
  std::printf("\n%-38s %-40s %10s %10s %7s\n", "resident memory with", "against", "ours", "raw", "ratio");
  std::int64_t held = 0;
  for (const std::int64_t count : kHeld) {
    client.load(held, count);
    held = count;
    Process bare = start_bare(count);
    address_of(bare);  // which it prints when it has stored them all
    const double ours = server.resident_mebibytes(), raw = bare.resident_mebibytes();
    std::printf("%-38s %-40s %6.0f MiB %6.0f MiB %6.2fx\n", (std::to_string(count) + " entities").c_str(),
                "RocksDB in memory, same bytes", ours, raw, ours / raw);
    std::fflush(stdout);
  }
}

// One kind of storage, on both sides, and the number of the next entity that each commits.
struct Storage {
  using Fsync = ndb::LocalDatastore::Fsync;
  Storage(bool on_disk, Fsync fsync)
      : server(ndb::LocalDatastore::start(
            {.host_port = "127.0.0.1:0", .data_dir = on_disk ? our_folder.path() : "", .fsync = fsync})),
        client(server->address()),
        bare(on_disk ? bare_folder.path() : "", on_disk && fsync == Fsync::kAlways) {}

  Folder our_folder, bare_folder;
  std::unique_ptr<ndb::LocalDatastore> server;
  Client client;
  BareStore bare;
  std::int64_t next = kCounted, next_bare = kCounted;
};

Row commit_row(const std::string& how, std::int64_t count, Storage& storage, Client& empty, const Pairs& pairs) {
  const std::string what = count == 1 ? "commit" : "commit of " + std::to_string(count);
  return {what + ", " + how,
          "RocksDB write and an empty call",
          1.5,
          count == 1 ? 100 : 10,
          [&storage, count] { storage.client.commit(std::exchange(storage.next, storage.next + count), count); },
          [&storage, count, &empty, &pairs] {
            storage.bare.write(pairs, std::exchange(storage.next_bare, storage.next_bare + count), count);
            empty.empty_call();
          }};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--bare") run_bare(std::atoll(argv[2]));
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  bool met = measure_start(rounds);
  measure_memory();

  const Pairs pairs = ndb::benchmarks::pairs_of_an_entity();
  const EmptyServer empty_server;
  Client empty(empty_server.address());
  Storage memory(false, Storage::Fsync::kAlways), synced(true, Storage::Fsync::kAlways);
  Storage unsynced(true, Storage::Fsync::kInterval);
  memory.client.load(0, kCounted);
  for (std::int64_t i = 0; i < kCounted; i += kLoadBatch) memory.bare.write(pairs, i, kLoadBatch);

  std::int64_t at = 0;
  const auto any = [&] { return at = (at + 7919) % kCounted; };
  std::vector<Row> rows = {
      {"lookup", "RocksDB get and an empty call", 1.5, 200, [&] { memory.client.lookup(any()); },
       [&] {
         memory.bare.read(pairs, any());
         empty.empty_call();
       }},
      {"lookup", "RocksDB get alone", kNoGoal, 200, [&] { memory.client.lookup(any()); },
       [&] { memory.bare.read(pairs, any()); }},
      {"query, 20 entities of an index", "RocksDB, the same reads", kNoGoal, 50, [&] { memory.client.query_twenty(); },
       [&] { memory.bare.scan(pairs, 20, true); }},
      {"scan of 3,000 entities in order", "RocksDB, the same reads", kNoGoal, 2, [&] { memory.client.ordered_scan(); },
       [&] { memory.bare.scan(pairs, kScanned, true); }},
      {"count of 100,000", "RocksDB, the same index", kNoGoal, 2, [&] { memory.client.count(); },
       [&] { memory.bare.scan(pairs, kCounted, false); }},
  };
  for (const std::int64_t count : {std::int64_t{1}, kBatch}) {
    rows.push_back(commit_row("in memory", count, memory, empty, pairs));
    rows.push_back(commit_row("fsync=always", count, synced, empty, pairs));
    rows.push_back(commit_row("fsync=interval", count, unsynced, empty, pairs));
  }
  std::printf("\n");
  met = ndb::benchmarks::run_side_by_side(rows, rounds) && met;
  std::printf("\n%s\n", met ? "every goal is met" : "some goals are missed");
  return 0;
}
