// A soak of the example services (`./dev soak`): clients put and get notes through both while their servers hang and
// die. It fails if a request takes longer than its deadline, if an answer is wrong, if a service needs more and more
// memory, threads or descriptors, or if it does not end after SIGTERM while the Datastore hangs.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <future>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "soak/clients.h"
#include "soak/notes_model.h"
#include "soak/servers.h"
#include "soak/vitals.h"

namespace ndb::soak {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: ndb_soak [SECONDS] [--seed S]\n\n"
    "  SECONDS   how long to go on (default: 600)\n"
    "  --seed S  which faults (default: random ones; the seed is printed)\n";

constexpr auto kDeadline = 500ms;  // of a request
constexpr auto kSlack = 50ms;      // beside the time that scheduling takes
constexpr auto kPatience = 60s;    // of clients
constexpr std::size_t kThreads = 24, kOwn = 1, kNotes = kThreads * kOwn;
constexpr auto kPause = 250ms;  // of a client between two requests, on average
constexpr int kGraceLooks = 1500;

struct Arguments {
  std::chrono::seconds time{600};
  std::uint64_t seed = std::random_device{}();
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments parsed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--seed") {
      parsed.seed = std::stoull(words.at(++i));
    } else {
      parsed.time = std::chrono::seconds(std::stoul(words[i]));
    }
  }
  return parsed;
}

struct Service {
  Service(const char* its_name, const char* program, const Servers& servers, const std::string& directory)
      : name(its_name),
        child({program, cat("--deadline=", kDeadline.count())}, servers.environment(),
              directory + "/" + its_name + ".log"),
        address(child.line("serving on ")),
        vitals(child.pid()) {
    if (address.empty()) throw std::runtime_error(cat(name, " does not start"));
  }
  const char* name;
  Child child;
  std::string address;
  Vitals vitals;
};

class Soak {
 public:
  Soak(const Arguments& arguments, const std::string& directory)
      : arguments_(arguments),
        servers_(NDB_COMMAND, directory),
        grpc_("gRPC service", GRPC_SERVICE, servers_, directory),
        http_("HTTP service", HTTP_SERVICE, servers_, directory),
        faults_(servers_, model_, arguments.seed) {}

  // True: nothing was wrong.
  bool run() {
    work_under_faults();
    read_all();
    grpc_.vitals.stop();
    http_.vitals.stop();
    stop_services();
    report();
    return wrong_.empty();
  }

 private:
  NotesClient client(std::chrono::nanoseconds patience = kPatience) {
    return {grpc_.address, http_.address, patience, model_};
  }

  void work_under_faults() {
    std::stop_source stop;
    std::vector<std::future<std::vector<Answer>>> workers;
    for (std::size_t i = 0; i < kThreads; ++i) {
      workers.push_back(std::async(std::launch::async, [this, i, token = stop.get_token()] {
        NotesClient own = client();
        return work(token, own, arguments_.seed + i, kPause, i * kOwn, kOwn, kNotes);
      }));
    }
    faults_.run_until(steady_clock::now() + arguments_.time);
    stop.request_stop();
    for (auto& worker : workers) {
      for (Answer& answer : worker.get()) answers_.push_back(std::move(answer));
    }
  }

  // When all servers work again, every note must be there, through both services.
  void read_all() {
    NotesClient own = client();
    for (const auto service : {NotesClient::Service::kGrpc, NotesClient::Service::kHttp}) {
      for (std::size_t note = 0; note < kNotes; ++note) {
        std::string error = "unread";
        for (int attempt = 0; attempt < 100 && !error.empty(); ++attempt) {
          if (attempt > 0) std::this_thread::sleep_for(100ms);
          error = own.get(service, note).error;
        }
        if (!error.empty()) wrong_.push_back(cat("note ", note, " cannot be read after all faults: ", error));
      }
    }
  }

  // While requests wait for a Datastore that hangs.
  void stop_services() {
    servers_.pause_datastore();
    std::vector<std::future<Answer>> last;
    for (std::size_t i = 0; i < kThreads; ++i) {
      last.push_back(std::async(std::launch::async, [this, i] {
        NotesClient own = client(2s);  // the service may be gone before it has the request
        return own.put(i % 2 == 0 ? NotesClient::Service::kGrpc : NotesClient::Service::kHttp, i * kOwn);
      }));
    }
    std::this_thread::sleep_for(100ms);
    for (Service* service : {&grpc_, &http_}) {
      const std::string problem = service->child.terminate(kGraceLooks);
      if (!problem.empty()) wrong_.push_back(cat(service->name, ": ", problem));
    }
    servers_.resume_datastore();
  }

