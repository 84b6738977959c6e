// One path of the framework, repeated, for a tool that counts instructions: `./dev instructions` runs it under
// callgrind.
//   ndb_instructions_benchmark hit|batch|put COUNT
// hit: a get that the context cache answers. batch: a get of 100 entities that memcache answers. put: a put of an
// entity, with its locks in memcache. The servers are its own; their work is on other threads or in other processes.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "ndb/local_datastore.h"
#include "ndb/ndb.h"
#include "support/memcached_server.h"

namespace {

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
    ndb::Text bio{};
    bool active = false;
    double score = 0;
    ndb::Timestamp updated{};
    std::string email{};
  };
  NDB_MODEL(name, age, tags, bio, active, score, updated, email)
};

constexpr int kBatch = 100;

Account account(int i) {
  return Account::make({.name = "Ada Lovelace " + std::to_string(i),
                        .age = 36 + i,
                        .tags = {"vip", "mathematics", "poetry"},
                        .bio = ndb::Text(std::string(200, 'b')),
                        .active = true,
                        .score = 0.5 + i,
                        .updated = ndb::Timestamp(std::chrono::microseconds(1'700'000'000'000'000 + i)),
                        .email = "ada@example.com"},
                       ndb::id("account-" + std::to_string(i)));
}

}  // namespace

int main(int argc, char** argv) {
  int count = 0;
  if (argc != 3 || std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), count).ec != std::errc()) {
    std::fputs("usage: ndb_instructions_benchmark hit|batch|put COUNT\n", stderr);
    return 2;
  }
  const std::string path = argv[1];
  const auto datastore = ndb::LocalDatastore::start();
  ndb::testing::MemcachedServer memcached;
  ndb::ClientOptions options;
  options.project = "bench";
  options.channel = datastore->channel();
  options.memcached_hosts = {memcached.address()};
  // Under callgrind everything takes fifty times as long, and a time-out would make the call take another path.
  options.memcache_connect_timeout = options.memcache_io_timeout = std::chrono::seconds(10);
  const ndb::Client client(options);
  const auto scope = client.context();

  std::vector<Account> accounts;
  std::vector<ndb::Key> keys;
  for (int i = 0; i < kBatch; ++i) keys.push_back(accounts.emplace_back(account(i)).key());
  ndb::put_multi(accounts);
  ndb::get_multi<Account>(keys, {.use_cache = false});  // fills memcache

  const std::function<void()> once =
      path == "hit"     ? [&] { (void)keys[0].get<Account>(); }
      : path == "batch" ? std::function([&] { (void)ndb::get_multi<Account>(keys, {.use_cache = false}); })
                        : [&] { accounts[0].put({.use_cache = false}); };
  for (int i = 0; i < count; ++i) once();
  return 0;
}
