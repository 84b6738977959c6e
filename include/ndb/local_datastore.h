// ndb::LocalDatastore: a Datastore inside this process, with the wire API, the semantics and the limits of the cloud's.
//
//   auto server = ndb::LocalDatastore::start();                        // in memory, in process
//   auto server = ndb::LocalDatastore::start({.host_port = "127.0.0.1:8081", .data_dir = "/var/lib/ndb"});
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace ndb {

class Channel;

// Serves google.datastore.v1.Datastore from a RocksDB of its own, over gRPC and HTTP/1.1 on one port. Every project and
// database of a request exists, and starts empty. Transactions are serializable. Thread-safe.
class LocalDatastore {
 public:
  // When a commit is durable. Killing the process loses no acknowledged commit either way; the difference is a crash of
  // the operating system or a power failure.
  enum class Fsync {
    kAlways,    // before it is acknowledged
    kInterval,  // within a second of it
  };

  // How transactions that overlap are kept apart. Either way they are serializable.
  enum class Concurrency {
    // What a transaction has read stays as it is until it ends: who wants to write it waits, and is ABORTED after the
    // lock_timeout. Of transactions that wait for each other the youngest is ABORTED.
    kPessimistic,
    // Nobody waits. A transaction sees the store as it was when it began; its commit is ABORTED if anything that it has
    // read was written since.
    kOptimistic,
  };

  struct Options {
    // Where to listen, as host:port; port 0 takes a free one. Empty: nowhere, only channel() reaches the server.
    std::string host_port{};
    // Two PEM files: the server's certificate, with those that vouch for it behind, and its key. Both empty: no TLS.
    std::string tls_cert{};
    std::string tls_key{};
    // What callers have to send as `authorization: Bearer TOKEN`; visible ASCII. Empty: everybody who reaches the port
    // may do everything.
    std::string auth_token{};
    // Without a token, only addresses of the loopback interface are listened on unless this says that others are meant.
    bool allow_unauthenticated = false;
    // What `POST /shutdown` does when it was answered. Called on a thread of the server, which must not call shutdown()
    // itself. Empty: the request is refused.
    std::function<void()> on_shutdown{};
    // The folder of the data, made if it is missing and held by one process at a time. Empty: in memory.
    std::string data_dir{};
    Fsync fsync = Fsync::kAlways;
    Concurrency concurrency = Concurrency::kPessimistic;
    std::chrono::milliseconds lock_timeout{5000};
    // A transaction ends by itself this long after it began, and this long after its last call.
    std::chrono::seconds transaction_timeout{270};
    std::chrono::seconds transaction_idle_timeout{60};
    // How far back read times reach.
    std::chrono::seconds history{3600};
  };

  // Throws ndb::Error that names the address or the folder that could not be used.
  static std::unique_ptr<LocalDatastore> start();
  static std::unique_ptr<LocalDatastore> start(const Options& options);

  ~LocalDatastore();  // shutdown()
  LocalDatastore(const LocalDatastore&) = delete;
  LocalDatastore& operator=(const LocalDatastore&) = delete;

  // The host:port that is listened on, with the port that was taken; empty if none.
  std::string address() const;

  // A connection without a socket, for a client in this process.
  std::shared_ptr<Channel> channel();

  // Empties all databases, as `POST /reset` does: calls in flight end before it, open transactions with it. Caches in
  // front of the server hear nothing of it. Throws ndb::Error if the store fails.
  void reset();

  // Waits for the calls in flight and closes the store. The second call does nothing.
  void shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;

 public:
  explicit LocalDatastore(std::unique_ptr<Impl> impl);  // use start()
};

}  // namespace ndb
