// The code of docs/guide.md on threads and worker pools.
#include <functional>
#include <future>
#include <map>

#include "guide_fixture.h"

namespace {

using namespace guide;
using namespace std::chrono_literals;

class Threads : public Guide {
 protected:
  const ndb::Client client_ = make_client();
};

TEST_F(Threads, AWorkerPool) {
  std::string client_text;
  // [worker_pool]
  ndb::WorkerPool pool(client_, {.threads = 4, .max_running = 1000, .max_queued = 500});

  std::future<std::string> name = pool.submit({.namespace_ = "tenant-7"}, [] {
    const Account ada = Account::get_by_id("ada");  // waits, and its thread does not
    return ada ? ada->name : std::string("nobody");
  });
  client_text = name.get();
  // [/worker_pool]
  EXPECT_EQ(client_text, "nobody");

  // [worker_pool_stats]
  ndb::for_each_stat(pool.stats(), [](const auto& field, std::uint64_t value) {
    std::cout << "worker_pool_" << field.name << ' ' << value << '\n';
  });
  // [/worker_pool_stats]
  // [worker_pool_stop]
  if (!pool.stop(5s)) std::cerr << "some requests have not ended\n";
  // [/worker_pool_stop]
}

// A call of some framework that is driven by callbacks.
struct Call {
  std::string user;
  std::promise<std::pair<int, std::string>> answer;
  void finish(int code, std::string text) { answer.set_value({code, std::move(text)}); }
};
struct Service {
  ndb::WorkerPool& pool;
  void on_call(std::shared_ptr<Call> call);
};

// [worker_pool_callback]
void Service::on_call(std::shared_ptr<Call> call) {  // on the framework's thread, which must not wait
  pool.submit(
      {}, [call] { return Account::get_by_id(call->user)->age; },
      [call](const absl::StatusOr<std::int64_t>& age) {  // called exactly once
        if (age.ok()) {
          call->finish(200, std::to_string(*age));
        } else {
          call->finish(absl::IsResourceExhausted(age.status()) ? 503 : 500, std::string(age.status().message()));
        }
      },
      "Service.age");
}
// [/worker_pool_callback]

TEST_F(Threads, ACallbackOfAWorkerPool) {
  {
    const auto scope = client_.context();
    Account::make({.name = "Ada", .age = 36}, ndb::id("ada")).put();
  }
  ndb::WorkerPool pool(client_, {.threads = 1});
  const auto call = std::make_shared<Call>();
  call->user = "ada";
  Service{pool}.on_call(call);
  EXPECT_EQ(call->answer.get_future().get(), (std::pair<int, std::string>(200, "36")));
}

}  // namespace
