#include "tools/command.h"

#include <cstddef>
#include <cstdlib>
#include <optional>

#include "base/status_macros.h"
#include "base/strings.h"
#include "context/core.h"
#include "tools/key_text.h"

namespace ndb::tools {

const std::string_view kHelp = R"(usage: ndb COMMAND [OPTION...]

  serve               run the local Datastore until it gets SIGINT or SIGTERM
  cache show KEY...   say what memcache holds of these entities
  cache flush KEY...  stop memcache from serving what it holds of these entities, or of those --kind or --all mean
  cache stats         say how the memcached servers are
  export [FILE]       write the entities of a database as lines of JSON, by default to stdout
  import [FILE]       put entities that were exported into a database, by default from stdin
  help                print this text
  --version           print the version

`--name=value` and `--name value` mean the same. Options of serve:

  --host-port=HOST:PORT    where to listen, for gRPC and HTTP; port 0 takes a free one (default: 127.0.0.1:8081)
  --tls-cert=FILE          speak TLS with this certificate (PEM; its chain behind it), whose key
  --tls-key=FILE           is in this file (PEM, without a passphrase)
  --auth-token=TOKEN       ask callers for `authorization: Bearer TOKEN` (default: NDB_AUTH_TOKEN, which other users
                           of the machine do not see; if that is not set, nobody is asked)
  --allow-unauthenticated  listen without a token where the network can reach it: everybody may read, write and end it
  --data-dir=DIRECTORY     keep the data here; made if it is missing
  --in-memory              keep the data in memory; it ends with the process (default)
  --fsync=always|interval  with --data-dir: make a commit durable before it is acknowledged (default), or
                           within a second of it. Killing the process loses no commit either way.
  --concurrency=pessimistic|optimistic
                           pessimistic (default): what a transaction has read is locked until it ends.
                           optimistic: nobody waits; a commit is refused if what it has read was written since.

Options of cache:

  --memcached=HOSTS        the memcached servers, as all programs list them: host:port, [v6]:port or /path/to/socket,
                           separated by commas or spaces (default: MEMCACHED_HOSTS)
  --project=PROJECT        where paths and kinds are (default: DATASTORE_PROJECT_ID, GOOGLE_CLOUD_PROJECT,
                           DATASTORE_DATASET; "local" with an emulator)
  --database=DATABASE      likewise (default: the default database)
  --namespace=NAMESPACE    likewise (default: the default namespace)
  --emulator-host=HOST:PORT
                           the Datastore that lists the entities of --kind (default: DATASTORE_EMULATOR_HOST, or the
                           cloud)
  --kind=KIND              of flush: all entities of the kind that are in the Datastore, in one namespace
  --all                    of flush: empty the servers (flush_all), raw items and those of other programs included

A flush also ends entities that live in memcache alone (use_datastore = false).

KEY is a url-safe key, which says itself where it is, or a path, whose numbers are ids:

  Account:ada   Account:42   Parent:1/Child:x   Account:name=42 (a name of digits)   File:a%2Fb%25 (the name a/b%)

Options of export and import, which are about all namespaces and kinds of one database by default:

  --project, --database, --emulator-host   as those of cache; --host is another name of --emulator-host
  --namespace=NAMESPACE    only this namespace; can be repeated; --namespace= is the default one
  --kind=KIND              only this kind; can be repeated

An export is as of one time. An import overwrites what is there under the same key, reserves numeric ids and ends at
the first line that is wrong; the lines before it are imported then. docs/local-datastore.md tells the format.
)";

namespace {

// One argument of the form --name, --name=value or, with the value in the next argument, --name value.
struct Flag {
  std::string name;
  std::optional<std::string> value{};
};

Flag take_flag(std::span<const std::string>& rest) {
  const std::size_t equals = rest.front().find('=');
  Flag flag{rest.front().substr(0, equals)};
  if (equals != std::string::npos) flag.value = rest.front().substr(equals + 1);
  rest = rest.subspan(1);
  return flag;
}

bool is_help(std::string_view argument) { return argument == "--help" || argument == "-h"; }

absl::StatusOr<std::string> take_value(Flag& flag, std::span<const std::string>& rest) {
  if (!flag.value && !rest.empty() && !rest.front().starts_with('-')) {
    flag.value = rest.front();
    rest = rest.subspan(1);
  }
  if (!flag.value || flag.value->empty()) {
    return absl::InvalidArgumentError(cat(flag.name, " needs a value: ", flag.name, "=VALUE"));
  }
  return *flag.value;
}

absl::StatusOr<std::string> parse_host_port(std::string text) {
  const std::size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoul(port) > 65535 || colon == 0) {
    return absl::InvalidArgumentError(
        cat("--host-port must be HOST:PORT with a port of at most 65535, as in 127.0.0.1:8081, "
            "but is ",
            quoted(text)));
  }
  return text;
}

