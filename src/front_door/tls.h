// The server's certificate, and which protocol the first message of a TLS client asks for.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ndb::local {

// One certificate in the two forms that the libraries need: gRPC handles its connections itself.
struct Tls {
  boost::asio::ssl::context https{boost::asio::ssl::context::tls_server};
  std::shared_ptr<grpc::ServerCredentials> grpc{};
};

// Loads two PEM files: the chain, with the server's certificate first, and its key, without a passphrase. An error
// names the file.
absl::StatusOr<std::unique_ptr<Tls>> load_tls(const std::string& cert_file, const std::string& key_file);

// Parses a ClientHello as it arrives. gRPC clients offer only HTTP/2; a client that offers HTTP/1.1 too, or nothing,
// gets HTTP/1.1. Used by one thread.
class ClientHello {
 public:
  enum class Protocol { kUndecided, kGrpc, kHttp, kBroken };

  ClientHello();
  ~ClientHello();
  ClientHello(const ClientHello&) = delete;
  ClientHello& operator=(const ClientHello&) = delete;

  // kUndecided: more bytes are needed.
  Protocol read(std::string_view bytes);

 private:
  static int choose(SSL* ssl, int* alert, void* self);

  SSL_CTX* context_;
  SSL* ssl_;
  Protocol protocol_ = Protocol::kUndecided;
};

}  // namespace ndb::local
