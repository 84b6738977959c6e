// What is cached where, decided from the most general to the most special: by the class, by the context, by the call.
// Runs where hello.cc does.
#include <ndb/ndb.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>

// Entities of this class stay in memcache for 30 seconds, and are not kept in contexts.
class Rate : public ndb::Model<Rate> {
 public:
  struct Properties {
    double value = 0;
  };
  NDB_MODEL(value)
  static constexpr bool _use_cache = false;
  static constexpr std::chrono::seconds _memcache_timeout{30};
};

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};

int main() {
  const ndb::Client client;
  const auto scope = client.context();
  ndb::Context& context = ndb::get_context();

  // Accounts are not kept in this context; all other kinds as their classes say.
  context.set_cache_policy([](const ndb::Key& key) -> std::optional<bool> {
    if (key.kind() == "Account") return false;
    return ndb::Context::default_cache_policy(key);
  });

  Rate::make({.value = 1.08}, ndb::id("EUR")).put();
  Account::make({.name = "Ada"}, ndb::id("ada")).put();

  // This call goes to the Datastore, whatever the policies say.
  const ndb::Key key = ndb::key<Account>("ada");
  const Account ada = key.get<Account>({.use_cache = false, .use_memcache = false});
  const Rate euro = Rate::get_by_id("EUR");
  std::cout << ada->name << " pays " << euro->value << "; " << context.counts().lookups << " Lookups\n";
}
