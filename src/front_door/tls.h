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

// One certificate in the two forms that the libraries want: gRPC makes its connections itself.
struct Tls {
  boost::asio::ssl::context https{boost::asio::ssl::context::tls_server};
  std::shared_ptr<grpc::ServerCredentials> grpc{};
};

// From two PEM files: the chain, the server's certificate first, and its key, which has no passphrase. An error names
// the file.
absl::StatusOr<std::unique_ptr<Tls>> load_tls(const std::string& cert_file, const std::string& key_file);

// Reads a ClientHello as it comes in. gRPC clients offer HTTP/2 alone; who offers HTTP/1.1 too, or nothing, gets that.
// One thread.
class ClientHello {
 public:
  enum class Protocol { kUndecided, kGrpc, kHttp, kBroken };

  ClientHello();
  ~ClientHello();
  ClientHello(const ClientHello&) = delete;
  ClientHello& operator=(const ClientHello&) = delete;

  // kUndecided: more is needed.
  Protocol read(std::string_view bytes);

 private:
  static int choose(SSL* ssl, int* alert, void* self);

  SSL_CTX* context_;
  SSL* ssl_;
  Protocol protocol_ = Protocol::kUndecided;
};

}  // namespace ndb::local