absl::StatusOr<LocalDatastore::Fsync> parse_fsync(std::string_view text) {
  if (text == "always") return LocalDatastore::Fsync::kAlways;
  if (text == "interval") return LocalDatastore::Fsync::kInterval;
  return absl::InvalidArgumentError(cat("--fsync must be always or interval, but is ", quoted(text)));
}

absl::StatusOr<LocalDatastore::Concurrency> parse_concurrency(std::string_view text) {
  if (text == "pessimistic") return LocalDatastore::Concurrency::kPessimistic;
  if (text == "optimistic") return LocalDatastore::Concurrency::kOptimistic;
  return absl::InvalidArgumentError(cat("--concurrency must be pessimistic or optimistic, but is ", quoted(text)));
}

absl::Status take_no_value(const Flag& flag) {
  if (!flag.value) return absl::OkStatus();
  return absl::InvalidArgumentError(cat(flag.name, " takes no value"));
}

// Where the value of an option of serve goes that is taken as it is; nullptr for the others.
std::string* text_option(std::string_view name, LocalDatastore::Options& options) {
  if (name == "--data-dir") return &options.data_dir;
  if (name == "--tls-cert") return &options.tls_cert;
  if (name == "--tls-key") return &options.tls_key;
  if (name == "--auth-token") return &options.auth_token;
  return nullptr;
}

absl::StatusOr<Command> parse_serve(std::span<const std::string> rest) {
  LocalDatastore::Options options;
  options.host_port = "127.0.0.1:8081";
  if (const char* token = std::getenv("NDB_AUTH_TOKEN"); token != nullptr) options.auth_token = token;
  bool in_memory = false;
  bool fsync = false;
  while (!rest.empty()) {
    Flag flag = take_flag(rest);
    if (flag.name == "--host-port") {
      NDB_ASSIGN_OR_RETURN(std::string value, take_value(flag, rest));
      NDB_ASSIGN_OR_RETURN(options.host_port, parse_host_port(std::move(value)));
    } else if (std::string* text = text_option(flag.name, options); text != nullptr) {
      NDB_ASSIGN_OR_RETURN(*text, take_value(flag, rest));
    } else if (flag.name == "--fsync") {
      NDB_ASSIGN_OR_RETURN(const std::string value, take_value(flag, rest));
      NDB_ASSIGN_OR_RETURN(options.fsync, parse_fsync(value));
      fsync = true;
    } else if (flag.name == "--concurrency") {
      NDB_ASSIGN_OR_RETURN(const std::string value, take_value(flag, rest));
      NDB_ASSIGN_OR_RETURN(options.concurrency, parse_concurrency(value));
    } else if (flag.name == "--in-memory") {
      NDB_RETURN_IF_ERROR(take_no_value(flag));
      in_memory = true;
    } else if (flag.name == "--allow-unauthenticated") {
      NDB_RETURN_IF_ERROR(take_no_value(flag));
      options.allow_unauthenticated = true;
    } else if (is_help(flag.name)) {
      return Help();
    } else {
      return absl::InvalidArgumentError(cat("serve: unknown option ", quoted(flag.name)));
    }
  }
  if (in_memory && !options.data_dir.empty()) {
    return absl::InvalidArgumentError("--data-dir and --in-memory exclude each other");
  }
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together");
  }
  if (fsync && options.data_dir.empty()) return absl::InvalidArgumentError("--fsync means nothing without --data-dir");
  return options;
}

absl::StatusOr<CacheCommand::Verb> parse_verb(std::string_view text) {
  if (text == "show") return CacheCommand::Verb::kShow;
  if (text == "flush") return CacheCommand::Verb::kFlush;
  if (text == "stats") return CacheCommand::Verb::kStats;
  return absl::InvalidArgumentError(cat("cache: unknown command ", quoted(text), "; there are show, flush and stats"));
}

absl::StatusOr<std::vector<std::string>> parse_hosts(std::string_view text) {
  std::vector<std::string> hosts = split_hosts(text);
  if (hosts.empty()) return absl::InvalidArgumentError("--memcached names no server; write --memcached=host:port");
  return hosts;
}

// The options that all of cache have: whether it is one of them.
absl::StatusOr<bool> parse_where(Flag& flag, std::span<const std::string>& rest, ClientOptions& options) {
  if (flag.name == "--memcached") {
    NDB_ASSIGN_OR_RETURN(const std::string value, take_value(flag, rest));
    NDB_ASSIGN_OR_RETURN(options.memcached_hosts, parse_hosts(value));
  } else if (flag.name == "--project") {
    NDB_ASSIGN_OR_RETURN(options.project, take_value(flag, rest));
  } else if (flag.name == "--database") {
    NDB_ASSIGN_OR_RETURN(options.database, take_value(flag, rest));
  } else if (flag.name == "--namespace") {
    NDB_ASSIGN_OR_RETURN(options.namespace_, take_value(flag, rest));
  } else if (flag.name == "--emulator-host" || flag.name == "--host") {
    NDB_ASSIGN_OR_RETURN(options.emulator_host, take_value(flag, rest));
  } else {
    return false;
  }
  return true;
}

