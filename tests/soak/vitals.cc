#include "soak/vitals.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/strings.h"

namespace ndb::soak {
namespace {

constexpr std::chrono::milliseconds kEvery{50};
constexpr std::int64_t kMoreKib = 4096, kMoreThreads = 8, kMoreDescriptors = 8;

std::int64_t count(const std::string& directory) {
  std::error_code gone;
  const std::filesystem::directory_iterator entries(directory, gone);
  return gone ? 0 : std::distance(begin(entries), end(entries));
}

}  // namespace

Vitals::Vitals(pid_t pid)
    : pid_(pid), thread_([this] {
        std::unique_lock lock(mutex_);
        do {
          look();
        } while (!stopping_.wait_for(lock, kEvery, [this] { return stopped_; }));
      }) {}

void Vitals::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  stopping_.notify_one();
  thread_.join();
}

void Vitals::look() {
  const std::string process = cat("/proc/", pid_);
  Vital vital;
  vital.at = std::chrono::steady_clock::now();
  std::ifstream statm(process + "/statm");
  std::int64_t pages = 0;
  statm >> pages >> pages;
  if (pages == 0) return;  // it has ended
  vital.resident_kib = pages * 4;
  vital.threads = count(process + "/task");
  vital.descriptors = count(process + "/fd");
  vital.delayed = run_delay();
  if (!all_.empty()) {
    vital.delayed += all_.back().delayed + std::max(std::chrono::nanoseconds(0), vital.at - all_.back().at - kEvery);
  }
  all_.push_back(vital);
}

// Since the last call. The second number of a thread's schedstat is how long it was runnable and did not run.
std::chrono::nanoseconds Vitals::run_delay() {
  std::map<std::string, std::int64_t> delays;
  std::int64_t more = 0;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator(cat("/proc/", pid_, "/task"), gone)) {
    std::ifstream file(thread.path() / "schedstat");
    std::int64_t ran = 0, waited = 0;
    if (!(file >> ran >> waited)) continue;
    const auto before = delays_.find(thread.path());
    more += waited - (before == delays_.end() ? 0 : before->second);
    delays.emplace(thread.path(), waited);
  }
  delays_ = std::move(delays);
  return std::chrono::nanoseconds(more);
}

std::chrono::nanoseconds Vitals::delayed_between(Time begin, Time end) const {
  if (all_.empty()) return std::chrono::nanoseconds(0);
  const auto earlier = [](const Vital& vital, Time time) { return vital.at < time; };
  auto first = std::lower_bound(all_.begin(), all_.end(), begin, earlier);
  auto last = std::lower_bound(all_.begin(), all_.end(), end, earlier);
  if (first != all_.begin()) --first;
  if (last == all_.end()) --last;
  return last->delayed - first->delayed;
}

std::int64_t Vitals::median_resident(int quarter) const {
  const std::size_t size = all_.size() / 4;
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < size; ++i) {
    numbers.push_back(all_[static_cast<std::size_t>(quarter) * size + i].resident_kib);
  }
  if (numbers.empty()) return 0;
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(size / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

std::int64_t Vitals::most(int half, std::int64_t Vital::* number) const {
  const std::size_t size = all_.size() / 2;
  std::int64_t highest = 0;
  for (std::size_t i = 0; i < size; ++i) {
    highest = std::max(highest, all_[static_cast<std::size_t>(half) * size + i].*number);
  }
  return highest;
}

std::vector<std::string> Vitals::growth() const {
  std::vector<std::string> found;
  const std::int64_t before = median_resident(1), after = median_resident(3);
  if (after > before + before / 10 + kMoreKib) {
    found.push_back(cat("its memory has grown from ", before, " KiB to ", after, " KiB"));
  }
  const auto compare = [&](const char* what, std::int64_t Vital::* number, std::int64_t more) {
    if (most(1, number) > most(0, number) + more) {
      found.push_back(cat("it had ", most(0, number), " ", what, " at most, and later ", most(1, number)));
    }
  };
  compare("threads", &Vital::threads, kMoreThreads);
  compare("descriptors", &Vital::descriptors, kMoreDescriptors);
  return found;
}

std::string Vitals::summary() const {
  return cat("resident memory ", median_resident(1), " KiB after the warm-up, ", median_resident(3),
             " KiB at the end; ", "most threads ", most(0, &Vital::threads), " and ", most(1, &Vital::threads),
             ", descriptors ", most(0, &Vital::descriptors), " and ", most(1, &Vital::descriptors),
             " in the two halves");
}

}  // namespace ndb::soak
