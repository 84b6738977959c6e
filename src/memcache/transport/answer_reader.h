// What a server sends, cut into lines and blocks of known size, without believing it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "memcache/transport/socket.h"

namespace ndb::memcache {

// What it returns stands until the next call. Memory grows with what has arrived, never with what is announced.
// Thread-compatible.
class AnswerReader {
 public:
  // The longest line that is not an error: VALUE, a name, three numbers; or a statistic.
  static constexpr std::size_t kLongestLine = 1024;

  explicit AnswerReader(Socket& socket) : socket_(socket) {}

  // Forgets what has arrived: for a new connection.
  void reset() { begin_ = end_ = 0; }
  bool has_rest() const { return begin_ != end_; }

  // A new exchange begins.
  void start(Deadline deadline) { deadline_ = deadline; }

  // nullopt on failure: see why(). A line comes without its end; it and a block must end with CR LF.
  std::optional<std::string_view> line();
  std::optional<std::string_view> block(std::size_t size);
  bool skip_block(std::size_t size);  // does not put off the deadline
  Transfer why() const { return why_; }

  // Gives memory back that only a large answer has needed.
  void shrink();

 private:
  static constexpr std::size_t kChunk = 16 * 1024;

  bool receive();  // more bytes, behind end_
  void make_room();
  std::string_view arrived() const { return {buffer_.get() + begin_, end_ - begin_}; }

  Socket& socket_;
  Deadline deadline_{std::chrono::milliseconds(0)};
  std::unique_ptr<char[]> buffer_{};
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
  Transfer why_ = Transfer::kBroken;
};

}  // namespace ndb::memcache
