#include "support/scripted_memcached.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "base/strings.h"

namespace ndb::testing {
namespace {

constexpr std::chrono::seconds kPatience{10};

bool matches(const ScriptedMemcached::Match& match, const MemcachedCommand& command) {
  return (!match.verb || *match.verb == command.verb) && (match.client.empty() || match.client == command.client) &&
         (match.key.empty() || std::ranges::find(command.keys, match.key) != command.keys.end());
}

// Listens on a free loopback port.
std::pair<int, std::uint16_t> listen_on_loopback() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("no free loopback port");
    std::abort();
  }
  return {fd, ntohs(address.sin_port)};
}

// Closes it with a reset instead of an orderly shutdown.
void abort_connection(int fd) {
  constexpr linger kReset{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &kReset, sizeof kReset);
  close(fd);
}

}  // namespace

// The states of a rule: awaited, perhaps parked and released, over.
void ScriptedMemcached::Rule::enter(State state) {
  MutexLock lock(mutex_);
  state_ = std::max(state_, state);
  changed_.notify_all();
}

void ScriptedMemcached::Rule::await_end_of(State state) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  MutexLock lock(mutex_);
  while (state_ <= state) {
    if (changed_.wait_until(mutex_, deadline) == std::cv_status::no_timeout) continue;
    ADD_FAILURE() << "the command that a rule is for did not come, or was not executed";
    state_ = State::kOver;
  }
}

void ScriptedMemcached::Rule::park() {
  enter(State::kParked);
  MutexLock lock(mutex_);
  while (state_ == State::kParked) changed_.wait(mutex_);
}

void ScriptedMemcached::Rule::wait() { await_end_of(State::kAwaited); }

void ScriptedMemcached::Rule::release() {
  wait();
  enter(State::kReleased);
  await_end_of(State::kReleased);
}

// The input of one connection.
class ScriptedMemcached::Session {
 public:
  Session(int fd, std::string client) : fd_(fd), client_(std::move(client)) {}
  int fd() const { return fd_; }

  // The next command and its length in bytes; nothing when the connection has ended.
  std::optional<std::pair<MemcachedCommand, std::size_t>> next() {
    const std::size_t end = buffered_until("\r\n");
    if (end == std::string::npos) return std::nullopt;
    std::optional<MemcachedCommand> command = parse_command(std::string_view(buffer_).substr(0, end));
    if (!command) return std::nullopt;  // quit, and commands that the gateway never sends
    command->client = client_;
    std::size_t bytes = end + 2;
    if (is_store(command->verb)) {
      if (!buffered(bytes + command->size + 2)) return std::nullopt;
      command->value = buffer_.substr(bytes, command->size);
      bytes += command->size + 2;
    }
    buffer_.erase(0, bytes);
    return std::pair(*std::move(command), bytes);
  }

  void send(std::string_view bytes) const { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

 private:
  bool receive() {
    char bytes[16384];
    const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
    if (got > 0) buffer_.append(bytes, static_cast<std::size_t>(got));
    return got > 0;
  }
  bool buffered(std::size_t size) {
    while (buffer_.size() < size) {
      if (!receive()) return false;
    }
    return true;
  }
  std::size_t buffered_until(std::string_view mark) {
    while (buffer_.find(mark) == std::string::npos) {
      if (!receive()) return std::string::npos;
    }
    return buffer_.find(mark);
  }

  const int fd_;
  const std::string client_;
  std::string buffer_;
};

ScriptedMemcached::~ScriptedMemcached() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    for (const RulePtr& rule : rules_) rule->enter(Rule::State::kReleased);
    for (auto& [client, link] : links_) {
      shutdown(link.listener, SHUT_RDWR);
      threads.push_back(std::move(link.acceptor));
    }
  }
  for (std::thread& thread : threads) thread.join();
  close_connections("");
  threads.clear();
  {
    MutexLock lock(mutex_);
    threads.swap(sessions_);
  }
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(mutex_);
  for (const auto& [client, link] : links_) close(link.listener);
}

std::string ScriptedMemcached::address(const std::string& client) {
  MutexLock lock(mutex_);
  Link& link = links_[client];
  if (link.listener < 0) {
    std::tie(link.listener, link.port) = listen_on_loopback();
    link.acceptor = std::thread([this, client, listener = link.listener] { accept_from(listener, client); });
  }
  return cat("127.0.0.1:", link.port);
}

void ScriptedMemcached::accept_from(int listener, const std::string& client) {
  for (int fd = accept(listener, nullptr, nullptr); fd >= 0; fd = accept(listener, nullptr, nullptr)) {
    MutexLock lock(mutex_);
    Link& link = links_[client];
    ++link.connections;
    if (link.cut_off) {
      abort_connection(fd);
      continue;
    }
    open_.emplace(fd, client);
    sessions_.emplace_back([this, fd, client] { serve(fd, client); });
  }
}

void ScriptedMemcached::serve(int fd, const std::string& client) {
  Session session(fd, client);
  while (auto next = session.next()) {
    const auto& [command, bytes] = *next;
    const RulePtr rule = arrive(command, bytes);
    const bool goes_on = obey(session, command, rule.get());
    if (rule != nullptr) rule->enter(Rule::State::kOver);
    if (!goes_on) break;
  }
  MutexLock lock(mutex_);
  open_.erase(fd);
  close(fd);
}