absl::Status check(const CacheCommand& command) {
  const int chosen = int{!command.keys.empty()} + int{command.kind.has_value()} + int{command.all};
  switch (command.verb) {
    case CacheCommand::Verb::kShow:
      if (chosen == 0) return absl::InvalidArgumentError("cache show: name at least one KEY, such as Account:ada");
      break;
    case CacheCommand::Verb::kFlush:
      if (chosen != 1) return absl::InvalidArgumentError("cache flush: give either KEYs, or --kind, or --all");
      break;
    case CacheCommand::Verb::kStats:
      if (chosen != 0) return absl::InvalidArgumentError("cache stats: takes no KEY; it is about the servers");
      break;
  }
  return absl::OkStatus();
}

absl::StatusOr<Command> parse_cache(std::span<const std::string> rest) {
  if (rest.empty()) return absl::InvalidArgumentError("cache: say what to do: show, flush or stats");
  if (is_help(rest.front())) return Help();
  CacheCommand command;
  const std::string& verb = rest.front();
  NDB_ASSIGN_OR_RETURN(command.verb, parse_verb(verb));
  rest = rest.subspan(1);

  std::vector<std::string> keys;
  while (!rest.empty()) {
    if (!rest.front().starts_with('-')) {
      keys.push_back(rest.front());
      rest = rest.subspan(1);
      continue;
    }
    Flag flag = take_flag(rest);
    if (is_help(flag.name)) return Help();
    NDB_ASSIGN_OR_RETURN(const bool known, parse_where(flag, rest, command.options));
    if (known) continue;
    const bool flush = command.verb == CacheCommand::Verb::kFlush;
    if (flush && flag.name == "--kind") {
      NDB_ASSIGN_OR_RETURN(command.kind, take_value(flag, rest));
    } else if (flush && flag.name == "--all") {
      NDB_RETURN_IF_ERROR(take_no_value(flag));
      command.all = true;
    } else {
      return absl::InvalidArgumentError(cat("cache ", verb, ": unknown option ", quoted(flag.name)));
    }
  }
  const Partition where{.project = command.options.project,
                        .database = command.options.database,
                        .namespace_ = command.options.namespace_};
  for (const std::string& text : keys) {
    NDB_ASSIGN_OR_RETURN(Key key, parse_key(text, where));
    command.keys.push_back(std::move(key));
  }
  NDB_RETURN_IF_ERROR(check(command));
  return command;
}

absl::StatusOr<Command> parse_transfer(TransferCommand::Verb verb, std::span<const std::string> rest) {
  TransferCommand command{.verb = verb};
  const std::string_view name = verb == TransferCommand::Verb::kExport ? "export" : "import";
  bool has_file = false;
  while (!rest.empty()) {
    if (rest.front() == "-" || !rest.front().starts_with('-')) {
      if (has_file) {
        return absl::InvalidArgumentError(cat(name, ": one FILE only; the second one is ", quoted(rest.front())));
      }
      if (rest.front().empty()) return absl::InvalidArgumentError(cat(name, ": the name of the FILE is empty"));
      has_file = true;
      command.file = rest.front();
      rest = rest.subspan(1);
      continue;
    }
    Flag flag = take_flag(rest);
    if (is_help(flag.name)) return Help();
    if (flag.name == "--namespace") {
      const bool is_default = flag.value == "";
      NDB_ASSIGN_OR_RETURN(std::string value, is_default ? std::string() : take_value(flag, rest));
      if (!command.namespaces) command.namespaces.emplace();
      command.namespaces->push_back(std::move(value));
    } else if (flag.name == "--kind") {
      NDB_ASSIGN_OR_RETURN(std::string value, take_value(flag, rest));
      command.kinds.push_back(std::move(value));
    } else {
      NDB_ASSIGN_OR_RETURN(const bool known, parse_where(flag, rest, command.options));
      if (!known || flag.name == "--memcached") {
        return absl::InvalidArgumentError(cat(name, ": unknown option ", quoted(flag.name)));
      }
    }
  }
  return command;
}

}  // namespace

absl::StatusOr<Command> parse_command(std::span<const std::string> arguments) {
  if (arguments.empty()) return absl::InvalidArgumentError("no command");
  const std::string& command = arguments.front();
  const std::span<const std::string> rest = arguments.subspan(1);
  if (command == "serve") return parse_serve(rest);
  if (command == "cache") return parse_cache(rest);
  if (command == "export") return parse_transfer(TransferCommand::Verb::kExport, rest);
  if (command == "import") return parse_transfer(TransferCommand::Verb::kImport, rest);
  const bool help = command == "help" || is_help(command);
  if (!help && command != "--version") return absl::InvalidArgumentError(cat("unknown command ", quoted(command)));
  if (!rest.empty()) {
    return absl::InvalidArgumentError(cat(command, ": takes no arguments, but got ", quoted(rest.front())));
  }
  if (help) return Help();
  return Version();
}

}  // namespace ndb::tools
