// ndb::ContextOptions: what holds for one context, where it differs from its client's.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>

namespace ndb {

// What a context is opened with: client.context({.namespace_ = "tenant-7"}). Where a field is not set, ClientOptions
// decide. A context of another namespace or database costs no more than any other: connections are the client's.
struct ContextOptions {
  // When the context must be over, counted from its opening: by then every call has ended, with DEADLINE_EXCEEDED if it
  // was not finished. More than 0, or BadArgumentError. Default: ClientOptions::context_deadline.
  std::optional<std::chrono::nanoseconds> deadline{};
  // Cancels the context when a stop is requested, from any thread; see Context::cancel(). Once the context has ended, a
  // stop does nothing.
  std::stop_token stop{};
  // The namespace of keys that name none, and with them of models, queries, GQL, new ids and transactions. "" is the
  // default one.
  std::optional<std::string> namespace_{};
  // Every call of the context goes to this database; BadKeyError for a key of another one.
  std::optional<std::string> database{};
  // Bounds of the in-context cache; see Context::set_cache_limit().
  std::optional<std::size_t> cache_entries{};
  std::optional<std::size_t> cache_bytes{};
};

}  // namespace ndb
