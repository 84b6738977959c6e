#include "front_door/transport.h"

#include <poll.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <string>
#include <utility>

namespace ndb::local {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class TlsTransport final : public Transport {
 public:
  TlsTransport(tcp::socket socket, std::string_view first_bytes, asio::ssl::context& context)
      : Transport(std::move(socket)), first_bytes_(first_bytes), stream_(socket_, context) {}

  void start(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, asio::buffer(first_bytes_), std::move(done));
  }
  void read_some(char* to, std::size_t size, Done done) override {
    stream_.async_read_some(asio::buffer(to, size), std::move(done));
  }
  void write(std::string_view bytes, Done done) override {
    asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()), std::move(done));
  }
  // TLS is closed in both directions. Transport reads and drops whatever a client sends instead of its close_notify.
  void end_writing(Done done) override {
    stream_.async_shutdown(
        [this, done = std::move(done)](const error_code&) mutable { Transport::end_writing(std::move(done)); });
  }

 private:
  const std::string first_bytes_;
  asio::ssl::stream<tcp::socket&> stream_;
};

}  // namespace

Transport::Transport(tcp::socket socket)
    : socket_(std::move(socket)), timer_(socket_.get_executor()), life_(std::make_shared<Transport*>(this)) {}

void Transport::close_after(std::chrono::seconds time) {
  timer_.expires_after(time);
  timer_.async_wait([life = std::weak_ptr(life_)](const error_code& error) {
    const std::shared_ptr<Transport*> self = life.lock();
    if (!error && self != nullptr && (*self)->timer_.expiry() <= std::chrono::steady_clock::now()) (*self)->close();
  });
}

void Transport::keep_open() { timer_.expires_at(std::chrono::steady_clock::time_point::max()); }

bool Transport::hung_up() {
  pollfd state{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
  return poll(&state, 1, 0) != 0;
}

void Transport::close() {
  timer_.cancel();
  error_code ignored;
  ignored = socket_.close(ignored);
}

void Transport::start(Done done) {
  asio::post(socket_.get_executor(), [done = std::move(done)] { done({}, 0); });
}

void Transport::read_some(char* to, std::size_t size, Done done) {
  socket_.async_read_some(asio::buffer(to, size), std::move(done));
}

void Transport::write(std::string_view bytes, Done done) {
  asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), std::move(done));
}

void Transport::end_writing(Done done) {
  error_code error;
  error = socket_.shutdown(tcp::socket::shutdown_send, error);
  asio::post(socket_.get_executor(), [done = std::move(done), error] { done(error, 0); });
}

tcp::socket Transport::release() {
  timer_.cancel();
  return std::move(socket_);
}

std::unique_ptr<Transport> make_tls_transport(tcp::socket socket, std::string_view first_bytes,
                                              asio::ssl::context& context) {
  return std::make_unique<TlsTransport>(std::move(socket), first_bytes, context);
}

}  // namespace ndb::local
