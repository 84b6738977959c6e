// A fixture with one client on real tiers, and the entities that the tests of contexts share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/tiers.h"

namespace ndb::testing {

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
    ndb::Timestamp updated{};
    std::string initial() const { return name.substr(0, 1); }
  };
  NDB_MODEL(name, age, tags, (updated, .auto_now = true), initial)
};

class Through : public ndb::Model<Through> {
 public:
  struct Properties {
    std::int64_t n = 0;
  };
  NDB_MODEL(n)
  static constexpr bool _write_through = true;
};

class ContextTest : public Tiers {
 protected:
  void store(const std::vector<ndb::Key>& keys) {
    in_new_context(client_, [&] {
      std::vector<Account> accounts;
      for (const ndb::Key& key : keys) accounts.push_back(Account::make(key, {.name = std::string(*key.string_id())}));
      ndb::put_multi(accounts);
    });
  }
  static std::vector<ndb::Key> keys(int n) {
    std::vector<ndb::Key> keys;
    for (int i = 0; i < n; ++i) keys.push_back(ndb::key<Account>("k" + std::to_string(i)));
    return keys;
  }
  const ndb::Client client_ = client();
};

}  // namespace ndb::testing
