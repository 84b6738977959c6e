#include "memcache/transport/answer_reader.h"

#include <algorithm>
#include <cstring>

namespace ndb::memcache {
namespace {

constexpr std::string_view kEnd = "\r\n";
constexpr std::size_t kKept = 256 * 1024;  // of memory between two exchanges

}  // namespace

void AnswerReader::make_room() {
  if (capacity_ - end_ >= kChunk) return;
  const std::size_t size = end_ - begin_;
  if (capacity_ >= 2 * (size + kChunk)) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, size);
  } else {
    capacity_ = std::max(2 * capacity_, 2 * kChunk);
    auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
    if (size > 0) std::memcpy(larger.get(), buffer_.get() + begin_, size);
    buffer_ = std::move(larger);
  }
  begin_ = 0;
  end_ = size;
}

bool AnswerReader::receive() {
  if (begin_ == end_) begin_ = end_ = 0;
  make_room();
  std::size_t received = 0;
  why_ = socket_.receive({buffer_.get() + end_, capacity_ - end_}, deadline_, received);
  end_ += received;
  return why_ == Transfer::kDone;
}

std::optional<std::string_view> AnswerReader::line() {
  std::size_t searched = 0;
  while (true) {
    const std::string_view bytes = arrived();
    const std::size_t end = bytes.find('\n', searched);
    if (end != bytes.npos) {
      begin_ += end + 1;
      deadline_.moved(end + 1);
      if (end == 0 || end > kLongestLine || bytes[end - 1] != '\r') break;
      return bytes.substr(0, end - 1);
    }
    if (bytes.size() > kLongestLine) break;
    searched = bytes.size();
    if (!receive()) return std::nullopt;
  }
  why_ = Transfer::kBroken;
  return std::nullopt;
}

std::optional<std::string_view> AnswerReader::block(std::size_t size) {
  const std::size_t whole = size + kEnd.size();
  for (std::size_t before = arrived().size(); before < whole; before = arrived().size()) {
    if (!receive()) return std::nullopt;
    deadline_.moved(arrived().size() - before);
  }
  const std::string_view bytes = arrived().substr(0, whole);
  begin_ += whole;
  if (bytes.substr(size) == kEnd) return bytes.substr(0, size);
  why_ = Transfer::kBroken;
  return std::nullopt;
}

bool AnswerReader::skip_block(std::size_t size) {
  while (true) {
    const std::size_t skipped = std::min(size, arrived().size());
    begin_ += skipped;
    size -= skipped;
    if (size == 0) return block(0).has_value();
    why_ = Transfer::kTimedOut;
    if (deadline_.left() == std::chrono::milliseconds(0) || !receive()) return false;
  }
}

void AnswerReader::shrink() {
  if (capacity_ <= kKept || begin_ != end_) return;
  buffer_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace ndb::memcache
