// A gRPC service on the callback API. gRPC's threads hand each call to a worker pool, whose two threads have thousands
// of them at a time.
//
//   grpc_service [--deadline=MS] [--check=N]
//
// It serves until SIGINT or SIGTERM; or makes N calls at a time, checks the answers, and ends. A call has the deadline
// of its client, and MS milliseconds (30,000) at most. The metadata `server-timing` say how long it took.
#include <grpcpp/grpcpp.h>
#include <ndb/local_datastore.h>
#include <ndb/ndb.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <iostream>
#include <latch>
#include <memory>
#include <string>
#include <utility>

#include "notes.grpc.pb.h"
#include "notes.h"
#include "program.h"

namespace {

using namespace std::chrono_literals;
using ndb::examples::GetNote;
using ndb::examples::Notes;
using ndb::examples::NoteText;
using ndb::examples::PutNote;

grpc::Status to_grpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// What the client of a call leaves for it, more than nothing and `longest` at most.
std::chrono::nanoseconds deadline_of(const grpc::CallbackServerContext& call, std::chrono::nanoseconds longest) {
  return std::clamp<std::chrono::nanoseconds>(call.deadline() - std::chrono::system_clock::now(), 1ns, longest);
}

class Service final : public Notes::CallbackService {
 public:
  Service(ndb::WorkerPool& pool, std::chrono::nanoseconds deadline) : pool_(pool), deadline_(deadline) {}

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call, const GetNote* request, NoteText* reply) override {
    return run(call, "Notes.Get", [request, reply] {
      const notes::Note note = notes::get(request->name());
      reply->set_name(request->name());
      reply->set_text(note->text);
      reply->set_writes(note->writes);
    });
  }

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* call, const NoteText* request, PutNote* reply) override {
    return run(call, "Notes.Put",
               [request, reply] { reply->set_writes(notes::put(request->name(), request->text())); });
  }

 private:
  // The pool calls back exactly once, whether or not it could run the handler: that is when the call ends, and until
  // then gRPC keeps its request and reply.
  template <class Handler>
  grpc::ServerUnaryReactor* run(grpc::CallbackServerContext* call, const char* name, Handler handler) {
    grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
    pool_.submit(
        {.deadline = deadline_of(*call, deadline_)}, std::move(handler),
        [call, reactor, begin = std::chrono::steady_clock::now()](const absl::Status& status) {
          call->AddTrailingMetadata("server-timing", program::server_timing(begin));
          reactor->Finish(to_grpc(status));
        },
        name);
    return reactor;
  }

  ndb::WorkerPool& pool_;
  std::chrono::nanoseconds deadline_;
};

struct Call {
  grpc::ClientContext context;
  GetNote request;
  NoteText reply;
};

// Makes `count` calls at a time; gives how many had the right answer.
int check(const std::shared_ptr<grpc::Channel>& channel, int count) {
  const auto stub = Notes::NewStub(channel);
  NoteText note;
  note.set_name("shopping");
  note.set_text("bread, butter");
  grpc::ClientContext context;
  PutNote written;
  if (!stub->Put(&context, note, &written).ok() || written.writes() != 1) return 0;

  std::deque<Call> calls(static_cast<std::size_t>(count));
  std::atomic<int> right{0};
  std::latch all(count);
  for (int i = 0; i < count; ++i) {
    Call& call = calls[static_cast<std::size_t>(i)];
    const bool exists = i % 10 != 0;
    call.request.set_name(exists ? "shopping" : "none");
    stub->async()->Get(&call.context, &call.request, &call.reply, [&, exists](const grpc::Status& status) {
      right += exists ? status.ok() && call.reply.text() == "bread, butter"
                      : status.error_code() == grpc::StatusCode::NOT_FOUND;
      all.count_down();
    });
  }
  all.wait();
  return right;
}

bool serve(const program::Arguments& arguments) {
  const auto datastore = program::own_datastore(arguments);
  const ndb::Client client({.channel = datastore ? datastore->channel() : nullptr});
  ndb::WorkerPool pool(client, {.threads = 2, .max_running = 2000});
  Service service(pool, arguments.deadline);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return false;
  std::cout << "serving on 127.0.0.1:" << port << std::endl;

  int right = 0;
  if (arguments.checks > 0) {
    right = check(server->InProcessChannel({}), arguments.checks);
    std::cout << right << " of " << arguments.checks << " calls were answered rightly by 2 threads\n";
  } else {
    program::wait_for_signal();
  }

  // First no more calls come; then those that are there end; and then nobody needs the client any more.
  server->Shutdown(std::chrono::system_clock::now() + 5s);
  pool.stop(5s);
  return right == arguments.checks;
}

}  // namespace

int main(int argc, char** argv) { return program::run(argc, argv, serve); }
