// Small kinds for the walk through NDB's manual.
#pragma once

#include <ndb/ndb.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace demo {

// The manual's own example, and a kind that a policy will keep out of the Datastore. Neither has class variables.
class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
};
class Draft : public ndb::Model<Draft> {
 public:
  struct Properties {
    ndb::Text text{};
  };
  NDB_MODEL(text)
};

// One kind for each class variable.
class Visit : public ndb::Model<Visit> {
 public:
  struct Properties {
    std::int64_t count = 0;
  };
  NDB_MODEL(count)
  static constexpr bool _use_cache = false;
};
class Secret : public ndb::Model<Secret> {
 public:
  struct Properties {
    ndb::Text text{};
  };
  NDB_MODEL(text)
  static constexpr bool _use_memcache = false;
};
class Session : public ndb::Model<Session> {
 public:
  struct Properties {
    std::string user{};
  };
  NDB_MODEL(user)
  static constexpr bool _use_datastore = false;
};
class Quote : public ndb::Model<Quote> {
 public:
  struct Properties {
    double price = 0;
  };
  NDB_MODEL(price)
  static constexpr std::chrono::seconds _memcache_timeout{30};
};

}  // namespace demo
