// The byte stream to a client: TCP, or TLS over TCP.
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

// One operation at a time, on the thread of the io_context. The transport, and the buffers of operations, must outlive
// the operations.
class Transport {
 public:
  using Done = std::function<void(boost::system::error_code error, std::size_t size)>;

  explicit Transport(boost::asio::ip::tcp::socket socket);
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Operations in flight at that time, and later ones, fail. A later call replaces an earlier one.
  void close_after(std::chrono::seconds time);
  void keep_open();  // cancels close_after()
  void close();
  // Whether the client will send nothing more. What it sent before may still be unread.
  bool hung_up();

  // Called before all other operations.
  virtual void start(Done done);
  virtual void read_some(char* to, std::size_t size, Done done);
  virtual void write(std::string_view bytes, Done done);  // all of them
  // Tells the client that nothing follows; reading is still possible.
  virtual void end_writing(Done done);

  // Gives up the socket; the transport no longer uses it.
  boost::asio::ip::tcp::socket release();

 protected:
  boost::asio::ip::tcp::socket socket_;

 private:
  boost::asio::basic_waitable_timer<std::chrono::steady_clock> timer_;
  const std::shared_ptr<Transport*> life_;  // lets a late timer find out that the transport is gone
};

// TLS as the server. `first_bytes` have been read already; the context must outlive the transport.
std::unique_ptr<Transport> make_tls_transport(boost::asio::ip::tcp::socket socket, std::string_view first_bytes,
                                              boost::asio::ssl::context& context);

}  // namespace ndb::local
