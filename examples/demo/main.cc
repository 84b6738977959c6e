// The demo: starts memcached and a local Datastore, imports this machine's package index, serves it back through each
// tier, and walks through NDB's manual on caching. It exits with 1 if anything that it claims does not hold.
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manual.h"
#include "others.h"
#include "package.h"
#include "process.h"
#include "terminal.h"
#include "tiers.h"

namespace demo {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kFewest = 60;         // packages that the demo needs
constexpr std::size_t kImportBatch = 2000;  // entities in one put_multi: four Commits
constexpr std::size_t kSingles = 2000, kBatched = 10'000, kWalkBatch = 100;

constexpr std::string_view kUsage = R"(usage: ndb_demo [--packages=N]

  --packages=N  import only N packages of this machine's index (default: all; at least 60)
)";

struct Arguments {
  std::size_t packages = std::numeric_limits<std::size_t>::max();
};

// Throws std::invalid_argument for invalid arguments.
Arguments parse(std::span<const std::string> arguments) {
  Arguments parsed;
  for (const std::string& argument : arguments) {
    constexpr std::string_view kPackages = "--packages=";
    if (!argument.starts_with(kPackages)) throw std::invalid_argument("unknown argument " + argument);
    const std::string_view number = std::string_view(argument).substr(kPackages.size());
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, parsed.packages);
    if (error != std::errc() || stop != end || parsed.packages < kFewest) {
      throw std::invalid_argument("--packages must be a number of at least " + std::to_string(kFewest) + ", but is '" +
                                  std::string(number) + "'");
    }
  }
  return parsed;
}

// A long task, for which the in-context cache, which would keep all entities, is switched off.
void import(const ndb::Client& client, std::vector<Package::Properties>& all, Claims& claims) {
  const auto scope = client.context();
  scope->set_cache_policy(false);
  Progress progress("import", all.size());
  for (std::size_t next = 0; next < all.size();) {
    std::vector<Package> batch;
    for (; next < all.size() && batch.size() < kImportBatch; ++next) {
      const ndb::Id id = ndb::id(all[next].name);
      batch.push_back(Package::make(std::move(all[next]), id));
    }
    ndb::put_multi(batch);
    progress.advance(batch.size());
  }
  const ndb::TierCounts& counts = scope->counts();
  claims.claim(counts.mutations == all.size(), "every package is written once");
  std::cout << "  Commits, each of up to 500 entities: " << count_text(counts.commits)
            << "; batches of locks in memcache: " << count_text(counts.memcache_locks) << '\n';
}

std::string largest_section(const std::vector<Package::Properties>& all) {
  std::map<std::string, std::size_t> sections;
  for (const Package::Properties& package : all) ++sections[package.section];
  return std::max_element(sections.begin(), sections.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

// Their keys in a random order that is the same in every run.
std::vector<ndb::Key> shuffled_keys(const std::vector<Package::Properties>& all, const std::string& project) {
  std::vector<ndb::Key> keys;
  keys.reserve(all.size());
  for (const Package::Properties& package : all) {
    keys.push_back(
        ndb::key<Package>(package.name).in_partition({.project = project, .database = "", .namespace_ = ""}));
  }
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(2));
  return keys;
}

int run(const Arguments& arguments) {
  const auto start = steady_clock::now();
  ndb::set_log_sink([](ndb::Severity severity, std::string_view message) {
    if (severity != ndb::Severity::kInfo) std::cerr << "ndb_demo: " << message << std::endl;
  });
  Claims claims;
  print_title("ndb: entities of a Datastore, through two tiers of cache");
  const Memcached memcached;
  const auto datastore = ndb::LocalDatastore::start({.host_port = "127.0.0.1:0"});
  std::cout << "  memcached on " << memcached.address() << ", process " << memcached.pid()
            << "\n  a local Datastore on " << datastore->address() << ", in this process and in memory\n";
  // The demo checks counts, which must not depend on the load of the machine.
  const ndb::Client client({.project = "demo",
                            .emulator_host = datastore->address(),
                            .memcached_hosts = std::vector<std::string>{memcached.address()},
                            .memcache_connect_timeout = std::chrono::seconds(5),
                            .memcache_io_timeout = std::chrono::seconds(5)});

  print_title("Import");
  PackageIndex index = read_package_index(arguments.packages);
  if (index.packages.size() < kFewest) {
    throw std::runtime_error(index.source + " has only " + std::to_string(index.packages.size()) + " packages");
  }
  std::cout << "  " << count_text(index.packages.size()) << " packages in " << index.source;
  if (index.repeated > 0)
    std::cout << " (of the same name, the last one: " << count_text(index.repeated) << " were replaced)";
  std::cout << "\n";
  const std::string section = largest_section(index.packages);
  const std::vector<ndb::Key> shuffled = shuffled_keys(index.packages, client.project());
  import(client, index.packages, claims);

  // Each part of the demo reads keys of its own, which are not cached yet.
  std::span<const ndb::Key> keys = shuffled;
  const auto take = [&](std::size_t most) {
    const std::span<const ndb::Key> taken = keys.first(std::min(most, keys.size()));
    keys = keys.subspan(taken.size());
    return taken;
  };
  const std::span<const ndb::Key> of_walk = take(std::min(kKeysByName + kWalkBatch, keys.size() / 2));
  const std::span<const ndb::Key> singles = take(std::min(kSingles, keys.size() / 3));
  const std::span<const ndb::Key> batched = take(kBatched);
  print_title("The same packages, served by one tier after the other");
  serve_by_tiers(client, singles, batched, claims);
  walk_through_the_manual({client, datastore->address(), memcached.address(), section}, of_walk, claims);

  print_title("Summary");
  std::cout << "  " << count_text(claims.made() - claims.broken()) << " of " << count_text(claims.made())
            << " claims hold, in " << duration_text(steady_clock::now() - start) << '\n';
  return claims.broken() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 3 && arguments[0] == demo::kSecondProcess) {
      return demo::be_second_process(arguments[1], arguments[2]);
    }
    if (arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h")) {
      std::cout << demo::kUsage;
      return 0;
    }
    return demo::run(demo::parse(arguments));
  } catch (const std::invalid_argument& error) {
    std::cerr << "ndb_demo: " << error.what() << '\n' << demo::kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "ndb_demo: " << error.what() << '\n';
    return 1;
  }
}
