#include "front_door/http_connection.h"

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"
#include "local_datastore/call_context.h"
#include "local_datastore/limits.h"

namespace ndb::local {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr std::chrono::seconds kPatience{60};  // for the next request, its body, and for an answer to be read
constexpr std::chrono::seconds kFarewell{2};
constexpr std::chrono::milliseconds kLook{100};
constexpr std::uint32_t kMaxHead = 64 << 10;
constexpr std::size_t kMaxDrained = 32 << 20;  // of what a refused client still sends
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string to_text(const HttpResponse& response) {
  std::string text =
      cat("HTTP/1.", response.version() % 10, ' ', response.result_int(), ' ', std::string(response.reason()), "\r\n");
  for (const auto& field : response) {
    text += cat(std::string(field.name_string()), ": ", std::string(field.value()), "\r\n");
  }
  return cat(text, "\r\n", response.body());
}

// Detects header lines that continue on the next line, which other programs would read as separate fields (RFC 9112
// section 5.2).
class FoldedLines {
 public:
  bool find(std::string_view bytes) {
    for (const char c : bytes) {
      if (last_ == '\n' && (c == ' ' || c == '\t')) return true;
      last_ = c;
    }
    return false;
  }

 private:
  char last_ = 0;
};

// A request that a worker answers. The worker shares it, because the connection may stop waiting for it.
struct Exchange {
  Exchange(HttpRequest received, MemoryBudget::Loan memory, std::chrono::milliseconds max_call)
      : request(std::move(received)),
        loan(std::move(memory)),
        call(Clock::system(), Clock::system().monotonic() + max_call),
        begun(std::chrono::steady_clock::now()) {}

  const HttpRequest request;
  MemoryBudget::Loan loan;
  CallContext call;
  const std::chrono::steady_clock::time_point begun;
};

// At any time either one operation of its transport is in flight, or a request is being answered.
class HttpConnection final : public Connection {
 public:
  HttpConnection(HttpServer& server, std::unique_ptr<Transport> transport)
      : server_(server), transport_(std::move(transport)), watch_(server.io), loan_(server.memory) {}

  void start(std::string_view first_bytes) {
    buffer_.commit(
        asio::buffer_copy(buffer_.prepare(first_bytes.size()), asio::buffer(first_bytes.data(), first_bytes.size())));
    server_.connections.add(shared_from_this());
    transport_->close_after(kPatience);
    transport_->start(then(&HttpConnection::on_start));
  }

  void stop() override {
    stopped_ = true;
    if (answering_) return;
    loan_.give_back();
    transport_->close();
  }
  bool waits() const override { return !answering_ && !stopped_; }
  std::size_t incoming_bytes() const override { return loan_.taken(); }
  void cancel(const absl::Status& reason) override {
    if (exchange_ != nullptr) exchange_->call.cancel(reason);
  }

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
    exchange_.reset();
    folded_ = FoldedLines();
    parser_.emplace();
    parser_->header_limit(kMaxHead);
    parser_->body_limit(boost::none);  // checked here
    transport_->close_after(kPatience);
    parse();
  }

  // Parses what has arrived, and takes the next step when the head, or the whole request, is complete.
  void parse() {
    error_code error;
    while (buffer_.size() > 0 && !error) {
      const bool had_head = parser_->is_header_done();
      const auto bytes = buffer_.data();
      const std::size_t used = parser_->put(bytes, error);
      const bool folded = !had_head && folded_.find({static_cast<const char*>(bytes.data()), used});
      buffer_.consume(used);
      if (error && error != http::error::need_more) return on_malformed(error);
      if (folded)
        return refuse(absl::InvalidArgumentError("A header field continues on a second line; send it on one line."));
      if (!had_head && parser_->is_header_done()) return on_head();
      if (!cover_body()) return refuse(too_many_requests());
      if (parser_->is_done()) return on_request();
    }
    read();
  }

  // Counts the bytes that have arrived, not those that were announced. If memory is short, a request that still makes
  // progress has priority over one that has stalled.
  bool cover_body() {
    while (!loan_.cover(parser_->get().body().size())) {
      if (!server_.connections.drop_incoming(*this)) return false;
    }
    return true;
  }

  void read() {
    const auto space = buffer_.prepare(16 << 10);
    transport_->read_some(static_cast<char*>(space.data()), space.size(), then(&HttpConnection::on_read));
  }

