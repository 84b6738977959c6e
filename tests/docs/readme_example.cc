// The example of README.md: a whole program, so that it can be copied.
// [example]
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <chrono>
#include <iostream>

class Account : public ndb::Model<Account> {
 public:
  struct Properties {  // every field has an initializer
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
  };
  NDB_MODEL(name, age, tags)
  static constexpr std::chrono::seconds _memcache_timeout{3600};
};

int main() {
  auto server = ndb::LocalDatastore::start();          // in this process and in memory
  ndb::Client client({.channel = server->channel()});  // MEMCACHED_HOSTS names the memcached servers
  auto scope = client.context();                       // this thread's context, until the end of the block

  Account ada = Account::make({.name = "Ada", .age = 36}, ndb::id("ada"));
  ada.put();

  Account same = Account::get_by_id("ada");  // from the context's cache: no round trip
  same.edit().age += 1;                      // changes this copy alone, until put()
  same.put();

  for (const Account& account : Account::query(Account::age > 30).order(-Account::age).fetch(20)) {
    std::cout << account->name << " is " << account->age << '\n';
  }

  ndb::transaction([] {
    Account mine = Account::get_by_id("ada");
    mine.edit().age += 1;
    mine.put();
  });
  std::cout << "and soon " << ndb::key<Account>("ada").get<Account>({.use_cache = false})->age << '\n';
}
// [/example]
