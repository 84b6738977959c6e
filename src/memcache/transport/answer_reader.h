// Splits what a server sends into lines and blocks of known size, and validates it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "memcache/transport/socket.h"

namespace ndb::memcache {

// Results are valid until the next call. Memory grows with what has arrived, never with what is announced.
// Thread-compatible.
class AnswerReader {
 public:
  // The longest line that is not an error: a VALUE line with a name and three numbers, or a statistic.
  static constexpr std::size_t kLongestLine = 1024;

  explicit AnswerReader(Socket& socket) : socket_(socket) {}

  // Discards buffered input, for a new connection.
  void reset() { begin_ = end_ = 0; }
  bool has_rest() const { return begin_ != end_; }

  // Begins a new exchange.
  void start(Deadline deadline) { deadline_ = deadline; }

  // nullopt on failure: see why(). A line is returned without its end; lines and blocks must end with CR LF.
  std::optional<std::string_view> line();
  std::optional<std::string_view> block(std::size_t size);
  bool skip_block(std::size_t size);  // does not extend the deadline
  Transfer why() const { return why_; }

  // Returns memory that only a large answer needed.
  void shrink();

 private:
  static constexpr std::size_t kChunk = 16 * 1024;

  bool receive();  // appends more bytes at end_
  void make_room();
  std::string_view arrived() const { return {buffer_.get() + begin_, end_ - begin_}; }

  Socket& socket_;
  Deadline deadline_{std::chrono::milliseconds(0)};
  std::unique_ptr<char[]> buffer_{};
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
  Transfer why_ = Transfer::kBroken;
};

}  // namespace ndb::memcache
