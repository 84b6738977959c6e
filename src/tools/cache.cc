#include "tools/cache.h"

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "context/client_core.h"
#include "memcache/gateway.h"
#include "ndb/client.h"
#include "ndb/error.h"
#include "ndb/log.h"
#include "ndb/query.h"
#include "tools/cache_words.h"

namespace ndb::tools {
namespace {

using memcache::Gateway;

// Only a server in trouble needs that long.
constexpr std::chrono::seconds kPatience{5};
// The number of keys per query and per invalidation.
constexpr std::size_t kBatch = 500;

std::ostream& complain() { return std::cerr << "ndb: "; }

std::unique_ptr<Gateway> make_gateway(const CacheCommand& command) {
  memcache::Config config = context::memcache_config(command.options);
  if (config.servers.empty()) {
    throw BadArgumentError("no memcached servers: give --memcached=HOSTS or set MEMCACHED_HOSTS");
  }
  config.connect_timeout = config.io_timeout = kPatience;
  // With another list of servers than the programs', it would invalidate records that nobody reads. Commands that only
  // read must not leave a list behind.
  const bool invalidates = command.verb == CacheCommand::Verb::kFlush && !command.all;
  config.ring_check = invalidates ? RingCheck::kEnforce : RingCheck::kOff;
  auto gateway = Gateway::make(std::move(config));
  if (!gateway.ok()) throw_error(gateway.status());
  return *std::move(gateway);
}

// The keys of the command, all with a project.
std::vector<Key> qualified_keys(const CacheCommand& command) {
  std::vector<Key> keys = command.keys;
  for (Key& key : keys) {
    if (!key.project().empty()) continue;
    const auto project = context::find_project(command.options);
    if (!project.ok()) {
      throw BadArgumentError(
          cat("no project for ", key.to_string(), ": give --project=PROJECT or set GOOGLE_CLOUD_PROJECT"));
    }
    key = key.in_partition({.project = *project});
  }
  return keys;
}

int show(memcache::Admin& gateway, const CacheCommand& command) {
  const std::vector<Key> keys = qualified_keys(command);
  const std::vector<memcache::Inspection> records = gateway.inspect(keys);
  int code = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::cout << in_words(keys[i], records[i], Clock::system().now());
    if (records[i].state != memcache::Inspection::State::kNoAnswer) continue;
    complain() << "memcached server " << records[i].server << " does not answer\n";
    code = 1;
  }
  return code;
}

int stats(memcache::Admin& gateway) {
  int code = 0;
  for (const memcache::ServerStats& server : gateway.server_stats()) {
    std::cout << in_words(server);
    if (server.answers) continue;
    complain() << "memcached server " << server.address << " does not answer\n";
    code = 1;
  }
  return code;
}

// Invalidates records and counts them.
class Flush {
 public:
  explicit Flush(memcache::Coherence& gateway) : gateway_(&gateway) {}

  void add(std::span<const Key> keys) {
    if (gateway_->invalidate(keys).ok()) {
      done_ += keys.size();
      return;
    }
    // Invalidating one key at a time shows which ones failed; repeating the others does no harm.
    for (const Key& key : keys) {
      absl::Status status = gateway_->invalidate({&key, 1});
      status.ok() ? ++done_ : ++failed_;
      if (error_.ok()) error_ = std::move(status);
    }
  }

  int report() const {
    std::cout << "invalidated " << done_ << (done_ == 1 ? " record\n" : " records\n");
    if (failed_ == 0) return 0;
    complain() << failed_ << (failed_ == 1 ? " record was" : " records were")
               << " not invalidated and may still be served: " << from_absl(error_.message()) << '\n';
    return 1;
  }

 private:
  memcache::Coherence* gateway_;
  std::size_t done_ = 0, failed_ = 0;
  absl::Status error_;  // the first one
};

int flush_keys(memcache::Coherence& gateway, const CacheCommand& command) {
  Flush flush(gateway);
  flush.add(qualified_keys(command));
  return flush.report();
}

int flush_kind(memcache::Coherence& gateway, const CacheCommand& command) {
  ClientOptions options = command.options;
  options.memcached_hosts.emplace();  // the command has a gateway already
  const Client client(std::move(options));
  const auto scope = client.context();
  const Query<Entity> all = query(*command.kind).order(Order("__key__", false));
  Flush flush(gateway);
  for (auto keys = all.keys(kBatch); !keys.empty();
       keys = all.filter(Filter("__key__", Op::kGreater, keys.back())).keys(kBatch)) {
    flush.add(keys);
  }
  return flush.report();
}

int flush_all(memcache::Admin& gateway) {
  std::size_t emptied = 0;
  const std::vector<absl::Status> servers = gateway.flush_all();
  for (const absl::Status& status : servers) {
    if (status.ok()) {
      ++emptied;
    } else {
      complain() << from_absl(status.message()) << '\n';
    }
  }
  std::cout
      << "emptied " << emptied << " of " << servers.size() << " servers\n"
      << "To the caches this is the fault \"evict\" for every key at once, locks included. Readers stay correct:\n"
         "none gets less than what was acknowledged before (P1), and nothing stale stays behind (P2). The next\n"
         "reads are misses and go to the Datastore. What was in memcache alone is gone.\n";
  return emptied == servers.size() ? 0 : 1;
}

}  // namespace

int cache(const CacheCommand& command) {
  // Warnings about servers belong to `ndb cache stats`.
  set_log_sink([](Severity severity, std::string_view message) {
    if (severity == Severity::kError) complain() << message << '\n';
  });
  const std::unique_ptr<Gateway> gateway = make_gateway(command);
  switch (command.verb) {
    case CacheCommand::Verb::kShow:
      return show(*gateway, command);
    case CacheCommand::Verb::kStats:
      return stats(*gateway);
    case CacheCommand::Verb::kFlush:
      break;
  }
  if (command.all) return flush_all(*gateway);
  return command.kind ? flush_kind(*gateway, command) : flush_keys(*gateway, command);
}

}  // namespace ndb::tools
