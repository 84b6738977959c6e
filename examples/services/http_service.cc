// An HTTP service on Boost.Beast. One thread has all connections; a worker pool of two threads has the requests.
//
//   GET /notes/NAME           the note's text
//   PUT /notes/NAME           makes it the body of the request
//
//   http_service [--deadline=MS] [--check=N]
//
// It serves until SIGINT or SIGTERM; or makes N requests at a time, checks the answers, and ends. A request has MS
// milliseconds (30,000); the header Server-Timing says how long it took.
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "notes.h"
#include "program.h"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::string_view kNotes = "/notes/";

http::status to_http(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return http::status::not_found;
    case absl::StatusCode::kInvalidArgument:
      return http::status::bad_request;
    case absl::StatusCode::kDeadlineExceeded:
      return http::status::gateway_timeout;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return http::status::service_unavailable;
    default:
      return http::status::internal_server_error;
  }
}

// A handler, in a tasklet of the pool: it may wait.
Response answer(const Request& request) {
  Response response{http::status::ok, request.version()};
  const std::string target(request.target());
  if (!target.starts_with(kNotes)) throw ndb::Error(absl::NotFoundError("this service has /notes/NAME alone"));
  const std::string name = target.substr(kNotes.size());
  if (request.method() == http::verb::get) {
    response.body() = notes::get(name)->text;
  } else if (request.method() == http::verb::put) {
    notes::put(name, request.body());
  } else {
    response.result(http::status::method_not_allowed);
  }
  return response;
}

// A connection. Everything but answer() runs on the thread of the connections.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, ndb::WorkerPool& pool, std::chrono::nanoseconds deadline)
      : stream_(std::move(socket)), pool_(pool), deadline_(deadline) {}

  void read() {
    parser_.emplace();
    parser_->body_limit(64 * 1024);
    stream_.expires_after(30s);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->run();
    });
  }

 private:
  void run() {
    stream_.expires_never();  // the pool's turn
    begin_ = std::chrono::steady_clock::now();
    pool_.submit(
        {.deadline = deadline_}, [self = shared_from_this()] { return answer(self->parser_->get()); },
        [self = shared_from_this()](absl::StatusOr<Response> result) {
          // On the pool's thread, which must not wait for the client.
          asio::post(self->stream_.get_executor(),
                     [self, result = std::move(result), timing = program::server_timing(self->begin_)]() mutable {
                       self->write(std::move(result), timing);
                     });
        },
        std::string(parser_->get().method_string()));
  }

  void write(absl::StatusOr<Response> result, const std::string& timing) {
    if (result.ok()) {
      response_ = *std::move(result);
    } else {
      response_ = Response{to_http(result.status()), parser_->get().version()};
      response_.body() = std::string(result.status().message());
    }
    response_.keep_alive(parser_->get().keep_alive());
    response_.set("Server-Timing", timing);
    response_.prepare_payload();
    stream_.expires_after(30s);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) self->read();
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  Response response_;
  ndb::WorkerPool& pool_;
  std::chrono::nanoseconds deadline_;
  std::chrono::steady_clock::time_point begin_;
};

void accept(tcp::acceptor& acceptor, ndb::WorkerPool& pool, std::chrono::nanoseconds deadline) {
  acceptor.async_accept([&acceptor, &pool, deadline](beast::error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) std::make_shared<Connection>(std::move(socket), pool, deadline)->read();
    accept(acceptor, pool, deadline);
  });
}

// ---- A client that checks it ----

Response request(beast::tcp_stream& stream, http::verb method, const std::string& target, const std::string& body) {
  Request request{method, target, 11};
  request.set(http::field::host, "localhost");
  request.body() = body;
  request.prepare_payload();
  http::write(stream, request);
  beast::flat_buffer buffer;
  Response response;
  http::read(stream, buffer, response);
  return response;
}

// Sends `count` requests, each on a connection of its own, before it reads an answer; gives how many were right.
int check(const tcp::endpoint& where, int count) {
  asio::io_context io;
  beast::tcp_stream first(io);
  first.connect(where);
  if (request(first, http::verb::put, "/notes/shopping", "bread, butter").result() != http::status::ok) return 0;
  if (request(first, http::verb::get, "/notes/none", "").result() != http::status::not_found) return 0;

  std::vector<std::unique_ptr<beast::tcp_stream>> streams;
  Request get{http::verb::get, "/notes/shopping", 11};
  get.set(http::field::host, "localhost");
  for (int i = 0; i < count; ++i) {
    streams.push_back(std::make_unique<beast::tcp_stream>(io));
    streams.back()->connect(where);
    http::write(*streams.back(), get);
  }
  int right = 0;
  for (const auto& stream : streams) {
    beast::flat_buffer buffer;
    Response response;
    http::read(*stream, buffer, response);
    right += response.result() == http::status::ok && response.body() == "bread, butter" ? 1 : 0;
  }
  return right;
}

int check_all(const tcp::endpoint& where, int count) {
  try {
    return check(where, count);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 0;
  }
}

bool serve(const program::Arguments& arguments) {
  const auto datastore = program::own_datastore(arguments);
  const ndb::Client client({.channel = datastore ? datastore->channel() : nullptr});
  asio::io_context io(1);  // before the pool: its requests hold connections
  ndb::WorkerPool pool(client, {.threads = 2});
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  accept(acceptor, pool, arguments.deadline);
  const tcp::endpoint where = acceptor.local_endpoint();
  std::cout << "serving on " << where << std::endl;
  auto work = asio::make_work_guard(io);  // while all connections wait for the pool
  std::thread connections([&] { io.run(); });

  int right = 0;
  if (arguments.checks > 0) {
    right = check_all(where, arguments.checks);
    std::cout << right << " of " << arguments.checks << " requests were answered rightly by 2 threads\n";
  } else {
    program::wait_for_signal();
  }

  // First no more connections come; then the requests that are there end; and then their answers are written.
  asio::post(io, [&] { acceptor.close(); });
  pool.stop(5s);
  asio::post(io, [&] { io.stop(); });
  connections.join();
  return right == arguments.checks;
}

}  // namespace

int main(int argc, char** argv) { return program::run(argc, argv, serve); }
