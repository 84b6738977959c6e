#include "front_door/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <boost/asio/buffer.hpp>

#include "base/file.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

absl::StatusOr<std::string> read_pem(const std::string& path) {
  absl::StatusOr<std::string> text = read_file(path);
  if (text.ok() && !text->empty()) return text;
  return absl::InvalidArgumentError(cat("cannot read ", quoted(path), ", which should be a PEM file for TLS"));
}

// Searches a list of protocols in TLS's form: each with its length before its name.
bool lists(std::string_view protocols, std::string_view wanted) {
  while (!protocols.empty()) {
    const std::size_t size = static_cast<unsigned char>(protocols.front());
    if (protocols.substr(1, size) == wanted) return true;
    protocols.remove_prefix(std::min(protocols.size(), 1 + size));
  }
  return false;
}

int select_http(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int size,
                void*) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  const int chosen =
      SSL_select_next_proto(const_cast<unsigned char**>(out), out_size, kHttp, sizeof kHttp - 1, in, size);
  return chosen == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tls>> load_tls(const std::string& cert_file, const std::string& key_file) {
  NDB_ASSIGN_OR_RETURN(const std::string cert, read_pem(cert_file));
  NDB_ASSIGN_OR_RETURN(const std::string key, read_pem(key_file));
  auto tls = std::make_unique<Tls>();
  error_code error;
  error = tls->https.set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                                 error);
  if (tls->https.use_certificate_chain(boost::asio::buffer(cert), error)) {
    return absl::InvalidArgumentError(
        cat("the TLS certificate in ", quoted(cert_file), " cannot be used: ", error.message()));
  }
  // OpenSSL would ask the terminal for a passphrase.
  error = tls->https.set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); },
                                           error);
  if (tls->https.use_private_key(boost::asio::buffer(key), ssl::context::pem, error)) {
    return absl::InvalidArgumentError(cat("the TLS key in ", quoted(key_file), " cannot be used, or is not that of ",
                                          quoted(cert_file), ": ", error.message()));
  }
  SSL_CTX_set_alpn_select_cb(tls->https.native_handle(), &select_http, nullptr);
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({.private_key = key, .cert_chain = cert});
  tls->grpc = grpc::SslServerCredentials(options);
  return tls;
}

ClientHello::ClientHello() : context_(SSL_CTX_new(TLS_server_method())), ssl_(nullptr) {
  SSL_CTX_set_client_hello_cb(context_, &choose, this);
  ssl_ = SSL_new(context_);
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl_);
}

ClientHello::~ClientHello() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

// Called when the message is complete. Tells OpenSSL that the decision will follow later, which ends the handshake
// here.
int ClientHello::choose(SSL* ssl, int*, void* self) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  std::string_view protocols;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &size) == 1 &&
      size > 2) {
    protocols = {reinterpret_cast<const char*>(data) + 2, size - 2};  // after the length of the list
  }
  const bool grpc = lists(protocols, "h2") && !lists(protocols, "http/1.1");
  static_cast<ClientHello*>(self)->protocol_ = grpc ? Protocol::kGrpc : Protocol::kHttp;
  return SSL_CLIENT_HELLO_RETRY;
}

ClientHello::Protocol ClientHello::read(std::string_view bytes) {
  BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
  const int result = SSL_do_handshake(ssl_);
  if (protocol_ == Protocol::kUndecided && SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) {
    protocol_ = Protocol::kBroken;
  }
  ERR_clear_error();
  return protocol_;
}

}  // namespace ndb::local
