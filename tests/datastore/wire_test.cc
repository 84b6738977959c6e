// The lean messages compared with the complete ones: the same names, numbers and types, and the same bytes.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/reflection.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "google/datastore/v1/datastore.pb.h"
#include "ndb/wire/datastore.pb.h"

namespace ndb::datastore {
namespace {

namespace pb = google::protobuf;
namespace v1 = google::datastore::v1;

constexpr std::string_view kLeanPackage = "ndb.wire.";

// These are bytes in the lean messages.
const std::set<std::string> kOpaque = {"google.datastore.v1.Key", "google.datastore.v1.Entity",
                                       "google.datastore.v1.Value", "google.datastore.v1.ArrayValue",
                                       "google.datastore.v1.ExplainMetrics"};
// These occur only within those.
const std::set<std::string> kInsideOpaque = {"google.datastore.v1.PlanSummary", "google.datastore.v1.ExecutionStats"};

std::string lean_name(const std::string& full_name) {
  for (const std::string_view package : {"google.datastore.v1.", "google.protobuf."}) {
    if (full_name.starts_with(package)) return cat(kLeanPackage, full_name.substr(package.size()));
  }
  return full_name;
}

void expect_same_field(const pb::FieldDescriptor& lean, const pb::FieldDescriptor& whole) {
  SCOPED_TRACE(lean.full_name());
  EXPECT_EQ(lean.name(), whole.name());
  EXPECT_EQ(lean.is_repeated(), whole.is_repeated());
  EXPECT_EQ(lean.containing_oneof() == nullptr ? "" : lean.containing_oneof()->name(),
            whole.containing_oneof() == nullptr ? "" : whole.containing_oneof()->name());
  if (whole.message_type() != nullptr && kOpaque.contains(whole.message_type()->full_name())) {
    EXPECT_EQ(lean.type(), pb::FieldDescriptor::TYPE_BYTES);
    return;
  }
  EXPECT_EQ(lean.type(), whole.type());
  if (lean.message_type() != nullptr) {
    EXPECT_EQ(lean.message_type()->full_name(), lean_name(whole.message_type()->full_name()));
  }
  if (lean.enum_type() != nullptr) {
    EXPECT_EQ(lean.enum_type()->full_name(), lean_name(whole.enum_type()->full_name()));
  }
}

void expect_same_enum(const pb::EnumDescriptor& lean, const pb::EnumDescriptor& whole) {
  SCOPED_TRACE(lean.full_name());
  ASSERT_EQ(lean.value_count(), whole.value_count());
  for (int i = 0; i < lean.value_count(); ++i) {
    const pb::EnumValueDescriptor* same = whole.FindValueByName(lean.value(i)->name());
    ASSERT_NE(same, nullptr) << lean.value(i)->name();
    EXPECT_EQ(lean.value(i)->number(), same->number()) << same->name();
  }
}

// Map entries are nested messages too, so maps need no case of their own.
void expect_same_message(const pb::Descriptor& lean, const pb::Descriptor& whole) {
  SCOPED_TRACE(lean.full_name());
  EXPECT_EQ(lean.field_count(), whole.field_count());
  for (int i = 0; i < whole.field_count(); ++i) {
    const pb::FieldDescriptor* field = lean.FindFieldByNumber(whole.field(i)->number());
    ASSERT_NE(field, nullptr) << "no field for " << whole.field(i)->full_name();
    expect_same_field(*field, *whole.field(i));
  }
  ASSERT_EQ(lean.enum_type_count(), whole.enum_type_count());
  for (int i = 0; i < whole.enum_type_count(); ++i) {
    const pb::EnumDescriptor* same = lean.FindEnumTypeByName(whole.enum_type(i)->name());
    ASSERT_NE(same, nullptr) << whole.enum_type(i)->full_name();
    expect_same_enum(*same, *whole.enum_type(i));
  }
  ASSERT_EQ(lean.nested_type_count(), whole.nested_type_count());
  for (int i = 0; i < whole.nested_type_count(); ++i) {
    const pb::Descriptor* same = lean.FindNestedTypeByName(whole.nested_type(i)->name());
    ASSERT_NE(same, nullptr) << whole.nested_type(i)->full_name();
    expect_same_message(*same, *whole.nested_type(i));
  }
}

TEST(Wire, MessagesAreTheApisFieldByField) {
  pb::FileDescriptorSet files;
  std::ifstream in(NDB_WIRE_DESCRIPTORS, std::ios::binary);
  ASSERT_TRUE(files.ParseFromIstream(&in));
  pb::DescriptorPool pool;
  const pb::FileDescriptor* lean = pool.BuildFile(files.file(0));
  ASSERT_NE(lean, nullptr);
  ASSERT_EQ(lean->package(), "ndb.wire");

  const std::vector<const pb::FileDescriptor*> wholes = {
      v1::LookupRequest::descriptor()->file(), v1::Entity::descriptor()->file(), v1::Query::descriptor()->file(),
      v1::AggregationResult::descriptor()->file(), v1::ExplainOptions::descriptor()->file()};
  std::set<std::string> compared;
  for (const pb::FileDescriptor* file : wholes) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      const pb::Descriptor& whole = *file->message_type(i);
      if (kOpaque.contains(whole.full_name()) || kInsideOpaque.contains(whole.full_name())) continue;
      const pb::Descriptor* same = lean->FindMessageTypeByName(whole.name());
      ASSERT_NE(same, nullptr) << "no lean message for " << whole.full_name();
      expect_same_message(*same, whole);
      compared.insert(same->name());
    }
  }
  for (int i = 0; i < lean->message_type_count(); ++i) {  // the rest are copies of protobuf's own types
    const pb::Descriptor& message = *lean->message_type(i);
    if (compared.contains(message.name())) continue;
    const pb::Descriptor* whole =
        pb::DescriptorPool::generated_pool()->FindMessageTypeByName("google.protobuf." + message.name());
    ASSERT_NE(whole, nullptr) << message.full_name() << " is in no API";
    expect_same_message(message, *whole);
  }
}

