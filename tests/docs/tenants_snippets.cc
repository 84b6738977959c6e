// The code of docs/tenants.md; see guide_snippets.cc.
#include "docs/guide_fixture.h"

namespace guide {

namespace {
// [tenant_request]
std::string greet(const ndb::Client& client, const std::string& tenant) {
  auto scope = client.context({.namespace_ = tenant});
  Account ada = Account::get_or_insert("ada", {.name = "Ada of " + tenant});
  return ada->name;
}
// [/tenant_request]
}  // namespace

TEST_F(Guide, Tenants) {
  const ndb::Client client = make_client();
  EXPECT_EQ(greet(client, "acme"), "Ada of acme");
  EXPECT_EQ(greet(client, "umbrella"), "Ada of umbrella");
  EXPECT_EQ(greet(client, "acme"), "Ada of acme");
  EXPECT_THROW(greet(client, "a tenant"), ndb::BadArgumentError);

  const auto here = client.context({.namespace_ = "acme"});
  const std::string text = ndb::key<Account>("ada").in_partition({.namespace_ = "umbrella"}).urlsafe();
  // [tenant_key]
  ndb::Key key = ndb::Key::from_urlsafe(text);
  bool foreign = key.namespace_() != ndb::get_context().namespace_();
  // [/tenant_key]
  EXPECT_TRUE(foreign);
  // [tenant_all]
  std::vector<std::string> names;
  for (const ndb::Key& tenant : ndb::query("__namespace__").keys()) {
    auto scope = client.context({.namespace_ = std::string(tenant.string_id().value_or(""))});
    for (Account account : Account::query()) names.push_back(account->name);
  }
  // [/tenant_all]
  EXPECT_THAT(names, ElementsAre("Ada of acme", "Ada of umbrella"));
}

}  // namespace guide
