// The framework with a Datastore in the same process.
#include <ndb/local_datastore.h>
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
  auto server = ndb::LocalDatastore::start();
  ndb::Client client(
      {.project = "consumer", .channel = server->channel(), .memcached_hosts = std::vector<std::string>{}});
  {
    auto scope = client.context();
    Account::make({.name = "Ada"}, ndb::id("ada")).put();
  }
  auto scope = client.context();  // a new context: its cache is empty
  Account same = Account::get_by_id("ada");
  if (!same || same->name != "Ada") {
    std::cerr << "what was put is not in the Datastore\n";
    return EXIT_FAILURE;
  }
}