  void report() {
    std::vector<double> client_ms, served_ms;
    std::map<std::string, int> errors;
    int late = 0, held = 0;
    for (const Answer& answer : answers_) {
      client_ms.push_back(std::chrono::duration<double, std::milli>(answer.end - answer.begin).count());
      served_ms.push_back(std::chrono::duration<double, std::milli>(answer.served).count());
      if (!answer.error.empty()) ++errors[answer.error];
      const auto delayed = std::max(grpc_.vitals.delayed_between(answer.begin, answer.end),
                                    http_.vitals.delayed_between(answer.begin, answer.end));
      const auto silence = faults_.silence_between(answer.begin, answer.end);
      if (answer.served <= kDeadline + kSlack + delayed) continue;
      ++held;
      if (answer.served <= kDeadline + kSlack + delayed + silence) continue;
      ++late;
      wrong_.push_back(cat("a request took ", served_ms.back(), " ms, of which scheduling can explain ",
                           std::chrono::duration_cast<std::chrono::milliseconds>(delayed).count(), " ms"));
    }
    std::printf("%s\n%zu requests, of which %d were late, and %d had a thread that waited for a silent memcached\n",
                faults_.summary().c_str(), answers_.size(), late, held - late);
    print_percentiles("by the clock of the services", served_ms);
    print_percentiles("by the clock of the clients", client_ms);
    for (const auto& [error, count] : errors) std::printf("  %s: %d\n", error.c_str(), count);
    std::printf("%lld reads were compared with what was put, %lld could not be, because locks were lost\n",
                static_cast<long long>(model_.compared()), static_cast<long long>(model_.excused()));
    if (errors.contains("no answer")) wrong_.push_back(cat(errors["no answer"], " requests were not answered"));
    if (model_.compared() == 0) wrong_.push_back("no read could be compared");
    for (const std::string& violation : model_.violations()) wrong_.push_back(violation);
    for (const Service* service : {&grpc_, &http_}) {
      std::printf("%s: %s\n", service->name, service->vitals.summary().c_str());
      for (const std::string& growth : service->vitals.growth()) wrong_.push_back(cat(service->name, ": ", growth));
    }
    for (const std::string& what : wrong_) std::printf("WRONG: %s\n", what.c_str());
    std::puts(wrong_.empty() ? "nothing was wrong" : "something was wrong");
  }

  static void print_percentiles(const char* whose, std::vector<double>& ms) {
    if (ms.empty()) return;
    std::sort(ms.begin(), ms.end());
    const auto at = [&](double share) {
      return ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1))];
    };
    std::printf("  %s: half of them within %.1f ms, 99%% within %.1f, 99.9%% within %.1f, the slowest %.1f\n", whose,
                at(0.5), at(0.99), at(0.999), ms.back());
  }

  const Arguments arguments_;
  NotesModel model_{kNotes};
  Servers servers_;
  Service grpc_, http_;
  Faults faults_;
  std::vector<Answer> answers_;
  std::vector<std::string> wrong_;
};

// A directory for the data and what the programs print; it stays if something was wrong.
std::string new_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "ndb_soak_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error(cat("no directory ", name, " can be made"));
  return name;
}

}  // namespace
}  // namespace ndb::soak

int main(int argc, char** argv) {
  ndb::soak::Arguments arguments;
  try {
    arguments = ndb::soak::parse({argv + 1, argv + argc});
  } catch (const std::exception&) {
    std::fputs(ndb::soak::kUsage, stderr);
    return 2;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(arguments.seed));
  std::fflush(stdout);
  const std::string directory = ndb::soak::new_directory();
  const bool right = ndb::soak::Soak(arguments, directory).run();
  if (right) {
    std::filesystem::remove_all(directory);
  } else {
    std::printf("what the programs printed is in %s\n", directory.c_str());
  }
  return right ? 0 : 1;
}