TEST(Wire, ExplainMetricsAreTheApisFieldByField) {
  pb::FileDescriptorSet files;
  std::ifstream in(NDB_WIRE_DESCRIPTORS, std::ios::binary);
  ASSERT_TRUE(files.ParseFromIstream(&in));
  pb::DescriptorPool pool;
  const pb::FileDescriptor* lean = pool.BuildFile(files.file(1));
  ASSERT_NE(lean, nullptr);
  ASSERT_NE(lean->FindMessageTypeByName("ExplainMetrics"), nullptr);
  for (int i = 0; i < lean->message_type_count(); ++i) {
    const pb::Descriptor& message = *lean->message_type(i);
    const pb::Descriptor* whole = nullptr;
    for (const std::string_view package : {"google.datastore.v1.", "google.protobuf."}) {
      if (package == "google.datastore.v1." && message.name() == "Value") continue;  // that one is another
      if (whole == nullptr) {
        whole = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(cat(package, message.name()));
      }
    }
    ASSERT_NE(whole, nullptr) << message.full_name() << " is in no API";
    expect_same_message(message, *whole);
  }
}

// Fills messages at random. It leaves none of those that are bytes in the lean messages empty, because an empty message
// and an absent one have the same bytes.
class Filler {
 public:
  explicit Filler(unsigned seed) : random_(seed) {}

