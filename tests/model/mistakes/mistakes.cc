// Mistakes that users of models make, one for each value of MISTAKE. None may compile, and the compiler's output must
// contain the words after `says:`. MISTAKE 0 is a program without mistakes.
#include "ndb/entity.h"
#include "ndb/model.h"
#include "ndb/projection.h"

namespace ndb {
template <class M>
class Query {  // stands for ndb/query.h
 public:
  explicit Query(std::vector<Filter>) {}
  template <std::convertible_to<Order>... O>
  Query order(const O&...) const {
    return *this;
  }
};
}  // namespace ndb

struct Home {
  std::string city{};
  NDB_PROPERTIES(Home, city)
};
class Account : public ndb::Model<Account> {
 public:
  struct Properties {
    std::string name{};
    std::int64_t age = 0;
    std::vector<std::string> tags{};
    ndb::Text bio{};
    std::string note{};
    Home home{};
    std::vector<Home> homes{};
  };
  NDB_MODEL(name, age, tags, bio, (note, .indexed = false), home, homes)
};
struct Opaque {};
template <class... P>
ndb::Projected<P...> projected(P...) {  // stands for a query's project()
  return {};
}

// clang-format off
#if MISTAKE == 0
auto f = Account::query(Account::age > 3, Account::home.city == "London", Account::home == Home{"Rome"}).order(-Account::age, Account::name);
auto g = projected(Account::name, Account::tags)[Account::tags];
class Employee : public ndb::Model<Employee, Account> { public: struct Properties : Account::Properties { int pay = 0; }; NDB_MODEL(pay) };
auto i = Account::make(ndb::key<Account>("ada"), {.name = "Ada"}), j = Account::make({.name = "Kim"}, {}, i.key());
void h(Account a) { a.populate(Account::name("Ada"), Account::tags(std::vector<std::string>{"x"})); }
#elif MISTAKE == 1  // a field left out of NDB_MODEL; says: NDB_MODEL must list every field of Properties
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0, y = 0; }; NDB_MODEL(x) };
#elif MISTAKE == 2  // a misspelt field in NDB_MODEL; says: z
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(z) };
#elif MISTAKE == 3  // a property that hides a member of ndb::Model; says: a property cannot be called key, which ndb::Model uses
class Bad : public ndb::Model<Bad> { public: struct Properties { int key = 0; }; NDB_MODEL(key) };
#elif MISTAKE == 4  // a type that cannot be stored; says: this type cannot be a property. Use bool,
class Bad : public ndb::Model<Bad> { public: struct Properties { Opaque x{}; }; NDB_MODEL(x) };
#elif MISTAKE == 5  // a private flag; says: private
class Bad : public ndb::Model<Bad> { static constexpr bool _use_cache = false; public: struct Properties { int x = 0; }; NDB_MODEL(x) };
#elif MISTAKE == 6  // a flag of the wrong type; says: a class flag is a bool
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) static constexpr int _use_cache = 1; };
#elif MISTAKE == 7  // a computed property whose return type is deduced; says: before deduction of 'auto'|cannot be used before it is defined
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; auto twice() const { return 2 * x; } }; NDB_MODEL(x, twice) };
#elif MISTAKE == 8  // auto_now on a string; says: auto_now and auto_now_add need an ndb::Timestamp
class Bad : public ndb::Model<Bad> { public: struct Properties { std::string x{}; }; NDB_MODEL((x, .auto_now = true)) };
#elif MISTAKE == 9  // a model inside a function; says: local class|static data member
void f() { class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) }; }
#elif MISTAKE == 10  // another class in the angle brackets; says: private|deleted
class Bad : public ndb::Model<Account> { public: struct Properties { int x = 0; }; NDB_MODEL(x) };
Bad bad;
#elif MISTAKE == 11  // an unindexed property in a filter; says: this property is not indexed
auto f = Account::query(Account::bio == "x");
#elif MISTAKE == 12  // an unindexed property in an order; says: this property is not indexed
auto f = Account::query().order(-Account::note);
#elif MISTAKE == 13  // a value of the wrong type; says: a property is compared with a value of its own type
auto f = Account::query(Account::age > "x");
#elif MISTAKE == 14  // a value that would be rounded; says: a property is compared with a value of its own type
auto f = Account::query(Account::age > 2.5);
#elif MISTAKE == 15  // the value where the property is meant; says: account->age > 30 is a bool
auto f(Account a) { return Account::query(a->age > 3); }
#elif MISTAKE == 16  // the property where the value is meant: assignment; says: Write entity.edit().field = value
void f(Account a) { a.age = 3; }
#elif MISTAKE == 17  // ... condition; says: could not convert|is not contextually convertible to 'bool'
bool f(Account a) { if (a.age > 3) return true; return false; }
#elif MISTAKE == 18  // ... reading; says: cannot convert|no viable conversion
long f(Account a) { return a.age; }
#elif MISTAKE == 19  // assignment without edit(); says: read-only|const-qualified
void f(Account a) { a->age = 3; }
#elif MISTAKE == 20  // a changing call without edit(); says: discards qualifiers|no matching member function
void f(Account a) { a->tags.push_back("x"); }
#elif MISTAKE == 21  // a misspelt property; says: agee
auto f = Account::query(Account::agee > 3);
#elif MISTAKE == 22  // a misspelt field in make(); says: agee
auto f = Account::make({.agee = 3});
#elif MISTAKE == 23  // a designator for a field of a base; says: name
class Member : public ndb::Model<Member, Account> { public: struct Properties : Account::Properties { int y = 0; }; NDB_MODEL(y) };
auto f = Member::make({.name = "Tom", .y = 1});
#elif MISTAKE == 24  // a whole struct in a filter other than ==; says: a structured one by its sub-properties
auto f = Account::query(Account::home != Home{});
#elif MISTAKE == 25  // the flag's name in NDB; says: _use_global_cache is called _use_memcache here
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) static constexpr bool _use_global_cache = true; };
#elif MISTAKE == 26  // a flag whose callable does not take a key; says: a class flag is a bool
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) static bool _use_cache(int) { return true; } };
#elif MISTAKE == 27  // a bool for a time-out; says: a class flag is a bool (_memcache_timeout: seconds)
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) static constexpr bool _memcache_timeout = true; };
#elif MISTAKE == 28  // a hook with other parameters; says: _pre_get_hook must be public and static and take a const ndb::Key&
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) static void _pre_get_hook(int) {} };
#elif MISTAKE == 29  // a private hook; says: _pre_put_hook must be a public member function
class Bad : public ndb::Model<Bad> { void _pre_put_hook() {} public: struct Properties { int x = 0; }; NDB_MODEL(x) };
#elif MISTAKE == 30  // a data member outside of Properties; says: a model class has no data members of its own
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) int y = 0; };
#elif MISTAKE == 31  // two properties stored under one name; says: stored names must differ
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0, y = 0; }; NDB_MODEL(x, (y, .name = "x")) };
#elif MISTAKE == 32  // an array of arrays; says: a vector of vectors cannot be a property
class Bad : public ndb::Model<Bad> { public: struct Properties { std::vector<std::vector<int>> x{}; }; NDB_MODEL(x) };
#elif MISTAKE == 33  // a field left out of NDB_PROPERTIES; says: NDB_PROPERTIES must list every field of the struct
struct Half { int x = 0, y = 0; NDB_PROPERTIES(Half, x) };
class Bad : public ndb::Model<Bad> { public: struct Properties { Half h{}; }; NDB_MODEL(h) };
#elif MISTAKE == 34  // required where nothing can be unset; says: required needs a type that can be unset
class Bad : public ndb::Model<Bad> { public: struct Properties { std::string x{}; }; NDB_MODEL((x, .required = true)) };
#elif MISTAKE == 35  // Properties with a constructor; says: Properties must be an aggregate
class Bad : public ndb::Model<Bad> { public: struct Properties { Properties() {} int x = 0; }; NDB_MODEL(x) };
#elif MISTAKE == 36  // a template without a kind; says: a model that is a template must declare _kind
template <class T> class Bad : public ndb::Model<Bad<T>> { public: struct Properties { T x{}; }; NDB_MODEL(x) };
auto f = Bad<int>::make({});
#elif MISTAKE == 37  // a projection of an unindexed property; says: only indexed properties can be projected
auto f = projected(Account::name, Account::bio);
#elif MISTAKE == 38  // a read of what was not projected; says: this property is not in the list that project() was called with
auto f = projected(Account::name)[Account::age];
#elif MISTAKE == 39  // the key in a projection; says: a result always has its key()
auto f = projected(Account::_key);
#elif MISTAKE == 40  // a validator of another type; says: a validator takes a value of the property's type
void check(int) {}
class Bad : public ndb::Model<Bad> { public: struct Properties { std::string x{}; }; NDB_MODEL((x, .validator = ndb::validator<check>)) };
#elif MISTAKE == 41  // compression of what is indexed; says: compressed is an option of ndb::Text, ndb::Blob, ndb::Json
class Bad : public ndb::Model<Bad> { public: struct Properties { std::string x{}; }; NDB_MODEL((x, .compressed = true)) };
#elif MISTAKE == 42  // a local property that is no struct; says: local is an option of structs
class Bad : public ndb::Model<Bad> { public: struct Properties { std::string x{}; }; NDB_MODEL((x, .local = true)) };
#elif MISTAKE == 43  // a filter on a local struct; says: this property is not indexed
class Bad : public ndb::Model<Bad> { public: struct Properties { Home h{}; }; NDB_MODEL((h, .local = true)) };
auto f = Bad::query(Bad::h.city == "x");
#elif MISTAKE == 44  // a flag of the kind in a class that is not the root; says: belong to a whole kind; declare them in the root
class Animal : public ndb::PolyModel<Animal> { public: struct Properties { int x = 0; }; NDB_MODEL(x) };
class Bad : public ndb::PolyModel<Bad, Animal> { public: struct Properties : Animal::Properties { int y = 0; }; NDB_MODEL(y) static constexpr bool _use_cache = false; };
#elif MISTAKE == 45  // a PolyModel of a plain model; says: a PolyModel extends another PolyModel, or nothing
class Bad : public ndb::PolyModel<Bad, Account> { public: struct Properties : Account::Properties { int y = 0; }; NDB_MODEL(y) };
#elif MISTAKE == 46  // two properties for what has no field; says: one ndb::Expando takes all
class Bad : public ndb::Model<Bad> { public: struct Properties { ndb::Expando x{}, y{}; }; NDB_MODEL(x, y) };
#elif MISTAKE == 47  // a value of the wrong type for populate(); says: a property is given a value of its own type
void f(Account a) { a.populate(Account::age("x")); }
#elif MISTAKE == 48  // ... of a sub-property; says: populate() sets the properties of the model
void f(Account a) { a.populate(Account::home.city("x")); }
#elif MISTAKE == 49  // a layout that is no bool; says: _legacy_data and _keep_unknown are bools
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) static constexpr int _legacy_data = 1; };
#elif MISTAKE == 50  // a repeated struct as a whole; says: a repeated struct cannot be compared as a whole
auto f = Account::query(Account::homes == Home{});
#elif MISTAKE == 51  // a whole struct that is not indexed; says: this property is not indexed
class Bad : public ndb::Model<Bad> { public: struct Properties { Home h{}; }; NDB_MODEL((h, .local = true)) };
auto f = Bad::query(Bad::h == Home{});
#elif MISTAKE == 52  // another struct; says: a property is compared with a value of its own type
auto f = Account::query(Account::home == Opaque{});
#elif MISTAKE == 53  // a whole struct whose properties are not all known; says: a struct with an ndb::Expando cannot be compared as a whole
struct Open { int x = 0; ndb::Expando rest{}; NDB_PROPERTIES(Open, x, rest) };
class Bad : public ndb::Model<Bad> { public: struct Properties { Open o{}; }; NDB_MODEL(o) };
auto f = Bad::query(Bad::o == Open{});
#elif MISTAKE == 54  // a hook of allocate_ids with other parameters; says: _pre_allocate_ids_hook must be public and static and take (int count, const ndb::Key& parent)
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) static void _pre_allocate_ids_hook(const ndb::Key&) {} };
#elif MISTAKE == 55  // ... that is not static; says: _post_allocate_ids_hook must be public and static
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; NDB_MODEL(x) void _post_allocate_ids_hook(int, const ndb::Key&, const absl::Status&) {} };
#elif MISTAKE == 56  // an order by a struct; says: a structured property has no order
auto f = Account::query().order(-Account::home);
#elif MISTAKE == 57  // choices of another type; says: choices are texts, numbers or booleans, of the property's own type
class Bad : public ndb::Model<Bad> { public: struct Properties { std::string x{}; }; NDB_MODEL((x, .choices = ndb::choices<1, 2>)) };
#elif MISTAKE == 59  // a struct that is asked to be not null; says: a struct is compared by == alone
auto f = Account::query(Account::home != nullptr);
#elif MISTAKE == 60  // ... in a list; says: a struct is compared by == alone
auto f = Account::query(Account::home.IN({nullptr}));
#elif MISTAKE == 58  // no list of properties; says: a model class lists its properties: NDB_MODEL(name, age)
class Bad : public ndb::Model<Bad> { public: struct Properties { int x = 0; }; };
auto f = Bad::make({});
#elif MISTAKE == 61  // a base that names another class; says: the base of a model class names that class
class Bad : public ndb::Model<Account> { public: struct Properties { int x = 0; }; NDB_MODEL(x) };
#elif MISTAKE == 62  // ... of a PolyModel; says: the base of a model class names that class
class Animal : public ndb::PolyModel<Animal> { public: struct Properties { int x = 0; }; NDB_MODEL(x) };
class Bad : public ndb::PolyModel<Animal> { public: struct Properties { int y = 0; }; NDB_MODEL(y) };
#elif MISTAKE == 63  // a key behind the properties; says: a key behind the properties could be the entity's own or its parent's
auto f = Account::make({.name = "Ada"}, ndb::key<Account>("ada"));
#endif
