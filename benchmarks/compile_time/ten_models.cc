// A file of a program with ten models, each used as programs use them: made, put, got, queried, changed in a
// transaction. measure.sh measures how long the compiler takes for it.
#include <ndb/ndb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace {

class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class Book : public ndb::Model<Book> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class City : public ndb::Model<City> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class Device : public ndb::Model<Device> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class Event : public ndb::Model<Event> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class Folder : public ndb::Model<Folder> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class Group : public ndb::Model<Group> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class House : public ndb::Model<House> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class Invoice : public ndb::Model<Invoice> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

class Job : public ndb::Model<Job> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t count = 0;
    double score = 0;
    bool active = false;
    std::optional<std::string> note{};
    std::vector<std::string> tags{};
    ndb::Timestamp changed{};
  };
  NDB_MODEL(name, count, score, active, (note, .indexed = false), tags, (changed, .auto_now = true))
};

std::int64_t total = 0;

void use_accounts() {
  Account one = Account::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Account read = Account::get_by_id("one")) total += read->count;
  for (const Account& each :
       Account::query(Account::active == true, Account::count > 3).order(Account::count).fetch(20)) {
    total += each->count;
  }
  for (const Account& each : Account::query(Account::name == "one")) total += each->count;
  ndb::transaction([&] {
    Account changed = one.key().get<Account>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Account> more = {Account::make({.name = "two"}), Account::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Account> later = one.key().get_async<Account>();
  total += later.get()->count;
  one.key().delete_();
}

void use_books() {
  Book one = Book::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Book read = Book::get_by_id("one")) total += read->count;
  for (const Book& each : Book::query(Book::active == true, Book::count > 3).order(Book::count).fetch(20)) {
    total += each->count;
  }
  for (const Book& each : Book::query(Book::name == "one")) total += each->count;
  ndb::transaction([&] {
    Book changed = one.key().get<Book>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Book> more = {Book::make({.name = "two"}), Book::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Book> later = one.key().get_async<Book>();
  total += later.get()->count;
  one.key().delete_();
}

void use_citys() {
  City one = City::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const City read = City::get_by_id("one")) total += read->count;
  for (const City& each : City::query(City::active == true, City::count > 3).order(City::count).fetch(20)) {
    total += each->count;
  }
  for (const City& each : City::query(City::name == "one")) total += each->count;
  ndb::transaction([&] {
    City changed = one.key().get<City>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<City> more = {City::make({.name = "two"}), City::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<City> later = one.key().get_async<City>();
  total += later.get()->count;
  one.key().delete_();
}

void use_devices() {
  Device one = Device::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Device read = Device::get_by_id("one")) total += read->count;
  for (const Device& each : Device::query(Device::active == true, Device::count > 3).order(Device::count).fetch(20)) {
    total += each->count;
  }
  for (const Device& each : Device::query(Device::name == "one")) total += each->count;
  ndb::transaction([&] {
    Device changed = one.key().get<Device>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Device> more = {Device::make({.name = "two"}), Device::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Device> later = one.key().get_async<Device>();
  total += later.get()->count;
  one.key().delete_();
}

void use_events() {
  Event one = Event::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Event read = Event::get_by_id("one")) total += read->count;
  for (const Event& each : Event::query(Event::active == true, Event::count > 3).order(Event::count).fetch(20)) {
    total += each->count;
  }
  for (const Event& each : Event::query(Event::name == "one")) total += each->count;
  ndb::transaction([&] {
    Event changed = one.key().get<Event>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Event> more = {Event::make({.name = "two"}), Event::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Event> later = one.key().get_async<Event>();
  total += later.get()->count;
  one.key().delete_();
}

void use_folders() {
  Folder one = Folder::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Folder read = Folder::get_by_id("one")) total += read->count;
  for (const Folder& each : Folder::query(Folder::active == true, Folder::count > 3).order(Folder::count).fetch(20)) {
    total += each->count;
  }
  for (const Folder& each : Folder::query(Folder::name == "one")) total += each->count;
  ndb::transaction([&] {
    Folder changed = one.key().get<Folder>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Folder> more = {Folder::make({.name = "two"}), Folder::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Folder> later = one.key().get_async<Folder>();
  total += later.get()->count;
  one.key().delete_();
}

void use_groups() {
  Group one = Group::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Group read = Group::get_by_id("one")) total += read->count;
  for (const Group& each : Group::query(Group::active == true, Group::count > 3).order(Group::count).fetch(20)) {
    total += each->count;
  }
  for (const Group& each : Group::query(Group::name == "one")) total += each->count;
  ndb::transaction([&] {
    Group changed = one.key().get<Group>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Group> more = {Group::make({.name = "two"}), Group::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Group> later = one.key().get_async<Group>();
  total += later.get()->count;
  one.key().delete_();
}

void use_houses() {
  House one = House::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const House read = House::get_by_id("one")) total += read->count;
  for (const House& each : House::query(House::active == true, House::count > 3).order(House::count).fetch(20)) {
    total += each->count;
  }
  for (const House& each : House::query(House::name == "one")) total += each->count;
  ndb::transaction([&] {
    House changed = one.key().get<House>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<House> more = {House::make({.name = "two"}), House::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<House> later = one.key().get_async<House>();
  total += later.get()->count;
  one.key().delete_();
}

void use_invoices() {
  Invoice one = Invoice::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Invoice read = Invoice::get_by_id("one")) total += read->count;
  for (const Invoice& each :
       Invoice::query(Invoice::active == true, Invoice::count > 3).order(Invoice::count).fetch(20)) {
    total += each->count;
  }
  for (const Invoice& each : Invoice::query(Invoice::name == "one")) total += each->count;
  ndb::transaction([&] {
    Invoice changed = one.key().get<Invoice>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Invoice> more = {Invoice::make({.name = "two"}), Invoice::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Invoice> later = one.key().get_async<Invoice>();
  total += later.get()->count;
  one.key().delete_();
}

void use_jobs() {
  Job one = Job::make({.name = "one", .count = 1}, ndb::id("one"));
  one.put();
  if (const Job read = Job::get_by_id("one")) total += read->count;
  for (const Job& each : Job::query(Job::active == true, Job::count > 3).order(Job::count).fetch(20)) {
    total += each->count;
  }
  for (const Job& each : Job::query(Job::name == "one")) total += each->count;
  ndb::transaction([&] {
    Job changed = one.key().get<Job>();
    changed.edit().score += 1;
    changed.put();
  });
  std::vector<Job> more = {Job::make({.name = "two"}), Job::make({.name = "three"})};
  ndb::put_multi(more);
  ndb::Future<Job> later = one.key().get_async<Job>();
  total += later.get()->count;
  one.key().delete_();
}

}  // namespace

int main() {
  const ndb::Client client;
  const auto scope = client.context();
  use_accounts();
  use_books();
  use_citys();
  use_devices();
  use_events();
  use_folders();
  use_groups();
  use_houses();
  use_invoices();
  use_jobs();
  return total == 0 ? 0 : 1;
}