  void fill(pb::Message& message, int depth = 0) {
    const pb::Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor& field = *type.field(i);
      if (field.containing_oneof() != nullptr || too_deep(field, depth)) continue;
      const int count = field.is_repeated() ? below(3) : below(4) > 0;
      for (int n = 0; n < count; ++n) set(message, field, depth);
    }
    for (int i = 0; i < type.oneof_decl_count(); ++i) {
      const pb::OneofDescriptor& oneof = *type.oneof_decl(i);
      const pb::FieldDescriptor* field = nullptr;
      do {
        field = oneof.field(below(oneof.field_count()));
      } while (too_deep(*field, depth));
      set(message, *field, depth);
    }
    if (kOpaque.contains(type.full_name()) && message.ByteSizeLong() == 0) set(message, *type.field(0), depth);
  }

 private:
  // All recursion goes through these.
  static bool too_deep(const pb::FieldDescriptor& field, int depth) {
    static const std::set<std::string> kRecursive = {"Entity", "ArrayValue", "CompositeFilter", "Struct", "ListValue"};
    return depth > 5 && field.message_type() != nullptr && kRecursive.contains(field.message_type()->name());
  }

  int below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }
  std::string text() { return cat("t", below(1'000'000)); }
  std::string bytes() {
    std::string out;
    for (int i = 1 + below(20); i > 0; --i) out += static_cast<char>(below(256));
    return out;
  }

  void set(pb::Message& message, const pb::FieldDescriptor& field, int depth) {
    const pb::Reflection& reflection = *message.GetReflection();
    const auto put = [&](auto one, auto many, auto value) {
      if (field.is_repeated()) {
        (reflection.*many)(&message, &field, value);
      } else {
        (reflection.*one)(&message, &field, value);
      }
    };
    using R = pb::Reflection;
    switch (field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_MESSAGE:
        return fill(*(field.is_repeated() ? reflection.AddMessage(&message, &field)
                                          : reflection.MutableMessage(&message, &field)),
                    depth + 1);
      case pb::FieldDescriptor::CPPTYPE_STRING:
        return put(&R::SetString, &R::AddString, field.type() == pb::FieldDescriptor::TYPE_BYTES ? bytes() : text());
      case pb::FieldDescriptor::CPPTYPE_INT32:
        return put(&R::SetInt32, &R::AddInt32, below(2) == 0 ? -1 - below(1000) : 1 + below(1'000'000'000));
      case pb::FieldDescriptor::CPPTYPE_INT64:
        return put(&R::SetInt64, &R::AddInt64, (std::int64_t{1} + below(1'000'000'000)) * 1'000'003);
      case pb::FieldDescriptor::CPPTYPE_DOUBLE:
        return put(&R::SetDouble, &R::AddDouble, below(1'000'000) / 7.0);
      case pb::FieldDescriptor::CPPTYPE_BOOL:
        return put(&R::SetBool, &R::AddBool, true);
      case pb::FieldDescriptor::CPPTYPE_ENUM:
        return put(&R::SetEnum, &R::AddEnum, field.enum_type()->value(below(field.enum_type()->value_count())));
      default:
        FAIL() << "no case for " << field.full_name();
    }
  }

  std::mt19937 random_;
};

template <class Lean, class Whole>
void expect_same_bytes(unsigned seed) {
  Whole sent;
  Filler(seed).fill(sent);
  SCOPED_TRACE(cat(sent.GetTypeName(), ", seed ", seed));
  Whole expected;  // what is read back: of map entries with one key only the last is left
  ASSERT_TRUE(expected.ParseFromString(sent.SerializeAsString()));
  Lean lean;
  ASSERT_TRUE(lean.ParseFromString(sent.SerializeAsString()));
  Whole back;
  ASSERT_TRUE(back.ParseFromString(lean.SerializeAsString()));
  EXPECT_TRUE(pb::util::MessageDifferencer::Equals(expected, back));
}

TEST(Wire, WholeMessagesSurviveTheWayThroughLeanOnes) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  for (unsigned i = 0; i < 100 && !testing::Test::HasFailure(); ++i) {
#define NDB_CHECK(Name) expect_same_bytes<wire::Name, v1::Name>(seed + i)
    NDB_CHECK(LookupRequest);
    NDB_CHECK(LookupResponse);
    NDB_CHECK(RunQueryRequest);
    NDB_CHECK(RunQueryResponse);
    NDB_CHECK(RunAggregationQueryRequest);
    NDB_CHECK(RunAggregationQueryResponse);
    NDB_CHECK(BeginTransactionRequest);
    NDB_CHECK(BeginTransactionResponse);
    NDB_CHECK(CommitRequest);
    NDB_CHECK(CommitResponse);
    NDB_CHECK(RollbackRequest);
    NDB_CHECK(RollbackResponse);
    NDB_CHECK(AllocateIdsRequest);
    NDB_CHECK(AllocateIdsResponse);
    NDB_CHECK(ReserveIdsRequest);
    NDB_CHECK(ReserveIdsResponse);
#undef NDB_CHECK
  }
}

}  // namespace
}  // namespace ndb::datastore
