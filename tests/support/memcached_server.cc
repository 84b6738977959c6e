#include "support/memcached_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

namespace ndb::testing {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

[[noreturn]] void run(std::vector<std::string> arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

bool ends(std::string_view answer) {
  for (const std::string_view last :
       {"END\r\n", "OK\r\n", "STORED\r\n", "EXISTS\r\n", "DELETED\r\n", "NOT_FOUND\r\n", "TOUCHED\r\n", "MN\r\n"}) {
    if (answer.ends_with(last)) return true;
  }
  const bool is_number = answer.find_first_of("0123456789") == 0;
  return (is_number || answer.find("ERROR") != answer.npos) && answer.ends_with("\r\n");
}

}  // namespace

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("no free loopback port");
    std::abort();
  }
  close(fd);
  return ntohs(address.sin_port);
}

std::string memcached_command(std::uint16_t port, const std::string& line) {
  const int fd = connect_to(port);
  std::string answer;
  const std::string sent = line + "\r\n";
  if (fd < 0 || send(fd, sent.data(), sent.size(), MSG_NOSIGNAL) < 0) return answer;
  char buffer[4096];
  while (!ends(answer)) {
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  close(fd);
  return answer;
}

MemcachedServer::MemcachedServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  // Another program may take the port between our search for one and memcached's start.
  for (int attempt = 0; attempt < 10; ++attempt) {
    port_ = free_port();
    if (start()) return;
  }
  std::fputs("memcached can't be started; is it installed?\n", stderr);
  std::abort();
}

MemcachedServer::~MemcachedServer() { kill(); }

std::string MemcachedServer::address() const { return "127.0.0.1:" + std::to_string(port_); }

bool MemcachedServer::start() {
  std::vector<std::string> command = {
      "memcached", "-l", "127.0.0.1", "-p", std::to_string(port_), "-U", "0", "-o", "temporary_ttl=400", "-t", "2"};
  // The user stays the same: a change of user would let the server outlive the test program (PR_SET_PDEATHSIG).
  if (geteuid() == 0) command.insert(command.end(), {"-u", "root"});
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  pid_ = fork();
  if (pid_ == 0) run(std::move(command));
  // memcached exits if another program has the port, which may answer meanwhile.
  for (;;) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    if (stat("pid") == pid_) return true;
    poll(nullptr, 0, 1);
  }
}

void MemcachedServer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void MemcachedServer::restart() {
  kill();
  if (!start()) {
    std::fputs("memcached can't be started again: its port was taken\n", stderr);
    std::abort();
  }
}

void MemcachedServer::pause() {
  ::kill(pid_, SIGSTOP);
  waitpid(pid_, nullptr, WUNTRACED);
}

void MemcachedServer::resume() { ::kill(pid_, SIGCONT); }

std::string MemcachedServer::command(const std::string& line) const { return memcached_command(port_, line); }

std::int64_t MemcachedServer::stat(const std::string& name) const {
  const std::string answer = command("stats");
  const std::string field = "STAT " + name + " ";
  const std::size_t at = answer.find(field);
  return at == answer.npos ? -1 : std::atoll(answer.c_str() + at + field.size());
}

}  // namespace ndb::testing
