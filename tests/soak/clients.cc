#include "soak/clients.h"

#include <grpcpp/grpcpp.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <random>
#include <string_view>
#include <thread>

#include "base/strings.h"
#include "notes.grpc.pb.h"

namespace ndb::soak {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using std::chrono::steady_clock;

std::chrono::nanoseconds time_of(std::string_view server_timing) {
  constexpr std::string_view kTotal = "total;dur=";
  if (!server_timing.starts_with(kTotal)) return std::chrono::nanoseconds(0);
  const std::string number(server_timing.substr(kTotal.size()));
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::strtod(number.c_str(), nullptr) * 1e6));
}

}  // namespace

struct NotesClient::Grpc {
  std::unique_ptr<examples::Notes::Stub> stub;
};

// A connection that is kept, and made again after an error.
class NotesClient::Http {
 public:
  Http(const std::string& address, std::chrono::nanoseconds patience) : patience_(patience) {
    const std::size_t colon = address.rfind(':');
    where_ = {asio::ip::make_address(address.substr(0, colon)),
              static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1))};
  }

  // Nothing: there was no answer in time.
  std::optional<http::response<http::string_body>> call(const http::request<http::string_body>& request) {
    http::response<http::string_body> response;
    beast::flat_buffer buffer;
    const bool done =
        (stream_ || run([&](auto handler) {
           stream_.emplace(io_);
           stream_->expires_after(patience_);
           stream_->async_connect(where_, std::move(handler));
         })) &&
        run([&](auto handler) {
          stream_->expires_after(patience_);
          http::async_write(*stream_, request, [handler](beast::error_code error, std::size_t) { handler(error); });
        }) &&
        run([&](auto handler) {
          http::async_read(*stream_, buffer, response,
                           [handler](beast::error_code error, std::size_t) { handler(error); });
        });
    if (done) return response;
    stream_.reset();
    return std::nullopt;
  }

 private:
  // Starts an operation and runs it to its end. True: it succeeded.
  template <class Start>
  bool run(Start start) {
    bool right = false;
    start([&right](beast::error_code error) { right = !error; });
    io_.restart();
    io_.run();
    return right;
  }

  std::chrono::nanoseconds patience_;
  asio::ip::tcp::endpoint where_;
  asio::io_context io_{1};
  std::optional<beast::tcp_stream> stream_;
};

NotesClient::NotesClient(const std::string& grpc, const std::string& http, std::chrono::nanoseconds patience,
                         NotesModel& model)
    : patience_(patience),
      model_(model),
      grpc_(std::make_unique<Grpc>(
          Grpc{examples::Notes::NewStub(grpc::CreateChannel(grpc, grpc::InsecureChannelCredentials()))})),
      http_(std::make_unique<Http>(http, patience)) {}
NotesClient::~NotesClient() = default;

Answer NotesClient::call(Service service, const std::string& name, const std::string* put, std::string& text,
                         std::optional<std::int64_t>& writes) {
  Answer answer;
  answer.begin = steady_clock::now();
  if (service == Service::kHttp) {
    http::request<http::string_body> request{put ? http::verb::put : http::verb::get, "/notes/" + name, 11};
    request.set(http::field::host, "localhost");
    if (put) request.body() = *put;
    request.prepare_payload();
    const auto response = http_->call(request);
    answer.answered = response.has_value();
    if (response) {
      const bool none = !put && response->result() == http::status::not_found;
      if (response->result() == http::status::ok && !put) text = response->body();
      if (response->result() != http::status::ok && !none) answer.error = cat("HTTP ", response->result_int());
      answer.served =
          time_of(std::string_view((*response)["Server-Timing"].data(), (*response)["Server-Timing"].size()));
    }
  } else {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + patience_);
    grpc::Status status;
    if (put) {
      examples::NoteText note;
      note.set_name(name);
      note.set_text(*put);
      examples::PutNote reply;
      status = grpc_->stub->Put(&context, note, &reply);
      if (status.ok()) writes = reply.writes();
    } else {
      examples::GetNote note;
      note.set_name(name);
      examples::NoteText reply;
      status = grpc_->stub->Get(&context, note, &reply);
      if (status.ok()) text = reply.text();
      if (status.ok()) writes = reply.writes();
    }
    const bool none = !put && status.error_code() == grpc::StatusCode::NOT_FOUND;
    if (none) writes = 0;
    if (!status.ok() && !none) answer.error = cat("gRPC ", static_cast<int>(status.error_code()));
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto timing = trailers.find("server-timing");
    answer.answered = timing != trailers.end();
    if (answer.answered) answer.served = time_of({timing->second.data(), timing->second.size()});
  }
  answer.end = steady_clock::now();
  if (!answer.answered) answer.error = "no answer";
  return answer;
}

Answer NotesClient::put(Service service, std::size_t note) {
  const std::int64_t number = model_.begin_put(note);
  const std::string value = cat(number);
  std::string text;
  std::optional<std::int64_t> writes;
  Answer answer = call(service, cat("note-", note), &value, text, writes);
  if (answer.error.empty()) model_.acknowledge(note, number, writes);
  return answer;
}

Answer NotesClient::get(Service service, std::size_t note) {
  const NotesModel::Floor floor = model_.begin_read(note);
  std::string text;
  std::optional<std::int64_t> writes;
  Answer answer = call(service, cat("note-", note), nullptr, text, writes);
  if (answer.error.empty()) model_.end_read(note, floor, text, writes);
  return answer;
}

std::vector<Answer> work(const std::stop_token& stop, NotesClient& client, std::uint64_t seed,
                         std::chrono::microseconds mean, std::size_t first, std::size_t own, std::size_t notes) {
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> pause(1.0 / static_cast<double>(mean.count()));
  std::vector<Answer> answers;
  while (!stop.stop_requested()) {
    const auto service = random() % 2 == 0 ? NotesClient::Service::kGrpc : NotesClient::Service::kHttp;
    answers.push_back(random() % 10 < 3 ? client.put(service, first + random() % own)
                                        : client.get(service, random() % notes));
    std::this_thread::sleep_for(std::chrono::microseconds(static_cast<std::int64_t>(pause(random))));
  }
  return answers;
}

}  // namespace ndb::soak
