#include "process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace demo {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
    read.reset(fdopen(ends[0], "r"));
    write.reset(fdopen(ends[1], "w"));
  }
  File read, write;
};

void become_nobody(const passwd* nobody) {
  if (nobody == nullptr) return;
  if (setgroups(0, nullptr) != 0 || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0) _exit(126);
}

// Runs in the child. A change of user would undo PR_SET_PDEATHSIG, so it comes first.
[[noreturn]] void run(const std::vector<char*>& argv, const passwd* user, pid_t parent) {
  become_nobody(user);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  execvp(argv[0], argv.data());
  _exit(127);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const bool found = bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!found) fail("no free loopback port");
  return ntohs(address.sin_port);
}

// Whether the memcached on the port is the process `pid`; another program may have taken the port first.
bool answers(int port, pid_t pid) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, "stats\r\n", 7, MSG_NOSIGNAL) == 7) {
    char buffer[256];
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got > 0) answer.assign(buffer, static_cast<std::size_t>(got));
  }
  close(fd);
  return answer.find("STAT pid " + std::to_string(pid) + "\r\n") != std::string::npos;
}

}  // namespace

std::optional<std::string> read_line(std::FILE* file) {
  char* text = nullptr;
  std::size_t capacity = 0;
  const ssize_t size = getline(&text, &capacity, file);
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  if (size < 0) return std::nullopt;
  std::string_view line(text, static_cast<std::size_t>(size));
  if (line.ends_with('\n')) line.remove_suffix(1);
  return std::string(line);
}

Process::Process(std::vector<std::string> command, const Options& options) {
  std::vector<char*> argv;
  for (std::string& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const passwd* nobody = options.as_nobody && geteuid() == 0 ? getpwnam("nobody") : nullptr;
  Pipe to, from;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    if (options.pipes) {
      dup2(fileno(to.read.get()), STDIN_FILENO);
      dup2(fileno(from.write.get()), STDOUT_FILENO);
    }
    run(argv, nobody, parent);
  }
  in_ = std::move(to.write);
  out_ = std::move(from.read);
}

Process::~Process() {
  if (has_ended()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool Process::has_ended() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

// temporary_ttl keeps memcached from evicting the locks that keep the caches coherent (see docs/guide.md).
Memcached::Memcached() {
  for (int attempt = 0; attempt < 10; ++attempt) {
    port_ = free_port();
    process_ = std::make_unique<Process>(
        std::vector<std::string>{"memcached", "-l", "127.0.0.1", "-p", std::to_string(port_), "-U", "0", "-m", "256",
                                 "-t", "2", "-o", "temporary_ttl=400"},
        Process::Options{.as_nobody = true});
    while (!process_->has_ended()) {
      if (answers(port_, process_->pid())) return;
      poll(nullptr, 0, 1);
    }
  }
  throw std::runtime_error("memcached cannot be started; is it installed?");
}

}  // namespace demo
