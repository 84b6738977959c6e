// One kind, one entity. Needs the address of a Datastore and, for the memcache tier, of a memcached:
//
//   ndb serve &                                                             # or Cloud Datastore
//   export DATASTORE_EMULATOR_HOST=127.0.0.1:8081 MEMCACHED_HOSTS=127.0.0.1:11211
#include <ndb/ndb.h>

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
  };
  NDB_MODEL(name, age, tags)
};

int main() {
  const ndb::Client client;
  const auto scope = client.context();  // this thread's context, until the end of the scope

  Account::make({.name = "Ada", .age = 36, .tags = {"vip"}}, ndb::id("ada")).put();

  Account ada = Account::get_by_id("ada");  // from the in-context cache
  ada.edit().age += 1;                      // nobody sees this before put()
  ada.put();

  for (const Account& account : Account::query(Account::age > 30, Account::tags == "vip").fetch(20)) {
    std::cout << account->name << " is " << account->age << '\n';
  }
}
