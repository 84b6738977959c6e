#include "local_datastore/storage/storage_key.h"

#include "base/strings.h"

namespace ndb::local {
namespace {

constexpr std::string_view kEndOfText("\x00\x01", 2);

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t zero = text.find('\0');
    out.append(text.substr(0, zero));
    if (zero == std::string_view::npos) break;
    out.append("\x00\xff", 2);
    text.remove_prefix(zero + 1);
  }
  out.append(kEndOfText);
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

std::string index_of(std::string_view partition, std::string_view kind, std::string_view property) {
  std::string out = cat('I', partition);
  append_escaped(out, kind);
  append_escaped(out, property);
  return out;
}

std::string_view prefix_of(std::string_view key) {
  if (key.empty()) return key;
  int texts = key.front() == 'D' ? 3 : key.front() == 'K' ? 4 : key.front() == 'I' ? 5 : 0;
  std::size_t size = 1;
  for (; texts > 0; --texts) {
    const std::size_t end = key.find(kEndOfText, size);
    if (end == std::string_view::npos) return key;
    size = end + kEndOfText.size();
  }
  return key.substr(0, size);
}

bool take_escaped(std::string_view& in, std::string& out) {
  out.clear();
  for (;;) {
    const std::size_t zero = in.find('\0');
    if (zero == std::string_view::npos || zero + 1 == in.size()) return false;
    out.append(in.substr(0, zero));
    const bool more = in[zero + 1] == '\xff';
    in.remove_prefix(zero + 2);
    if (!more) return true;
    out.push_back('\0');
  }
}

bool decode_path(std::string_view path, v1::Key& key) {
  constexpr std::size_t kIdSize = 8;
  while (path.starts_with('\x01')) {
    path.remove_prefix(1);
    v1::Key::PathElement& element = *key.add_path();
    if (!take_escaped(path, *element.mutable_kind()) || path.empty()) return false;
    const bool named = path.front() == '\x03';
    path.remove_prefix(1);
    if (named) {
      if (!take_escaped(path, *element.mutable_name())) return false;
    } else {
      if (path.size() < kIdSize) return false;
      element.set_id(static_cast<std::int64_t>(load_big_endian(path) ^ (std::uint64_t{1} << 63)));
      path.remove_prefix(kIdSize);
    }
  }
  return path == std::string_view("\0", 1);
}

std::string after_row(std::string_view row) { return cat(row, std::string(kVersionSize + 1, '\xff')); }

std::string after_prefix(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty() && out.back() == '\xff') out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(out.back() + 1);
  return out;
}

}  // namespace ndb::local
