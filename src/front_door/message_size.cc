#include "front_door/message_size.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <map>

#include "base/strings.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// An element of a valid request takes at least four bytes: the tag and the size of a value, and a tag and a byte in it.
constexpr std::size_t kMaxElements = kMaxRequestBytes / 4;
// Keys, mutations, bindings: no method accepts that many of any.
constexpr int kMaxRepeated = 10'000;
constexpr int kMaxMessageDepth = 300;  // of messages; a level of filters is two

constexpr std::size_t kMessageBytes = 96, kStringBytes = 48, kUnknownBytes = 32;

class Measure {
 public:
  explicit Measure(google::protobuf::io::ZeroCopyInputStream& bytes) : in_(&bytes) {}

  // False: the result is known, or the bytes cannot be parsed.
  bool message(const Descriptor* type, int depth) {
    std::map<int, int> repeated;
    while (const std::uint32_t tag = in_.ReadTag()) {
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      const FieldDescriptor* field = type == nullptr ? nullptr : type->FindFieldByNumber(number);
      const auto wire_type = WireFormatLite::GetTagWireType(tag);
      if (wire_type == WireFormatLite::WIRETYPE_END_GROUP) return true;
      if (depth == 0 && field != nullptr && field->is_repeated() && ++repeated[number] > kMaxRepeated) {
        return too_many(field->name());
      }
      if (!element(field, wire_type, depth)) return false;
    }
    return in_.ConsumedEntireMessage();
  }

  std::size_t bytes() const { return bytes_; }
  const absl::Status& status() const { return status_; }

 private:
  bool element(const FieldDescriptor* field, WireFormatLite::WireType wire_type, int depth) {
    std::uint64_t number = 0;
    std::uint32_t size = 0;
    switch (wire_type) {
      case WireFormatLite::WIRETYPE_VARINT:
        return (field != nullptr || count(kUnknownBytes)) && in_.ReadVarint64(&number);
      case WireFormatLite::WIRETYPE_FIXED64:
        return (field != nullptr || count(kUnknownBytes)) && in_.Skip(8);
      case WireFormatLite::WIRETYPE_FIXED32:
        return (field != nullptr || count(kUnknownBytes)) && in_.Skip(4);
      case WireFormatLite::WIRETYPE_START_GROUP:
        return depth < kMaxMessageDepth && count(kMessageBytes) && message(nullptr, depth + 1);
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        break;
      default:
        return false;
    }
    if (!in_.ReadVarint32(&size) || size > kMaxRequestBytes) return false;
    if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return count(kStringBytes + size) && in_.Skip(static_cast<int>(size));
    }
    if (depth >= kMaxMessageDepth || !count(kMessageBytes)) return false;
    const CodedInputStream::Limit limit = in_.PushLimit(static_cast<int>(size));
    const bool whole = message(field->message_type(), depth + 1);
    in_.PopLimit(limit);
    return whole;
  }

  bool count(std::size_t bytes) {
    bytes_ += bytes;
    return ++elements_ <= kMaxElements || too_many("messages, strings and unknown fields");
  }

  bool too_many(std::string_view what) {
    status_ = absl::InvalidArgumentError(cat("The request has too many ", what, '.'));
    return false;
  }

  CodedInputStream in_;
  std::size_t bytes_ = 0, elements_ = 0;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<std::size_t> parsed_size(google::protobuf::io::ZeroCopyInputStream& bytes, const Descriptor& type) {
  Measure measure(bytes);
  (void)measure.message(&type, 0);
  if (!measure.status().ok()) return measure.status();
  return measure.bytes();
}

bool parse_message(google::protobuf::io::ZeroCopyInputStream& bytes, google::protobuf::Message& message) {
  CodedInputStream in(&bytes);
  in.SetRecursionLimit(kMaxMessageDepth);
  return message.ParseFromCodedStream(&in) && in.ConsumedEntireMessage();
}

}  // namespace ndb::local