ScriptedMemcached::RulePtr ScriptedMemcached::arrive(const MemcachedCommand& command, std::size_t bytes) {
  MutexLock lock(mutex_);
  log_.push_back(command);
  traffic_.received += bytes;
  logged_.notify_all();
  RulePtr first;
  for (const RulePtr& rule : rules_) {
    if (!matches(rule->match_, command)) continue;
    ++rule->matched_;
    const bool meant = rule->match_.nth == 0 || rule->match_.nth == rule->matched_;
    if (meant && first == nullptr) first = rule;
  }
  return first;
}

std::string ScriptedMemcached::execute(const MemcachedCommand& command) {
  MutexLock lock(mutex_);
  std::string answer = items_.execute(command);
  if (command.noreply) answer.clear();
  traffic_.sent += answer.size();
  return answer;
}

// Executes or disturbs the command, as the rule says. False: the connection must be closed.
bool ScriptedMemcached::obey(Session& session, const MemcachedCommand& command, Rule* rule) {
  if (rule == nullptr) {
    session.send(execute(command));
    return true;
  }
  switch (rule->fate_) {
    case Rule::Fate::kHold:
      rule->park();
      session.send(execute(command));
      return true;
    case Rule::Fate::kHoldReply: {
      const std::string answer = execute(command);
      rule->park();
      session.send(answer);
      return true;
    }
    case Rule::Fate::kDelay:
      shutdown(session.fd(), SHUT_RDWR);
      rule->park();
      execute(command);
      return false;
    case Rule::Fate::kLose:
      return false;
    case Rule::Fate::kLoseReply:
      execute(command);
      return false;
    case Rule::Fate::kRefuse:
      session.send(rule->answer_);
      return true;
  }
  return false;
}

ScriptedMemcached::RulePtr ScriptedMemcached::add_rule(Rule::Fate fate, Match match, std::string answer) {
  MutexLock lock(mutex_);
  return rules_.emplace_back(new Rule(fate, std::move(match), std::move(answer)));
}

ScriptedMemcached::RulePtr ScriptedMemcached::hold(Match match) {
  return add_rule(Rule::Fate::kHold, std::move(match));
}
ScriptedMemcached::RulePtr ScriptedMemcached::hold_reply(Match match) {
  return add_rule(Rule::Fate::kHoldReply, std::move(match));
}
ScriptedMemcached::RulePtr ScriptedMemcached::delay(Match match) {
  return add_rule(Rule::Fate::kDelay, std::move(match));
}
ScriptedMemcached::RulePtr ScriptedMemcached::lose(Match match) {
  return add_rule(Rule::Fate::kLose, std::move(match));
}
ScriptedMemcached::RulePtr ScriptedMemcached::lose_reply(Match match) {
  return add_rule(Rule::Fate::kLoseReply, std::move(match));
}
ScriptedMemcached::RulePtr ScriptedMemcached::refuse(Match match, std::string answer) {
  return add_rule(Rule::Fate::kRefuse, std::move(match), std::move(answer));
}

void ScriptedMemcached::cut_off(const std::string& client) {
  {
    MutexLock lock(mutex_);
    links_[client].cut_off = true;
  }
  close_connections(client);
}

void ScriptedMemcached::let_in(const std::string& client) {
  MutexLock lock(mutex_);
  links_[client].cut_off = false;
}

void ScriptedMemcached::close_connections(const std::string& client) {
  MutexLock lock(mutex_);
  for (const auto& [fd, whose] : open_) {
    if (client.empty() || client == whose) shutdown(fd, SHUT_RDWR);
  }
}

std::optional<ScriptedMemcached::Item> ScriptedMemcached::item(const std::string& key) {
  MutexLock lock(mutex_);
  const Item* const item = items_.find(key);
  return item == nullptr ? std::nullopt : std::optional(*item);
}

void ScriptedMemcached::put(const std::string& key, std::uint32_t flags, std::string value) {
  MutexLock lock(mutex_);
  items_.put(key, flags, std::move(value));
}

void ScriptedMemcached::evict(const std::string& key) {
  MutexLock lock(mutex_);
  items_.erase(key);
}

void ScriptedMemcached::restart() {
  {
    MutexLock lock(mutex_);
    items_.restart();
  }
  close_connections("");
}

void ScriptedMemcached::set_next_unique(std::uint64_t unique) {
  MutexLock lock(mutex_);
  items_.set_next_unique(unique);
}

void ScriptedMemcached::disable_cas() {
  MutexLock lock(mutex_);
  items_.set_cas(false);
}

void ScriptedMemcached::limit_items(std::size_t bytes) {
  MutexLock lock(mutex_);
  items_.set_largest(bytes);
}

std::vector<MemcachedCommand> ScriptedMemcached::log() {
  MutexLock lock(mutex_);
  return log_;
}

void ScriptedMemcached::await(const Match& match) {
  MutexLock lock(mutex_);
  const auto matching = [&](const MemcachedCommand& command) { return matches(match, command); };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::ranges::count_if(log_, matching) < match.nth) {
    if (logged_.wait_until(mutex_, deadline) == std::cv_status::no_timeout) continue;
    ADD_FAILURE() << "the commands that are awaited did not come";
    return;
  }
}

int ScriptedMemcached::connections(const std::string& client) {
  MutexLock lock(mutex_);
  return links_[client].connections;
}

ScriptedMemcached::Traffic ScriptedMemcached::traffic() {
  MutexLock lock(mutex_);
  return traffic_;
}

void ScriptedMemcached::clear_log() {
  MutexLock lock(mutex_);
  log_.clear();
  traffic_ = {};
}

}  // namespace ndb::testing