  void on_read(error_code error, std::size_t size) {
    if (error || stopped_) return end();
    server_.connections.heard_of(*this);
    buffer_.commit(size);
    parse();
  }

  void on_head() {
    const HttpRequest& head = parser_->get();
    if (const absl::Status status = HttpHandler::check_framing(head); !status.ok()) return refuse(status);
    if (std::optional<HttpResponse> response = server_.handler.answer_head(head)) {
      return send({*std::move(response)}, parser_->is_done());
    }
    if (parser_->is_done()) return on_request();
    parser_->body_limit(kMaxRequestBytes);
    parser_->eager(true);
    const std::uint64_t size = parser_->content_length() ? *parser_->content_length() : 0;
    if (const absl::Status status = check_request_size(size); !status.ok()) return refuse(status);
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
    exchange_ = std::make_shared<Exchange>(parser_->release(), std::exchange(loan_, MemoryBudget::Loan(server_.memory)),
                                           server_.max_call);
    transport_->keep_open();
    watch();
    server_.workers.post([self = self(), exchange = exchange_, work = asio::make_work_guard(server_.io)] {
      HttpHandler::Answer answer = self->server_.handler.answer(exchange->call, exchange->request, exchange->loan);
      exchange->loan.give_back();
      asio::post(self->server_.io, [self, exchange, answer = std::move(answer)]() mutable {
        if (self->exchange_ == exchange && self->watching_) self->send(std::move(answer), true);
      });
    });
  }

  // A client that has gone needs no answer, and one that waits must not wait forever.
  void watch() {
    watching_ = true;
    watch_.expires_after(kLook);
    watch_.async_wait([self = self(), exchange = exchange_](error_code error) {
      if (!error && self->exchange_ == exchange && self->watching_) self->on_watch();
    });
  }

  void on_watch() {
    if (transport_->hung_up()) {
      stopped_ = true;  // later requests on this connection are not begun
      exchange_->call.cancel(absl::CancelledError("The client has closed its connection."));
    }
    if (std::chrono::steady_clock::now() < exchange_->begun + server_.max_call + server_.grace) return watch();
    const absl::Status status =
        absl::DeadlineExceededError(cat("The request took more than ", server_.max_call.count() / 1000, " s."));
    send({http_error(status, &exchange_->request)}, false);
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

  void refuse(const absl::Status& status) { send({http_error(status, &request())}, false); }

  // `whole`: the request was read completely, so that another one can follow.
  void send(HttpHandler::Answer answer, bool whole) {
    answering_ = true;
    watching_ = false;
    watch_.cancel();
    loan_.give_back();
    afterwards_ = std::move(answer.afterwards);
    HttpResponse& response = answer.response;
    server_.handler.finish(request(), response);
    if (whole && request().version() == 10) response.version(10);
    keep_alive_ = whole && request().keep_alive() && !stopped_;
    response.keep_alive(keep_alive_);
    answer_ = to_text(response);
    transport_->close_after(kPatience);
    transport_->write(answer_, then(&HttpConnection::on_sent));
  }

  const HttpRequest& request() const { return exchange_ != nullptr ? exchange_->request : parser_->get(); }

  void on_sent(error_code error, std::size_t) {
    answering_ = false;
    if (afterwards_) std::exchange(afterwards_, nullptr)();
    if (error || stopped_) return end();
    if (keep_alive_) return begin_request();
    // If a socket is closed with unread bytes, the client may discard the answer.
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
    loan_.give_back();
    transport_->close();
    server_.connections.remove(*this);
  }

  HttpServer& server_;
  const std::unique_ptr<Transport> transport_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  FoldedLines folded_;
  std::shared_ptr<Exchange> exchange_;  // the request being answered
  asio::steady_timer watch_;
  bool watching_ = false;
  std::string answer_;
  std::function<void()> afterwards_;
  bool keep_alive_ = false;
  bool answering_ = false;
  bool stopped_ = false;
  MemoryBudget::Loan loan_;  // for the body being received
  std::size_t drained_ = 0;
  std::array<char, 4096> scrap_{};
};

}  // namespace

void serve_http(HttpServer& server, std::unique_ptr<Transport> transport, std::string_view first_bytes) {
  std::make_shared<HttpConnection>(server, std::move(transport))->start(first_bytes);
}

}  // namespace ndb::local
