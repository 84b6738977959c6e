// Client::shutdown(): contexts of all threads end, or their threads are named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "ndb/ndb.h"

namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShutdownTest : public ::testing::Test {
 protected:
  // Nothing answers there, and nobody asks.
  ndb::Client client_{{.project = "p", .emulator_host = "localhost:1", .memcached_hosts = std::vector<std::string>{}}};
};

TEST_F(ShutdownTest, EndsWhatWaitsAndNamesTheThreadsThatDoNot) {
  std::promise<void> waiting, computing, release;
  absl::Status ended;
  std::thread waiter([&] {
    const auto scope = client_.context();
    waiting.set_value();
    try {
      ndb::sleep(1h);
    } catch (const ndb::Cancelled& error) {
      ended = error.status();
    }
  });
  std::thread computer([&] {
    const auto scope = client_.context();
    computing.set_value();
    release.get_future().wait();
  });
  waiting.get_future().wait();
  computing.get_future().wait();

  const std::thread::id busy = computer.get_id();
  EXPECT_THAT(client_.shutdown(5ms), Contains(busy));
  waiter.join();
  EXPECT_THAT(std::string(ended.message()), HasSubstr("the client is being shut down"));
  EXPECT_THROW(static_cast<void>(client_.context()), ndb::ContextError);

  release.set_value();
  computer.join();
  EXPECT_THAT(client_.shutdown(1h), IsEmpty());
}

TEST_F(ShutdownTest, WaitsForNobodyIfNoContextIsOpen) {
  {
    const auto scope = client_.context();
  }
  EXPECT_THAT(client_.shutdown(1h), IsEmpty());
  EXPECT_THAT(client_.shutdown(-1s), IsEmpty());
}

// The calling thread could not end its own.
TEST_F(ShutdownTest, CancelsTheContextsOfTheCallerToo) {
  const auto scope = client_.context();
  EXPECT_THAT(client_.shutdown(1h), IsEmpty());
  EXPECT_THROW(ndb::sleep(1h), ndb::Cancelled);
}

}  // namespace
