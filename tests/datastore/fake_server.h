// A gRPC server that a test scripts: it records every call as bytes, and answers as the script says.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace ndb::datastore {

struct Received {
  std::string path;
  std::multimap<std::string, std::string> headers;
  std::string request;
  std::string peer;
};

struct Answer {
  grpc::Status status{};
  std::string response{};
  bool never = false;  // the call waits until the client gives it up
};

class FakeServer final : public grpc::CallbackGenericService {
 public:
  // What to answer to the call that was just received; `number` counts from 0. Runs on any thread, one call at a time.
  using Script = std::function<Answer(int number, const Received&)>;

  FakeServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    builder.SetMaxReceiveMessageSize(-1);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::shared_ptr<grpc::Channel> in_process() { return server_->InProcessChannel({}); }

  // Forgets the calls so far.
  void play(Script script) {
    const MutexLock lock(mutex_);
    script_ = std::move(script);
    received_.clear();
  }
  std::vector<Received> received() {
    const MutexLock lock(mutex_);
    return received_;
  }
  void wait_for_calls(std::size_t count) {
    const MutexLock lock(mutex_);
    while (received_.size() < count) arrived_.wait(mutex_);
  }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return std::make_unique<Reactor>(*this, context).release();  // OnDone() deletes it
  }

 private:
  // gRPC runs its functions on threads of its own; the mutex also tells ThreadSanitizer of their order.
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor(FakeServer& server, grpc::GenericCallbackServerContext* context) : server_(server) {
      const MutexLock lock(mutex_);
      received_.path = context->method();
      received_.peer = context->peer();
      for (const auto& [name, value] : context->client_metadata()) {
        received_.headers.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
      }
      StartRead(&buffer_);
    }

   private:
    void OnReadDone(bool ok) override {
      const MutexLock lock(mutex_);
      if (!ok || finished_) return;  // the client has given up, and OnCancel() finishes
      received_.request = bytes_of(buffer_);
      const Answer answer = server_.arrive(received_);
      if (answer.never) return;
      finished_ = true;
      if (!answer.status.ok()) return Finish(answer.status);
      const grpc::Slice slice(answer.response);
      buffer_ = grpc::ByteBuffer(&slice, 1);
      StartWriteAndFinish(&buffer_, grpc::WriteOptions(), answer.status);
    }
    void OnCancel() override {
      const MutexLock lock(mutex_);
      if (!std::exchange(finished_, true)) Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override {
      const std::unique_ptr<Reactor> self(this);
      const MutexLock lock(mutex_);
    }

    static std::string bytes_of(const grpc::ByteBuffer& buffer) {
      std::vector<grpc::Slice> slices;
      std::string bytes;
      if (!buffer.Dump(&slices).ok()) return bytes;
      for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      return bytes;
    }

    FakeServer& server_;
    Mutex mutex_;
    Received received_ NDB_GUARDED_BY(mutex_);
    grpc::ByteBuffer buffer_ NDB_GUARDED_BY(mutex_);
    bool finished_ NDB_GUARDED_BY(mutex_) = false;
  };

  Answer arrive(const Received& received) {
    const MutexLock lock(mutex_);
    received_.push_back(received);
    arrived_.notify_all();
    return script_ ? script_(static_cast<int>(received_.size()) - 1, received) : Answer{};
  }

  Mutex mutex_;
  Condition arrived_;
  Script script_ NDB_GUARDED_BY(mutex_);
  std::vector<Received> received_ NDB_GUARDED_BY(mutex_);
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace ndb::datastore
