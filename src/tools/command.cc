#include "tools/command.h"

#include <cstddef>
#include <optional>

#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::tools {

const std::string_view kHelp = R"(usage: ndb COMMAND [OPTION...]

  serve      run the local Datastore until it gets SIGINT or SIGTERM
  help       print this text
  --version  print the version

Options of serve; `--name=value` and `--name value` mean the same:

  --host-port=HOST:PORT    where to listen; port 0 takes a free one (default: 127.0.0.1:8081).
                           There is no authentication: keep it on the loopback interface.
  --data-dir=DIRECTORY     keep the data here; made if it is missing
  --in-memory              keep the data in memory; it ends with the process (default)
  --fsync=always|interval  with --data-dir: make a commit durable before it is acknowledged (default), or
                           within a second of it. Killing the process loses no commit either way.
)";

namespace {

// One argument of the form --name, --name=value or, with the value in the next argument, --name value.
struct Flag {
  std::string name;
  std::optional<std::string> value{};
};

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

absl::StatusOr<Command> parse_serve(std::span<const std::string> rest) {
  LocalDatastore::Options options;
  options.host_port = "127.0.0.1:8081";
  bool in_memory = false;
  bool fsync = false;
  while (!rest.empty()) {
    const std::size_t equals = rest.front().find('=');
    Flag flag{rest.front().substr(0, equals)};
    if (equals != std::string::npos) flag.value = rest.front().substr(equals + 1);
    rest = rest.subspan(1);

    if (flag.name == "--host-port") {
      NDB_ASSIGN_OR_RETURN(std::string value, take_value(flag, rest));
      NDB_ASSIGN_OR_RETURN(options.host_port, parse_host_port(std::move(value)));
    } else if (flag.name == "--data-dir") {
      NDB_ASSIGN_OR_RETURN(options.data_dir, take_value(flag, rest));
    } else if (flag.name == "--fsync") {
      NDB_ASSIGN_OR_RETURN(const std::string value, take_value(flag, rest));
      NDB_ASSIGN_OR_RETURN(options.fsync, parse_fsync(value));
      fsync = true;
    } else if (flag.name == "--in-memory") {
      if (flag.value) return absl::InvalidArgumentError("--in-memory takes no value");
      in_memory = true;
    } else if (flag.name == "--help" || flag.name == "-h") {
      return Help();
    } else {
      return absl::InvalidArgumentError(cat("serve: unknown option ", quoted(flag.name)));
    }
  }
  if (in_memory && !options.data_dir.empty()) {
    return absl::InvalidArgumentError("--data-dir and --in-memory exclude each other");
  }
  if (fsync && options.data_dir.empty()) return absl::InvalidArgumentError("--fsync means nothing without --data-dir");
  return options;
}

}  // namespace

absl::StatusOr<Command> parse_command(std::span<const std::string> arguments) {
  if (arguments.empty()) return absl::InvalidArgumentError("no command");
  const std::string& command = arguments.front();
  const std::span<const std::string> rest = arguments.subspan(1);
  if (command == "serve") return parse_serve(rest);
  const bool help = command == "help" || command == "--help" || command == "-h";
  if (!help && command != "--version") return absl::InvalidArgumentError(cat("unknown command ", quoted(command)));
  if (!rest.empty()) {
    return absl::InvalidArgumentError(cat(command, ": takes no arguments, but got ", quoted(rest.front())));
  }
  if (help) return Help();
  return Version();
}

}  // namespace ndb::tools
