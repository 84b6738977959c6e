#include "local_datastore/storage/store_files.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

// A log is divided into blocks. A record lies within one block: checksum (4 bytes), length (2), type (1), data; all
// numbers are little-endian. Space at the end of a block that is too small for a header is unused. A larger record is
// divided into several, as their types say.
constexpr std::size_t kBlockSize = 32 << 10;
constexpr std::size_t kHeaderSize = 7;
constexpr std::size_t kTypeAt = 6;
constexpr char kLastType = 4;

// CRC-32C of type and data, masked like RocksDB's, so that data may contain checksums.
std::uint32_t checksum_of(std::string_view type_and_data) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(type_and_data.data(), type_and_data.size());
  const std::uint32_t sum = crc.checksum();
  return (sum >> 15 | sum << 17) + 0xa282ead8U;
}

std::size_t length_of(std::string_view header) { return load_le<std::uint16_t>(header, 4); }

bool fits_checksum(std::string_view header, std::size_t length) {
  return load_le<std::uint32_t>(header) == checksum_of(header.substr(kTypeAt, 1 + length));
}

// Whether `rest` begins with a complete record, whose size is that of its header plus its length.
bool has_record(std::string_view rest) {
  return rest.size() >= kHeaderSize && rest[kTypeAt] > 0 && rest[kTypeAt] <= kLastType &&
         length_of(rest) <= rest.size() - kHeaderSize && fits_checksum(rest, length_of(rest));
}

// The offset in a block at which its records end.
std::size_t end_of_records(std::string_view block) {
  std::size_t at = 0;
  while (has_record(block.substr(at))) at += kHeaderSize + length_of(block.substr(at));
  return at;
}

bool is_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

// Whether the last record of a file was not written completely. `rest` is the part of it that exists.
bool is_cut_off(std::string_view rest) {
  if (rest.size() < kHeaderSize) return true;
  const std::size_t length = rest.size() - kHeaderSize;
  if (length_of(rest) <= length || fits_checksum(rest, length)) return false;  // then only its length is wrong
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (has_record(rest.substr(i))) return false;
  }
  return true;
}

absl::Status damaged(const std::filesystem::path& file, std::string_view how) {
  return absl::DataLossError(cat(ndb::quoted(file.filename().string()), " ", how));
}

// The number in names such as 000012.log; 0 for other files.
std::uint64_t log_number(const std::filesystem::path& file) {
  if (file.extension() != ".log") return 0;
  return std::strtoull(file.stem().c_str(), nullptr, 10);
}

// The name of the manifest that CURRENT contains.
absl::StatusOr<std::string> manifest_of(const std::filesystem::path& directory) {
  const std::filesystem::path current = directory / "CURRENT";
  const absl::StatusOr<std::string> text = read_file(current.string());
  if (!text.ok()) return damaged(current, cat("cannot be read: ", from_absl(text.status().message())));
  std::string name = *text;
  if (!name.ends_with('\n')) return damaged(current, "does not name a manifest");
  name.pop_back();
  std::error_code error;
  if (!name.starts_with("MANIFEST-") || !std::filesystem::is_regular_file(directory / name, error)) {
    return damaged(current, cat("names the manifest ", ndb::quoted(name), ", which is not there"));
  }
  return name;
}

}  // namespace

absl::Status check_record_file(const std::string& path, bool may_be_cut_off) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> buffer(kBlockSize);
  std::size_t offset = 0;  // offset of the block
  std::size_t end = 0;     // end of the complete records
  bool ended = false;
  do {
    in.read(buffer.data(), static_cast<std::streamsize>(kBlockSize));
    const std::string_view block(buffer.data(), static_cast<std::size_t>(in.gcount()));
    std::string_view rest = block;
    if (!ended) {
      end = offset + end_of_records(block);
      rest = block.substr(end - offset);
      const bool unused = block.size() == kBlockSize && rest.size() < kHeaderSize;
      ended = !rest.empty() && !unused;
    }
    const bool last = block.size() < kBlockSize;
    if (ended && !is_zero(rest) && !(may_be_cut_off && last && end >= offset && is_cut_off(rest))) {
      return damaged(path, cat("is damaged at byte ", end));
    }
    offset += block.size();
  } while (in.good());
  return in.eof() ? absl::OkStatus() : damaged(path, cat("cannot be read at byte ", offset));
}

absl::Status check_store_files(const std::string& directory) {
  std::vector<std::filesystem::path> logs;
  bool has_tables = false;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (log_number(entry.path()) > 0) logs.push_back(entry.path());
    has_tables = has_tables || entry.path().extension() == ".sst";
  }
  if (error) return absl::DataLossError(cat("it cannot be listed: ", error.message()));
  if (!std::filesystem::exists(std::filesystem::path(directory) / "CURRENT", error)) {
    if (logs.empty() && !has_tables) return absl::OkStatus();  // a new store, or one whose creation was interrupted
    return absl::DataLossError("the file CURRENT is missing");
  }
  NDB_ASSIGN_OR_RETURN(const std::string manifest, manifest_of(directory));
  // The end of a manifest may say that a log was deleted and its contents are in tables. Without it they would be lost.
  NDB_RETURN_IF_ERROR(check_record_file((std::filesystem::path(directory) / manifest).string(), false));
  constexpr std::string_view kFirstManifest = "MANIFEST-000001";  // of a store whose creation was interrupted
  if (logs.empty() && (has_tables || manifest != kFirstManifest)) {
    return absl::DataLossError("its log, a file such as 000004.log, is missing");
  }
  std::sort(logs.begin(), logs.end(), [](const auto& a, const auto& b) { return log_number(a) < log_number(b); });
  for (const std::filesystem::path& log : logs) {
    NDB_RETURN_IF_ERROR(check_record_file(log.string(), true));
  }
  return absl::OkStatus();
}

}  // namespace ndb::local
