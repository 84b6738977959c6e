// The way to a client: TCP, or TLS above it.
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

namespace ndb::local {

// One operation at a time, on the thread of the io_context. What operations work on outlives them, and so does the
// transport.
class Transport {
 public:
  using Done = std::function<void(boost::system::error_code error, std::size_t size)>;

  explicit Transport(boost::asio::ip::tcp::socket socket);
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // What is under way then, or begins later, ends with an error. The last call counts.
  void close_after(std::chrono::seconds time);
  void keep_open();  // takes it back
  void close();
  // Whether the client will say no more. What it said before may still be unread.
  bool hung_up();

  // Before all else.
  virtual void start(Done done);
  virtual void read_some(char* to, std::size_t size, Done done);
  virtual void write(std::string_view bytes, Done done);  // all of them
  // Tells the client that nothing follows; reads are still possible.
  virtual void end_writing(Done done);

  // The socket, which the transport has no more to do with.
  boost::asio::ip::tcp::socket release();

 protected:
  boost::asio::ip::tcp::socket socket_;

 private:
  boost::asio::basic_waitable_timer<std::chrono::steady_clock> timer_;
  const std::shared_ptr<Transport*> life_;  // so that a timer that went off too late finds nobody
};

// TLS, as the server. `first_bytes` were read already; the context outlives the transport.
std::unique_ptr<Transport> make_tls_transport(boost::asio::ip::tcp::socket socket, std::string_view first_bytes,
                                              boost::asio::ssl::context& context);

}  // namespace ndb::local
