#include "others.h"

#include <cstdio>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "counts.h"
#include "package.h"

namespace demo {

SecondThread::SecondThread(const ndb::Client& client) : thread_([this, client] { work(client); }) {}

SecondThread::~SecondThread() {
  give(Order::kEnd);
  thread_.join();
}

void SecondThread::run(std::function<void()> job) {
  job_ = std::move(job);
  give(Order::kRun);
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

void SecondThread::new_context() { give(Order::kNewContext); }

void SecondThread::give(Order order) {
  order_ = order;
  ordered_.release();
  done_.acquire();
}

void SecondThread::work(const ndb::Client& client) {
  for (bool ended = false; !ended;) {
    const auto scope = client.context();
    for (ordered_.acquire(); order_ == Order::kRun; ordered_.acquire()) {
      try {
        job_();
      } catch (...) {
        error_ = std::current_exception();
      }
      done_.release();
    }
    ended = order_ == Order::kEnd;
    done_.release();
  }
}

SecondProcess::SecondProcess(const std::string& datastore, const std::string& memcached)
    : process_({"/proc/self/exe", kSecondProcess, datastore, memcached}, {.pipes = true}) {}

std::string SecondProcess::ask(const std::string& line) {
  std::fprintf(process_.in(), "%s\n", line.c_str());
  std::fflush(process_.in());
  std::optional<std::string> answer = read_line(process_.out());
  if (!answer) throw std::runtime_error("the second process has ended early");
  return *std::move(answer);
}

Seen SecondProcess::read(const ndb::Key& key) {
  Seen seen;
  std::istringstream answer(ask(key.urlsafe()));
  answer >> seen.counts.cache_hits >> seen.counts.memcache_hits >> seen.counts.lookups >> seen.version;
  return seen;
}

void SecondProcess::new_context() { ask("new context"); }

int be_second_process(const std::string& datastore, const std::string& memcached) {
  const ndb::Client client(
      {.project = "demo", .emulator_host = datastore, .memcached_hosts = std::vector<std::string>{memcached}});
  std::string line;
  while (std::cin) {
    const auto scope = client.context();
    while (std::getline(std::cin, line) && line != "new context") {
      const ndb::TierCounts before = scope->counts();
      const Package package = ndb::Key::from_urlsafe(line).get<Package>();
      const ndb::TierCounts grown = growth(before, scope->counts());
      std::cout << grown.cache_hits << ' ' << grown.memcache_hits << ' ' << grown.lookups << ' '
                << (package ? package->version : "none") << std::endl;
    }
    if (std::cin) std::cout << "done" << std::endl;
  }
  return 0;
}

}  // namespace demo
