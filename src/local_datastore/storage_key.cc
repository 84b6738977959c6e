#include "local_datastore/storage_key.h"

#include "base/strings.h"

namespace ndb::local {

void append_escaped(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t zero = text.find('\0');
    out.append(text.substr(0, zero));
    if (zero == std::string_view::npos) break;
    out.append("\x00\xff", 2);
    text.remove_prefix(zero + 1);
  }
  out.append("\x00\x01", 2);
}

void append_big_endian(std::string& out, std::uint64_t number) {
  char bytes[sizeof number];
  for (std::size_t i = 0; i < sizeof number; ++i) bytes[i] = static_cast<char>(number >> (56 - 8 * i));
  out.append(bytes, sizeof number);
}

std::uint64_t load_big_endian(std::string_view eight_bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) number = number << 8 | static_cast<unsigned char>(eight_bytes[i]);
  return number;
}

std::string encode_partition(const v1::PartitionId& partition) {
  std::string out;
  append_escaped(out, partition.project_id());
  append_escaped(out, partition.database_id());
  append_escaped(out, partition.namespace_id());
  return out;
}

std::string encode_path_prefix(const v1::Key& key) {
  std::string out;
  for (const v1::Key::PathElement& element : key.path()) {
    out.push_back('\x01');
    append_escaped(out, element.kind());
    if (element.has_name()) {
      out.push_back('\x03');
      append_escaped(out, element.name());
    } else {
      out.push_back('\x02');
      append_big_endian(out, static_cast<std::uint64_t>(element.id()) ^ (std::uint64_t{1} << 63));
    }
  }
  return out;
}

std::string encode_path(const v1::Key& key) {
  std::string out = encode_path_prefix(key);
  out.push_back('\0');
  return out;
}

StorageKey::StorageKey(const v1::Key& key)
    : partition(encode_partition(key.partition_id())),
      path(encode_path(key)),
      kind(key.path(key.path_size() - 1).kind()) {}

std::string StorageKey::entity() const { return cat('D', partition, path); }
std::string StorageKey::kind_member() const { return members_of(partition, kind) + path; }
std::string StorageKey::reserved() const { return cat('R', partition, path); }

std::string entities_of(std::string_view partition) { return cat('D', partition); }

std::string members_of(std::string_view partition, std::string_view kind) {
  std::string out = cat('K', partition);
  append_escaped(out, kind);
  return out;
}

std::string after_prefix(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty() && out.back() == '\xff') out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(out.back() + 1);
  return out;
}

}  // namespace ndb::local
