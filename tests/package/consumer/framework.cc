// The framework alone, without any server: an entity that lives in the context's own cache.
#include <ndb/ndb.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};

int main() {
  const ndb::Options nowhere_else{.use_memcache = false, .use_datastore = false};
  ndb::Client client(
      {.project = "consumer", .emulator_host = "127.0.0.1:1", .memcached_hosts = std::vector<std::string>{}});
  auto scope = client.context();

  Account ada = Account::make({.name = "Ada"}, ndb::id("ada"));
  ada.put(nowhere_else);
  Account same = ndb::key<Account>("ada").get<Account>(nowhere_else);
  if (!same || same->name != "Ada") {
    std::cerr << "what was put is not in the context's cache\n";
    return EXIT_FAILURE;
  }
}
