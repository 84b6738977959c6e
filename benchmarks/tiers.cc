// Each tier beside its raw client, in one run: the first five rows of docs/performance.md.
//   ndb_tiers_benchmark [rounds]
// Starts a memcached and a local Datastore of its own; the Datastore is reached over loopback TCP by both sides.
#include <benchmark/benchmark.h>
#include <grpcpp/create_channel.h>
#include <libmemcached/memcached.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "context/client_core.h"
#include "google/datastore/v1/datastore.grpc.pb.h"
#include "native.pb.h"
#include "ndb/detail/payload.h"
#include "ndb/local_datastore.h"
#include "ndb/ndb.h"
#include "side_by_side.h"
#include "support/memcached_server.h"

namespace {

namespace datastore = google::datastore::v1;
using ndb::benchmarks::NativeAccount;
using ndb::benchmarks::Row;

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
    std::string employer{};
    ndb::Text bio{};
    bool active = false;
    double score = 0;
    ndb::Timestamp updated{};
    std::string email{};
    std::int64_t logins = 0;
  };
  NDB_MODEL(name, age, tags, employer, bio, active, score, updated, email, logins)
};

constexpr int kBatch = 100;

Account::Properties properties(int i) {
  return {.name = "Ada Lovelace " + std::to_string(i),
          .age = 36 + i,
          .tags = {"vip", "mathematics", "poetry"},
          .employer = "Analytical Engines",
          .bio = ndb::Text(std::string(200, 'b')),
          .active = true,
          .score = 0.5 + i,
          .updated = ndb::Timestamp(std::chrono::microseconds(1'700'000'000'000'000 + i)),
          .email = "ada@example.com",
          .logins = 1000 + i};
}

NativeAccount native(int i) {
  const Account::Properties p = properties(i);
  NativeAccount account;
  account.set_name(p.name);
  account.set_age(p.age);
  for (const std::string& tag : p.tags) account.add_tags(tag);
  account.set_employer(p.employer);
  account.set_bio(p.bio);
  account.set_active(p.active);
  account.set_score(p.score);
  account.set_updated(p.updated.time_since_epoch().count());
  account.set_email(p.email);
  account.set_logins(p.logins);
  return account;
}

// A memcached client as a program would set it up without the framework.
class RawMemcached {
 public:
  explicit RawMemcached(const ndb::testing::MemcachedServer& server) : handle_(memcached_create(nullptr)) {
    memcached_behavior_set(handle_, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    memcached_server_add(handle_, "127.0.0.1", server.port());
  }
  ~RawMemcached() { memcached_free(handle_); }
  RawMemcached(const RawMemcached&) = delete;
  RawMemcached& operator=(const RawMemcached&) = delete;

  void set(const std::string& key, const std::string& value) {
    if (memcached_set(handle_, key.data(), key.size(), value.data(), value.size(), 0, 0) != MEMCACHED_SUCCESS)
      std::abort();
  }
  void get(const std::string& key) {
    std::size_t size = 0;
    std::uint32_t flags = 0;
    memcached_return_t code = MEMCACHED_SUCCESS;
    char* value = memcached_get(handle_, key.data(), key.size(), &size, &flags, &code);
    if (code != MEMCACHED_SUCCESS) std::abort();
    std::free(value);
  }
  void get_all(const std::vector<std::string>& keys) {
    std::vector<const char*> names;
    std::vector<std::size_t> sizes;
    for (const std::string& key : keys) {
      names.push_back(key.data());
      sizes.push_back(key.size());
    }
    if (memcached_mget(handle_, names.data(), sizes.data(), names.size()) != MEMCACHED_SUCCESS) std::abort();
    std::size_t found = 0;
    memcached_return_t code = MEMCACHED_SUCCESS;
    while (memcached_result_st* result = memcached_fetch_result(handle_, nullptr, &code)) {
      ++found;
      memcached_result_free(result);
    }
    if (found != keys.size()) std::abort();
  }

 private:
  memcached_st* handle_;
};

class RawDatastore {
 public:
  explicit RawDatastore(const std::string& address)
      : stub_(datastore::Datastore::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {}

  void lookup(const std::vector<ndb::Key>& keys) {
    datastore::LookupRequest request;
    request.set_project_id(std::string(keys.front().project()));
    for (const ndb::Key& key : keys) {
      if (!request.add_keys()->ParseFromString(key.bytes())) std::abort();
    }
    datastore::LookupResponse response;
    grpc::ClientContext context;
    if (!stub_->Lookup(&context, request, &response).ok() || response.found_size() != request.keys_size()) std::abort();
  }
  void upsert(const std::string& project, const datastore::Entity& entity) {
    datastore::CommitRequest request;
    request.set_project_id(project);
    request.set_mode(datastore::CommitRequest::NON_TRANSACTIONAL);
    *request.add_mutations()->mutable_upsert() = entity;
    datastore::CommitResponse response;
    grpc::ClientContext context;
    if (!stub_->Commit(&context, request, &response).ok()) std::abort();
  }

 private:
  std::unique_ptr<datastore::Datastore::Stub> stub_;
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  const ndb::testing::MemcachedServer memcached;
  const auto server = ndb::LocalDatastore::start({.host_port = "127.0.0.1:0"});
  ndb::ClientOptions options;
  options.project = "bench";
  options.emulator_host = server->address();
  options.memcached_hosts = {memcached.address()};
  options.memcache_connect_timeout = options.memcache_io_timeout = std::chrono::seconds(5);
  const ndb::Client client(options);
  const auto scope = client.context();

  std::vector<ndb::Key> keys;
  std::vector<Account> accounts;
  std::vector<std::string> names, records;
  for (int i = 0; i < kBatch; ++i) {
    keys.push_back(ndb::key<Account>("account " + std::to_string(i)));
    accounts.push_back(Account::make(keys.back(), properties(i)));
    names.push_back("raw:" + std::to_string(i) + std::string(40, 'k'));  // about as long as our keys
  }
  ndb::put_multi(accounts);
  const auto encode = [&](int i) {
    return *ndb::detail::encode_entity(
        accounts[static_cast<std::size_t>(i)].key(),
        *ndb::detail::HandleAccess::payload(accounts[static_cast<std::size_t>(i)]).get());
  };
  RawMemcached raw_memcached(memcached);
  RawDatastore raw_datastore(server->address());
  absl::flat_hash_map<std::string, std::shared_ptr<const Account::Properties>> map;
  for (int i = 0; i < kBatch; ++i) {
    records.push_back(encode(i));
    raw_memcached.set(names[static_cast<std::size_t>(i)], records.back());
    map.emplace(names[static_cast<std::size_t>(i)], std::make_shared<const Account::Properties>(properties(i)));
  }
  ndb::get_multi<Account>(keys, {.use_cache = false});  // fills memcache; the next call fills the context
  ndb::get_multi<Account>(keys);
  datastore::Entity entity;
  if (!entity.ParseFromString(records.front())) return 1;
  const NativeAccount native_account = native(0);
  const std::string native_bytes = native_account.SerializeAsString();
  const auto& payload = *ndb::detail::HandleAccess::payload(accounts[0]).get();

  const ndb::Options from_memcache{.use_cache = false};
  const ndb::Options from_datastore{.use_cache = false, .use_memcache = false};
  ndb::ClientOptions plain = options;
  plain.memcached_hosts = std::vector<std::string>();

  std::size_t next = 0;
  const auto one = [&] { return next = (next + 1) % kBatch; };
  std::vector<Row> rows = {
      {"context hit, typed", "flat_hash_map find + copy", 2.0, 100'000,
       [&] { benchmark::DoNotOptimize(keys[one()].get<Account>()); },
       [&] { benchmark::DoNotOptimize(std::shared_ptr<const Account::Properties>(map.find(names[one()])->second)); }},
      {"memcache hit, batch of 1", "libmemcached get, no decoding", 1.15, 500,
       [&] { benchmark::DoNotOptimize(keys[one()].get<Account>(from_memcache)); },
       [&] { raw_memcached.get(names[one()]); }},
      {"memcache hit, batch of 100", "libmemcached mget, no decoding", 1.25, 50,
       [&] { benchmark::DoNotOptimize(ndb::get_multi<Account>(keys, from_memcache)); },
       [&] { raw_memcached.get_all(names); }},
      {"Datastore read, batch of 1", "generated stub, same request", 1.10, 100,
       [&] { benchmark::DoNotOptimize(keys[one()].get<Account>(from_datastore)); },
       [&] { raw_datastore.lookup({keys[one()]}); }},
      {"Datastore read, batch of 100", "generated stub, same request", 1.10, 20,
       [&] { benchmark::DoNotOptimize(ndb::get_multi<Account>(keys, from_datastore)); },
       [&] { raw_datastore.lookup(keys); }},
      {"encode + decode, 10 properties", "protobuf with native fields", 2.0, 20'000,
       [&] {
         const auto bytes = ndb::detail::encode_entity(keys[0], payload);
         benchmark::DoNotOptimize(ndb::detail::decode_entity(ndb::detail::info<Account>(), keys[0], *bytes));
       },
       [&] {
         const std::string bytes = native_account.SerializeAsString();
         NativeAccount decoded;
         benchmark::DoNotOptimize(decoded.ParseFromString(bytes));
       }},
      {"put, with memcache", "raw Commit + 3 libmemcached gets", 1.10, 100, [&] { accounts[0].put(); },
       [&] {
         raw_datastore.upsert("bench", entity);
         for (int i = 0; i < 3; ++i) raw_memcached.get(names[0]);
       }},
  };
  bool met = ndb::benchmarks::run_side_by_side(rows, rounds);
  // A client without memcached, with a context of its own on a thread of its own.
  std::thread([&] {
    const ndb::Client without(plain);
    const auto plain_scope = without.context();
    std::printf("\nwithout memcached:\n");
    met = ndb::benchmarks::run_side_by_side(
              {{"put, no cache", "raw Commit", 1.10, 100, [&] { accounts[1].put({.use_cache = false}); },
                [&] { raw_datastore.upsert("bench", entity); }}},
              rounds) &&
          met;
  }).join();
  std::printf("\n%s\n", met ? "every goal is met" : "some goals are missed");
  return 0;
}
