// Gateways, a clock that tests advance, and access to the records themselves: for any memcached (GatewaySteps), or for
// a real one (GatewayTest).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "memcache/gateway.h"
#include "memcache/protocol/record.h"
#include "support/fake_clock.h"
#include "support/memcached_server.h"

namespace ndb::memcache {

inline Key make_key(std::string_view name) { return Key("Account", id(name), {.project = "shop"}); }

// "VALUE 5", "LOCK 5 held by 2 contended", ...
inline std::string to_text(const Record& record) {
  static constexpr const char* kNames[] = {"", "EMPTY", "LOCK", "VALUE", "NEG", "CACHED"};
  std::string text = cat(kNames[static_cast<int>(record.state)], ' ', record.version);
  if (record.state == State::kLock) text += cat(" held by ", record.holders.size());
  if (record.contended_until != 0) text += " contended";
  return text;
}

class GatewaySteps : public ::testing::Test {
 protected:
  // Time-outs that a busy machine does not reach. Without the ring check, which sends commands of its own.
  Config config(std::vector<std::string> servers) {
    return {.servers = std::move(servers),
            .connect_timeout = std::chrono::seconds(5),
            .io_timeout = std::chrono::seconds(5),
            .ring_check = RingCheck::kOff,
            .clock = &clock_};
  }
  static std::unique_ptr<Gateway> make_gateway(Config config) { return *Gateway::make(std::move(config)); }

  static ReadResult read(Gateway& gateway, const Key& key, std::uint64_t floor = 0) {
    const ReadRequest request{.key = key, .floor = floor};
    return std::move(gateway.read({&request, 1})[0]);
  }
  static void fill(Gateway& gateway, const LeasePtr& lease, std::uint64_t version,
                   std::optional<std::string_view> payload, std::chrono::seconds timeout = {}) {
    const Fill fill{.lease = lease, .version = version, .payload = payload, .timeout = timeout};
    gateway.fill({&fill, 1});
    settle(gateway);
  }
  // Fills do not wait to be executed, but a read on the same connection does.
  static void settle(Gateway& gateway) { raw_get(gateway, {"settle"}); }
  static std::vector<std::optional<RawItem>> raw_get(Gateway& gateway, const std::vector<std::string>& keys) {
    std::vector<RawRead> reads(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) reads[i].key = keys[i];
    gateway.read({}, {}, reads);
    std::vector<std::optional<RawItem>> items;
    for (RawRead& read : reads) items.push_back(std::move(read.item));
    return items;
  }
  // Reads a key, and fills it on a miss.
  static void cache(Gateway& gateway, const Key& key, std::uint64_t version, std::string_view payload) {
    fill(gateway, read(gateway, key).lease, version, payload);
  }
  static std::vector<absl::StatusOr<LockPtr>> lock(Gateway& gateway, std::span<const Key> keys,
                                                   std::chrono::seconds hold = std::chrono::seconds(60)) {
    std::vector<LockRequest> requests;
    for (const Key& key : keys) requests.push_back({.key = key});
    return gateway.lock(requests, hold);
  }
  static absl::StatusOr<LockPtr> lock(Gateway& gateway, const Key& key,
                                      std::chrono::seconds hold = std::chrono::seconds(60)) {
    return std::move(lock(gateway, std::span(&key, 1), hold)[0]);
  }
  static void unlock(Gateway& gateway, const Key& key, const LockPtr& held, CommitOutcome outcome,
                     std::uint64_t version = 0, std::optional<std::string_view> payload = {}) {
    const Unlock unlock{.lock = held, .key = key, .outcome = outcome, .version = version, .payload = payload};
    gateway.unlock({&unlock, 1});
  }

  testing::FakeClock clock_;
};

class GatewayTest : public GatewaySteps {
 protected:
  using GatewaySteps::make_gateway;
  std::unique_ptr<Gateway> make_gateway() { return make_gateway(config({server_.address()})); }

  // The record as it is in memcached, as text, or "absent".
  static std::string record(const testing::MemcachedServer& server, const Key& key) {
    const std::optional<Record> found = fetch(server, key);
    return found ? to_text(*found) : "absent";
  }
  std::string record(const Key& key) const { return record(server_, key); }

  static std::optional<Record> fetch(const testing::MemcachedServer& server, const Key& key) {
    const std::string answer = server.command("get " + record_name(key.bytes()));
    if (!answer.starts_with("VALUE ")) return std::nullopt;
    const std::size_t line = answer.find("\r\n");
    const std::size_t flags = answer.find(' ', 6) + 1;
    const std::string_view body = std::string_view(answer).substr(line + 2, answer.size() - line - 2 - 7);
    Record record;
    EXPECT_EQ(parse_whole(static_cast<std::uint32_t>(std::stoul(answer.substr(flags))), body, key.bytes(), record),
              Parsed::kRecord);
    return record;
  }
  void plant(const Key& key, std::uint32_t flags, const std::string& body) const {
    ASSERT_EQ(server_.command(cat("set ", record_name(key.bytes()), ' ', flags, " 0 ", body.size(), "\r\n", body)),
              "STORED\r\n");
  }
  void plant(const Key& key, const Record& planted) const {
    const Encoded encoded = encode(planted, key.bytes(), 4096);
    plant(key, encoded.flags, encoded.body);
  }
  // Seconds that memcached keeps the record for; -1 = forever.
  long ttl(const Key& key) const {
    const std::string answer = server_.command("me " + record_name(key.bytes()) + "\r\nmn");
    const std::size_t at = answer.find("exp=");
    const long ago = at == answer.npos ? 0 : std::stol(answer.substr(at + 4));  // since it expired
    return ago == -1 ? -1 : -ago;
  }

  testing::MemcachedServer server_;
};

}  // namespace ndb::memcache
