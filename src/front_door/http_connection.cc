#include "front_door/http_connection.h"

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "local_datastore/rules.h"

namespace ndb::local {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr std::chrono::seconds kPatience{60};  // for the next request, its body, and the reading of an answer
constexpr std::chrono::seconds kFarewell{2};
constexpr std::uint32_t kMaxHead = 64 << 10;
constexpr std::size_t kSmallBody = 64 << 10;   // not counted
constexpr std::size_t kMaxDrained = 32 << 20;  // of what a client sends on though it was refused
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string to_text(const HttpResponse& response) {
  std::string text =
      cat("HTTP/1.", response.version() % 10, ' ', response.result_int(), ' ', std::string(response.reason()), "\r\n");
  for (const auto& field : response) {
    text += cat(std::string(field.name_string()), ": ", std::string(field.value()), "\r\n");
  }
  return cat(text, "\r\n", response.body());
}

// Always with one operation of its transport under way, or at work for a request.
class HttpConnection final : public Connection {
 public:
  HttpConnection(HttpServer& server, std::unique_ptr<Transport> transport)
      : server_(server), transport_(std::move(transport)) {}

  void start(std::string_view first_bytes) {
    buffer_.commit(
        asio::buffer_copy(buffer_.prepare(first_bytes.size()), asio::buffer(first_bytes.data(), first_bytes.size())));
    server_.connections.add(shared_from_this());
    transport_->close_after(kPatience);
    transport_->start(then(&HttpConnection::on_start));
  }

  void stop() override {
    stopped_ = true;
    if (!answering_) transport_->close();
  }
  bool waits() const override { return !answering_ && !stopped_; }

 private:
  using Parser = http::request_parser<http::string_body>;
  using Next = void (HttpConnection::*)(error_code, std::size_t);

  std::shared_ptr<HttpConnection> self() { return std::static_pointer_cast<HttpConnection>(shared_from_this()); }
  Transport::Done then(Next next) {
    return [self = self(), next](error_code error, std::size_t size) { ((*self).*next)(error, size); };
  }

  void on_start(error_code error, std::size_t) {
    if (error) return end();
    begin_request();
  }

  void begin_request() {
    if (stopped_) return end();
    parser_.emplace();
    parser_->header_limit(kMaxHead);
    parser_->body_limit(boost::none);  // judged by itself
    transport_->close_after(kPatience);
    parse();
  }

  // What is there of the request, and on to the next step when its head, or all of it, has been read.
  void parse() {
    error_code error;
    while (buffer_.size() > 0 && !error) {
      const bool had_head = parser_->is_header_done();
      buffer_.consume(parser_->put(buffer_.data(), error));
      if (error && error != http::error::need_more) return on_malformed(error);
      if (!had_head && parser_->is_header_done()) return on_head();
      if (parser_->is_done()) return on_request();
    }
    read();
  }

  void read() {
    const auto space = buffer_.prepare(16 << 10);
    transport_->read_some(static_cast<char*>(space.data()), space.size(), then(&HttpConnection::on_read));
  }

  void on_read(error_code error, std::size_t size) {
    if (error || stopped_) return end();
    buffer_.commit(size);
    parse();
  }

  void on_head() {
    server_.connections.heard_of(*this);
    const HttpRequest& head = parser_->get();
    if (std::optional<HttpResponse> response = server_.handler.answer_head(head)) {
      return send({*std::move(response)}, parser_->is_done());
    }
    if (parser_->is_done()) return on_request();
    // Of a body in chunks the size is known only when it is here.
    parser_->body_limit(kMaxRequestBytes);
    parser_->eager(true);
    const std::uint64_t size = parser_->content_length() ? *parser_->content_length() : kMaxRequestBytes;
    if (const absl::Status status = check_request_size(size); !status.ok()) return refuse(status);
    if (!borrow(size)) {
      return refuse(absl::ResourceExhaustedError("There are too many large requests at once; try again later."));
    }
    transport_->close_after(kPatience);
    if (!beast::iequals(head[http::field::expect], "100-continue")) return parse();
    transport_->write(kContinue, then(&HttpConnection::on_continue));
  }

  void on_continue(error_code error, std::size_t) {
    if (error) return end();
    parse();
  }

  void on_request() {
    answering_ = true;
    server_.workers.post([self = self(), work = asio::make_work_guard(server_.io)] {
      HttpHandler::Answer answer = self->server_.handler.answer(self->parser_->get());
      asio::post(self->server_.io,
                 [self, answer = std::move(answer)]() mutable { self->send(std::move(answer), true); });
    });
  }

  void on_malformed(const error_code& error) {
    if (error == http::error::body_limit) return refuse(check_request_size(kMaxRequestBytes + 1));
    const bool large = error == http::error::header_limit;
    const absl::Status status =
        absl::InvalidArgumentError(large ? cat("The head of a request has at most ", kMaxHead, " bytes.")
                                         : cat("This is not an HTTP request: ", error.message(), '.'));
    send({http_error(status, nullptr, large ? http::status::request_header_fields_too_large : http::status::unknown)},
         false);
  }

  void refuse(const absl::Status& status) { send({http_error(status, &parser_->get())}, false); }

  // `whole`: the request was read to its end, so that the next one can follow.
  void send(HttpHandler::Answer answer, bool whole) {
    answering_ = true;
    give_back();
    afterwards_ = std::move(answer.afterwards);
    HttpResponse& response = answer.response;
    if (whole && parser_->get().version() == 10) response.version(10);
    keep_alive_ = whole && parser_->get().keep_alive() && !stopped_;
    response.keep_alive(keep_alive_);
    answer_ = to_text(response);
    transport_->close_after(kPatience);
    transport_->write(answer_, then(&HttpConnection::on_sent));
  }

  void on_sent(error_code error, std::size_t) {
    answering_ = false;
    if (afterwards_) std::exchange(afterwards_, nullptr)();
    if (error || stopped_) return end();
    if (keep_alive_) return begin_request();
    // Closed with bytes unread, a socket would tell the client to forget the answer.
    transport_->close_after(kFarewell);
    transport_->end_writing(then(&HttpConnection::on_ended));
  }

  void on_ended(error_code error, std::size_t) {
    if (error) return end();
    transport_->close_after(kFarewell);
    drain();
  }

  void drain() { transport_->read_some(scrap_.data(), scrap_.size(), then(&HttpConnection::on_drained)); }

  void on_drained(error_code error, std::size_t size) {
    drained_ += size;
    if (error || drained_ > kMaxDrained) return end();
    drain();
  }

  void end() {
    give_back();
    transport_->close();
    server_.connections.remove(*this);
  }

  bool borrow(std::size_t size) {
    if (size <= kSmallBody) return true;
    if (size > server_.free_body_bytes) return false;
    server_.free_body_bytes -= size;
    borrowed_ = size;
    return true;
  }
  void give_back() { server_.free_body_bytes += std::exchange(borrowed_, 0); }

  HttpServer& server_;
  const std::unique_ptr<Transport> transport_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string answer_;
  std::function<void()> afterwards_;
  bool keep_alive_ = false;
  bool answering_ = false;
  bool stopped_ = false;
  std::size_t borrowed_ = 0;
  std::size_t drained_ = 0;
  std::array<char, 4096> scrap_{};
};

}  // namespace

void serve_http(HttpServer& server, std::unique_ptr<Transport> transport, std::string_view first_bytes) {
  std::make_shared<HttpConnection>(server, std::move(transport))->start(first_bytes);
}

}  // namespace ndb::local
