// The classes and fixtures that the programs of docs/guide.md share. Regions in it stand in documents as those of the
// programs do. Public headers only, as a user has them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/memcached_server.h"

namespace guide {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// ---- Models

// [account]
class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
    std::optional<ndb::Key> employer{};
  };
  NDB_MODEL(name, age, tags, employer)
};
// [/account]

// [class_flags]
class Visit : public ndb::Model<Visit> {  // lives in memcache for half a minute and nowhere else
 public:
  struct Properties {
    std::string page{};
  };
  NDB_MODEL(page)

  static constexpr bool _use_cache = false;
  static constexpr bool _use_datastore = false;
  static constexpr std::chrono::seconds _memcache_timeout{30};
};

class Report : public ndb::Model<Report> {
 public:
  struct Properties {
    ndb::Text text{};
  };
  NDB_MODEL(text)

  static bool _use_memcache(const ndb::Key& key) { return key.integer_id().has_value(); }  // asked for every key
};
// [/class_flags]

// [types]
struct Address {
  std::string street{};
  std::string city{};
  NDB_PROPERTIES(Address, street, (city, .name = "town"))
};

class Customer : public ndb::Model<Customer> {
 public:
  struct Properties {
    bool active = true;
    std::int32_t visits = 0;
    double score = 0;
    std::string name{};
    ndb::Text notes{};
    ndb::Blob photo{};
    ndb::Json settings{};
    ndb::GeoPoint place{};
    ndb::Timestamp created{}, updated{};
    ndb::Key referrer{};
    ndb::Value anything{};
    std::optional<double> discount{};
    std::vector<std::string> tags{};
    Address home{};
    std::vector<Address> offices{};

    std::string initial() const { return name.substr(0, 1); }
  };
  NDB_MODEL((active, .name = "a"), visits, (score, .indexed = false), name, notes, photo, settings, place,
            (created, .auto_now_add = true), (updated, .auto_now = true), referrer, anything, discount, tags, home,
            offices, initial)

  static constexpr auto _kind = "Client";
};
// [/types]

// [hooks]
class Invoice : public ndb::Model<Invoice> {
 public:
  struct Properties {
    std::int64_t cents = 0;
    std::string shown{};
  };
  NDB_MODEL(cents, shown)

  void _pre_put_hook() { edit().shown = std::to_string((*this)->cents / 100) + " EUR"; }
  void _post_put_hook(const absl::Status& status) const { note("put", key(), status); }
  static void _pre_get_hook(const ndb::Key& key) { note("about to get", key, absl::OkStatus()); }
  static void _post_get_hook(const ndb::Key& key, const absl::Status& status) { note("got", key, status); }
  static void _pre_delete_hook(const ndb::Key& key) { note("about to delete", key, absl::OkStatus()); }
  static void _post_delete_hook(const ndb::Key& key, const absl::Status& status) { note("deleted", key, status); }
  void _post_commit_put_hook(const ndb::Committed& committed) const {
    if (committed.created.value_or(false)) note("created", key(), absl::OkStatus());
  }
  static void _pre_allocate_ids_hook(int count, const ndb::Key&) {
    if (count > 1000) throw ndb::BadArgumentError("so many invoices?");
  }

  static inline std::vector<std::string> notes;
  static void note(std::string_view what, const ndb::Key& key, const absl::Status& status) {
    notes.push_back(std::string(what) + " " + key.to_string() + (status.ok() ? "" : ": failed"));
  }
};
// [/hooks]

// [inheritance]
class Person : public ndb::Model<Person> {
 public:
  struct Properties {
    std::string name{};
  };
  NDB_MODEL(name)
  static constexpr bool _use_cache = false;
};

class Employee : public ndb::Model<Employee, Person> {  // kind Employee: name, salary; does not use the context cache
 public:
  struct Properties : Person::Properties {
    std::int64_t salary = 0;
  };
  NDB_MODEL(salary)
};
// [/inheritance]

class Wallet : public ndb::Model<Wallet> {
 public:
  struct Properties {
    std::int64_t coins = 0;
  };
  NDB_MODEL(coins)
};

// One memcached and one local Datastore for all tests; each test has a project of its own.
class Guide : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    memcached_ = std::make_unique<ndb::testing::MemcachedServer>();
    server_ = ndb::LocalDatastore::start({.host_port = "127.0.0.1:0"});
  }
  static void TearDownTestSuite() {
    server_.reset();
    memcached_.reset();
  }

  static ndb::Client make_client() {
    return ndb::Client({.project = ::testing::UnitTest::GetInstance()->current_test_info()->name(),
                        .channel = server_->channel(),
                        .memcached_hosts = std::vector<std::string>{memcached_->address()}});
  }

  static inline std::unique_ptr<ndb::testing::MemcachedServer> memcached_;
  static inline std::unique_ptr<ndb::LocalDatastore> server_;
};

// With a context, and Ada and Bob in the Datastore: nothing of them is in the context's cache or in memcache.
class GuideInContext : public Guide {
 protected:
  void SetUp() override {
    Account::make({.name = "Ada", .age = 36, .tags = {"vip"}}, ndb::id("ada")).put({.use_cache = false});
    Account::make({.name = "Bob", .age = 41}, ndb::id("bob")).put({.use_cache = false});
  }

  template <class F>
  void in_another_thread(F function) {
    std::thread([&] {
      auto scope = client_.context();
      function();
    }).join();
  }

  // Nobody waits for a fill, and another thread has another connection: reads until memcache answers.
  void expect_in_memcache(std::string_view id, std::int64_t age) {
    bool hit = false;
    while (!hit) {
      in_another_thread([&] {
        EXPECT_EQ(Account::get_by_id(id)->age, age);
        hit = ndb::get_context().counts().memcache_hits == 1;
      });
    }
  }

  ndb::Client client_ = make_client();
  ndb::ContextScope scope_ = client_.context();
  ndb::Key ada_ = ndb::key<Account>("ada");
};

template <class E, class F>
std::string message_of(F function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace guide
