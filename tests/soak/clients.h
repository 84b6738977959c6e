// The clients of the services: threads that put and get notes at random, through both services.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "soak/notes_model.h"

namespace ndb::soak {

// How a request went.
struct Answer {
  std::chrono::steady_clock::time_point begin, end;  // by the client's clock
  std::chrono::nanoseconds served{0};                // by the service's clock
  std::string error;                                 // the status; empty: the request succeeded
  bool answered = false;                             // false: no answer came
};

// A client of both services. Not thread-safe: each thread has one.
class NotesClient {
 public:
  // `grpc` and `http`: the addresses of the services, which must answer within `patience`.
  NotesClient(const std::string& grpc, const std::string& http, std::chrono::nanoseconds patience, NotesModel& model);
  ~NotesClient();

  enum class Service : std::uint8_t { kGrpc, kHttp };
  // Nobody else may put this note at the same time.
  Answer put(Service service, std::size_t note);
  Answer get(Service service, std::size_t note);

 private:
  class Http;
  struct Grpc;
  Answer call(Service service, const std::string& name, const std::string* put, std::string& text,
              std::optional<std::int64_t>& writes);

  const std::chrono::nanoseconds patience_;
  NotesModel& model_;
  std::unique_ptr<Grpc> grpc_;
  std::unique_ptr<Http> http_;
};

// Until a stop is requested: a random request, a random pause of `mean` on average, and so on. Puts the notes
// `first` to `first + own - 1` and gets all `notes`.
std::vector<Answer> work(const std::stop_token& stop, NotesClient& client, std::uint64_t seed,
                         std::chrono::microseconds mean, std::size_t first, std::size_t own, std::size_t notes);

}  // namespace ndb::soak
