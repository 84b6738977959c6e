// Tokens and TLS, and the services that gRPC offers beside the Datastore: health and reflection.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_method.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "front_door/certificate.h"
#include "front_door/socket.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "local_datastore/datastore_client.h"
#include "ndb/error.h"
#include "ndb/local_datastore.h"
#include "ndb/ndb.h"

namespace ndb::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace reflection = grpc::reflection::v1;

std::shared_ptr<grpc::Channel> connect_to(const std::string& address,
                                          const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetSslTargetNameOverride("localhost");
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

using Metadata = std::vector<std::pair<std::string, std::string>>;

std::unique_ptr<grpc::ClientContext> context_with(const Metadata& metadata) {
  auto context = std::make_unique<grpc::ClientContext>();
  for (const auto& [name, value] : metadata) context->AddMetadata(name, value);
  return context;
}

grpc::Status allocate(grpc::Channel& channel, const Metadata& metadata = {}) {
  v1::AllocateIdsRequest request;
  request.set_project_id(kProject);
  *request.add_keys() = key("K");
  v1::AllocateIdsResponse response;
  const grpc::internal::RpcMethod method("/google.datastore.v1.Datastore/AllocateIds",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  return grpc::internal::BlockingUnaryCall(&channel, method, context_with(metadata).get(), request, &response);
}

// grpc.health.v1.Health/Check: 1 is the service's name, and in the response the state, where 1 is SERVING.
std::string health(grpc::Channel& channel, const std::string& service) {
  const std::string bytes = service.empty() ? "" : "\x0a" + std::string(1, static_cast<char>(service.size())) + service;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check", grpc::internal::RpcMethod::NORMAL_RPC);
  const grpc::Status status = grpc::internal::BlockingUnaryCall(&channel, method, &context, request, &response);
  if (!status.ok()) return std::to_string(status.error_code());
  grpc::Slice whole;
  EXPECT_TRUE(response.DumpToSingleSlice(&whole).ok());
  return {reinterpret_cast<const char*>(whole.begin()), whole.size()};
}
const std::string kServing = "\x08\x01";

// The answers to several questions on one stream, and its final status.
grpc::Status reflect(grpc::Channel& channel, const std::vector<reflection::ServerReflectionRequest>& requests,
                     std::vector<reflection::ServerReflectionResponse>& responses, const Metadata& metadata = {},
                     const std::string& version = "v1") {
  const std::string name = "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo";
  const auto context = context_with(metadata);
  using Factory = grpc::internal::ClientReaderWriterFactory<reflection::ServerReflectionRequest,
                                                            reflection::ServerReflectionResponse>;
  const grpc::internal::RpcMethod method(name.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING);
  const std::unique_ptr<
      grpc::ClientReaderWriter<reflection::ServerReflectionRequest, reflection::ServerReflectionResponse>>
      stream(Factory::Create(&channel, method, context.get()));
  for (const auto& request : requests) {
    reflection::ServerReflectionResponse response;
    if (!stream->Write(request) || !stream->Read(&response)) break;
    responses.push_back(response);
  }
  stream->WritesDone();
  return stream->Finish();
}

reflection::ServerReflectionRequest list_services() {
  reflection::ServerReflectionRequest request;
  request.set_list_services("*");
  return request;
}
reflection::ServerReflectionRequest file_of(const std::string& symbol) {
  reflection::ServerReflectionRequest request;
  request.set_file_containing_symbol(symbol);
  return request;
}

TEST(Services, HealthAndReflection) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  const auto channel = connect_to(server->address(), grpc::InsecureChannelCredentials());
  EXPECT_EQ(health(*channel, ""), kServing);
  EXPECT_EQ(health(*channel, "google.datastore.v1.Datastore"), kServing);
  EXPECT_EQ(health(*channel, "no.Such"), std::to_string(grpc::StatusCode::NOT_FOUND));

  for (const char* version : {"v1", "v1alpha"}) {
    SCOPED_TRACE(version);
    reflection::ServerReflectionRequest by_name, extension, numbers;
    by_name.set_file_by_filename("google/datastore/v1/entity.proto");
    extension.mutable_file_containing_extension()->set_containing_type("google.protobuf.FieldOptions");
    numbers.set_all_extension_numbers_of_type("google.datastore.v1.Key");
    std::vector<reflection::ServerReflectionResponse> answers;
    const grpc::Status status = reflect(*channel,
                                        {list_services(), file_of("google.datastore.v1.Datastore.Lookup"), by_name,
                                         file_of("no.Such"), extension, numbers, reflection::ServerReflectionRequest()},
                                        answers, {}, version);
    EXPECT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(answers.size(), 7);
    std::vector<std::string> services;
    for (const auto& service : answers[0].list_services_response().service()) services.push_back(service.name());
    EXPECT_THAT(services, Contains("google.datastore.v1.Datastore"));
    // The file and its imports, from which a tool can build requests.
    EXPECT_THAT(answers[1].file_descriptor_response().file_descriptor_proto(),
                AllOf(Contains(HasSubstr("google/datastore/v1/datastore.proto")),
                      Contains(StartsWith("\n google/datastore/v1/entity.proto")),
                      Contains(HasSubstr("google/protobuf/timestamp.proto"))));
    EXPECT_THAT(answers[2].file_descriptor_response().file_descriptor_proto(0), HasSubstr("PartitionId"));
    for (const std::size_t missing : {3U, 4U}) {
      EXPECT_EQ(answers[missing].error_response().error_code(), grpc::StatusCode::NOT_FOUND);
    }
    EXPECT_EQ(answers[5].all_extension_numbers_response().base_type_name(), "google.datastore.v1.Key");
    EXPECT_EQ(answers[6].error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

// A message is sent in a header: one that is too long for clients would arrive as an error with another code.
TEST(Services, LongMessagesAreShortened) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0"});
  DatastoreClient client(connect_to(server->address(), grpc::InsecureChannelCredentials()));
  for (const char* letter : {"x", "\u00e9"}) {
    v1::Entity reserved = entity(key("K", "n"));
    std::string name = "__";
    while (name.size() < 1400) name += letter;
    for (int i = 0; i < 20; ++i) *reserved.mutable_key()->add_path() = key(name, name).path(0);
    reserved.mutable_key()->add_path()->set_kind("incomplete");
    *reserved.mutable_key()->add_path() = key("K", "n").path(0);
    const auto reply = client.commit({upsert(reserved)});
    EXPECT_EQ(reply.status.error_code(), grpc::INVALID_ARGUMENT);
    EXPECT_LE(reply.status.error_message().size(), 2003);
    EXPECT_THAT(reply.status.error_message(), ::testing::EndsWith("..."));
  }
}

TEST(Services, ATokenIsAskedForEverywhere) {
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0", .auth_token = "s3cret"});
  const auto channel = connect_to(server->address(), grpc::InsecureChannelCredentials());
  const struct {
    const char* shown;  // nullptr: nothing
    std::string says;   // empty: it is the token
  } cases[] = {
      {"Bearer s3cret", ""},
      {"bearer s3cret", ""},
      {nullptr, "authorization: Bearer TOKEN"},
      {"", "authorization: Bearer TOKEN"},
      {"s3cret", "authorization: Bearer TOKEN"},
      {"Basic s3cret", "authorization: Bearer TOKEN"},
      {"Bearer", "authorization: Bearer TOKEN"},
      {"Bearer s3cre", "--auth-token"},
      {"Bearer s3crets", "--auth-token"},
      {"Bearer owner", "--auth-token"},
  };
  for (const auto& [shown, says] : cases) {
    SCOPED_TRACE(shown == nullptr ? "nothing" : shown);
    const Metadata metadata = shown == nullptr ? Metadata() : Metadata{{"authorization", shown}};
    const std::string header = shown == nullptr ? "" : std::string("Authorization: ") + shown + "\r\n";
    std::vector<reflection::ServerReflectionResponse> answers;
    for (const grpc::Status& status :
         {allocate(*channel, metadata), reflect(*channel, {list_services()}, answers, metadata)}) {
      EXPECT_EQ(status.error_code(), says.empty() ? grpc::StatusCode::OK : grpc::StatusCode::UNAUTHENTICATED);
      EXPECT_THAT(status.error_message(), HasSubstr(says));
    }
    EXPECT_EQ(answers.size(), says.empty() ? 1 : 0);
    for (const char* target : {"/v1/projects/p:allocateIds", "/reset", "/nothing"}) {
      const HttpReply reply = ask(server->address(), "POST", target, "{}", header);
      EXPECT_EQ(reply.code == 401, !says.empty()) << target << reply.body;
      if (says.empty()) continue;
      EXPECT_THAT(reply.body, AllOf(HasSubstr(says), HasSubstr(R"("status":"UNAUTHENTICATED")")));
      EXPECT_THAT(reply.head, HasSubstr("WWW-Authenticate: Bearer\r\n"));
    }
  }
  // Open to everybody: the health of the server, and a browser's preflight.
  EXPECT_EQ(ask(server->address(), "GET", "/").code, 200);
  EXPECT_EQ(ask(server->address(), "OPTIONS", "/v1/projects/p:lookup").code, 204);
  EXPECT_EQ(health(*channel, ""), kServing);
  // This process itself needs no token.
  EXPECT_TRUE(allocate(*Channel::Use(*server->channel()).grpc()).ok());
}

// A TLS client on a socket of its own, with the read functions that read_reply() needs.
class TlsSocket {
 public:
  // `protocols` in ALPN's form: each with its length before its name.
  TlsSocket(const std::string& address, const std::string& protocols)
      : socket_(address),
        context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
        ssl_(SSL_new(context_.get()), &SSL_free) {
    if (!protocols.empty()) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size()));
    }
    SSL_set_fd(ssl_.get(), socket_.fd());
    EXPECT_EQ(SSL_connect(ssl_.get()), 1);
  }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  void send(const std::string& bytes) {
    EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  }
  std::string until(std::string_view end) {
    std::string text;
    for (char c; !text.ends_with(end) && SSL_read(ssl_.get(), &c, 1) == 1;) text.push_back(c);
    return text;
  }
  std::string bytes(std::size_t count) {
    std::string text;
    for (char c; text.size() < count && SSL_read(ssl_.get(), &c, 1) == 1;) text.push_back(c);
    return text;
  }

 private:
  Socket socket_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

TEST(Tls, GrpcAndHttpsShareThePort) {
  const Certificate certificate;
  const auto server = LocalDatastore::start({.host_port = "127.0.0.1:0",
                                             .tls_cert = certificate.cert_file(),
                                             .tls_key = certificate.key_file(),
                                             .auth_token = "s3cret"});
  const auto channel = connect_to(
      server->address(),
      grpc::SslCredentials({.pem_root_certs = certificate.cert(), .pem_private_key = "", .pem_cert_chain = ""}));
  EXPECT_TRUE(allocate(*channel, {{"authorization", "Bearer s3cret"}}).ok());
  EXPECT_EQ(allocate(*channel).error_code(), grpc::StatusCode::UNAUTHENTICATED);

  const struct {
    std::string offered, chosen;
  } cases[] = {{"", ""}, {"\x08http/1.1", "http/1.1"}, {"\x02h2\x08http/1.1", "http/1.1"}, {"\x03xyz", ""}};
  for (const auto& [offered, chosen] : cases) {
    SCOPED_TRACE(offered);
    TlsSocket client(server->address(), offered);
    EXPECT_EQ(client.protocol(), chosen);
    for (int i = 0; i < 2; ++i) {  // kept alive
      client.send(http_request("POST", "/v1/projects/p:allocateIds", R"({"keys": [{"path": [{"kind": "K"}]}]})",
                               "Authorization: Bearer s3cret\r\n"));
      const HttpReply reply = read_reply(client);
      EXPECT_EQ(reply.code, 200) << reply.body;
    }
  }

  for (const std::string& plain : {http_request("GET", "/"), std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}) {
    Socket socket(server->address());
    socket.send(plain);
    EXPECT_THAT(socket.rest(), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("https://")));
  }
  for (const std::string& broken : {std::string("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9),
                                    "\x16" + std::string(40'000, 'x'), std::string("\x16\x03\x01\x02\x00\x01", 6)}) {
    Socket socket(server->address());
    socket.send(broken);
    socket.end_sending();
    socket.rest();  // it hangs up
  }
  EXPECT_TRUE(allocate(*channel, {{"authorization", "Bearer s3cret"}}).ok());
}

// The framework's own client, with TLS and without.
TEST(Tls, OurClientGetsThrough) {
  const Certificate certificate;
  const auto open = LocalDatastore::start({.host_port = "127.0.0.1:0", .auth_token = "s3cret"});
  const auto tls = LocalDatastore::start({.host_port = "127.0.0.1:0",
                                          .tls_cert = certificate.cert_file(),
                                          .tls_key = certificate.key_file(),
                                          .auth_token = "s3cret"});
  const auto code_of = [](ClientOptions options) {
    options.project = kProject;
    options.memcached_hosts.emplace();
    const Client client(std::move(options));
    const ContextScope scope = client.context();
    try {
      EXPECT_FALSE(Key("K", id(1)).get<Entity>({.retries = 0}));
      return absl::StatusCode::kOk;
    } catch (const Error& error) {
      return error.status().code();
    }
  };
  const std::string https = "https://" + tls->address(), ca = certificate.cert_file();
  EXPECT_EQ(code_of({.emulator_host = open->address(), .emulator_token = "s3cret"}), absl::StatusCode::kOk);
  EXPECT_EQ(code_of({.emulator_host = open->address()}), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code_of({.emulator_host = https, .emulator_ca_file = ca, .emulator_token = "s3cret"}),
            absl::StatusCode::kOk);
  EXPECT_EQ(code_of({.emulator_host = https, .emulator_ca_file = ca, .emulator_token = "guess"}),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(code_of({.emulator_host = https, .emulator_token = "s3cret"}), absl::StatusCode::kUnavailable)
      << "nobody vouches for the certificate";
  EXPECT_THROW(Client({.project = "p", .emulator_host = https, .emulator_ca_file = "no-ca.pem"}), BadArgumentError);
  EXPECT_THROW(Client({.project = "p", .emulator_host = https, .emulator_ca_file = "/dev/null"}), BadArgumentError);
  EXPECT_THROW(Client({.project = "p", .emulator_host = https, .emulator_token = "two words"}), BadArgumentError);
}

TEST(Tls, AClientHelloMayArriveInPieces) {
  const Certificate certificate;
  const auto server = LocalDatastore::start(
      {.host_port = "127.0.0.1:0", .tls_cert = certificate.cert_file(), .tls_key = certificate.key_file()});
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  char* hello = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(ssl.get()), &hello);
  ASSERT_GT(size, 100);
  Socket socket(server->address());
  for (long i = 0; i < size; ++i) ASSERT_TRUE(socket.send({hello + i, 1}));
  EXPECT_EQ(socket.bytes(6).substr(0, 1), "\x16");  // the server's hello
}

TEST(Tls, UnusableFilesAreNamed) {
  const Certificate certificate, other;
  const struct {
    std::string cert, key, says;
  } cases[] = {
      {certificate.cert_file(), "no-key.pem", "\"no-key.pem\""},
      {certificate.key_file(), certificate.key_file(), "TLS certificate"},
      {certificate.cert_file(), other.key_file(), "is not that of"},
      {certificate.cert_file(), certificate.cert_file(), "TLS key"},
  };
  for (const auto& [cert, key_file, says] : cases) {
    try {
      LocalDatastore::start({.host_port = "127.0.0.1:0", .tls_cert = cert, .tls_key = key_file});
      ADD_FAILURE() << says;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(says));
    }
  }
}

}  // namespace
}  // namespace ndb::testing
