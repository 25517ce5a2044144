#include "trainer/control/control_server.h"

#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "trainer/control/status_text.h"

namespace ps {
namespace {

constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::uint32_t kMostNodes = 4096;

// Takes as long for any wrong token of the right length.
bool SameText(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

// Empty where the sender may give commands.
std::optional<HttpResponse> Refusal(const HttpRequest& request, const std::string& token) {
  if (request.from_web_page) return HttpResponse{.status = 403, .body = "not from a web page\n"};
  if (!token.empty()) {
    if (SameText(request.authorization, "Bearer " + token)) return std::nullopt;
    return HttpResponse{.status = 401, .body = "the token is missing or wrong\n"};
  }
  if (request.from_this_host) return std::nullopt;
  return HttpResponse{.status = 403,
                      .body =
                          "without a token (PS_CONTROL_TOKEN of ps_train) commands are taken "
                          "from the job's own host only\n"};
}

absl::StatusOr<std::uint32_t> Number(const std::string& name, const std::string& text,
                                     std::uint32_t least, std::uint32_t most) {
  std::uint32_t value = 0;
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || !absl::SimpleAtoi(text, &value) || value < least || value > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, "=", text, " is not a number from ", least, " to ", most));
  }
  return value;
}

absl::Status OnlyKnows(const HttpRequest& request, const std::set<std::string>& names) {
  for (const auto& [name, value] : request.query) {
    if (names.count(name) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("unknown parameter \"", name, "\""));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ClusterCommand> ParseCommand(const HttpRequest& request) {
  using Kind = ClusterCommand::Kind;
  ClusterCommand command;
  const auto& query = request.query;
  if (request.path == "/scale") {
    command.kind = Kind::kScale;
    PS_RETURN_IF_ERROR(OnlyKnows(request, {"servers", "workers"}));
    if (const auto at = query.find("servers"); at != query.end()) {
      PS_ASSIGN_OR_RETURN(command.servers, Number("servers", at->second, 1, kMostNodes));
    }
    if (const auto at = query.find("workers"); at != query.end()) {
      PS_ASSIGN_OR_RETURN(command.workers, Number("workers", at->second, 1, kMostNodes));
    }
    if (!command.servers.has_value() && !command.workers.has_value()) {
      return absl::InvalidArgumentError("scale: servers=N, workers=N or both are needed");
    }
    return command;
  }
  if (request.path == "/drain") {
    command.kind = Kind::kDrain;
    PS_RETURN_IF_ERROR(OnlyKnows(request, {"node"}));
    const auto at = query.find("node");
    if (at == query.end()) return absl::InvalidArgumentError("drain: node=N is needed");
    PS_ASSIGN_OR_RETURN(command.node, Number("node", at->second, 1, 0xffffffffu));
    return command;
  }
  PS_RETURN_IF_ERROR(OnlyKnows(request, {}));
  command.kind = request.path == "/checkpoint" ? Kind::kCheckpoint : Kind::kStop;
  return command;
}

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
      return 503;
    default:
      return 500;
  }
}

HttpResponse CarryOut(const HttpRequest& request, const std::string& token,
                      const ControlServer::Command& command) {
  if (const std::optional<HttpResponse> refusal = Refusal(request, token)) return *refusal;
  const absl::StatusOr<ClusterCommand> parsed = ParseCommand(request);
  if (!parsed.ok()) return {.status = 400, .body = absl::StrCat(parsed.status().message(), "\n")};
  const absl::StatusOr<std::string> answer = command(*parsed);
  if (answer.ok()) return {.body = absl::StrCat(*answer, "\n")};
  const std::string text = absl::StrCat(answer.status().message(), "\n");
  if (answer.status().code() == absl::StatusCode::kDeadlineExceeded) {
    return {.status = 202, .body = text};
  }
  return {.status = HttpStatusOf(answer.status()), .body = text};
}

HttpResponse Status(const HttpRequest& request, const StatusBoard& board) {
  const auto format = request.query.find("format");
  if (format == request.query.end() || format->second == "json") {
    return {.type = "application/json", .body = StatusJson(board.Get()) + "\n"};
  }
  if (format->second == "text") return {.body = StatusTable(board.Get())};
  return {.status = 400, .body = "format is json or text\n"};
}

}  // namespace

HttpResponse AnswerControl(const HttpRequest& request, const std::string& token,
                           const StatusBoard& board, const ControlServer::Command& command) {
  static const std::set<std::string> looks = {"/metrics", "/healthz", "/readyz", "/status"};
  static const std::set<std::string> commands = {"/scale", "/drain", "/checkpoint", "/stop"};
  const bool get = request.method == "GET";
  if (commands.count(request.path) != 0) {
    if (get) return {.status = 405, .body = "a command is sent with POST\n"};
    return CarryOut(request, token, command);
  }
  if (looks.count(request.path) == 0) {
    return {.status = 404,
            .body =
                "GET /status, /metrics, /healthz, /readyz; "
                "POST /scale, /drain, /checkpoint, /stop\n"};
  }
  if (!get) return {.status = 405, .body = "only GET\n"};
  if (request.path == "/metrics") return {.type = kMetricsType, .body = JobMetrics(board.Get())};
  if (request.path == "/status") return Status(request, board);
  const JobStatus status = board.Get();
  if (request.path == "/healthz") return {.body = "ok\n"};
  if (status.state == JobStatus::State::kTraining) return {.body = "ready\n"};
  return {.status = 503, .body = absl::StrCat(StateName(status.state), "\n")};
}

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const Options& options,
                                                                    const StatusBoard* board,
                                                                    Command command) {
  auto control = std::make_unique<ControlServer>();
  PS_ASSIGN_OR_RETURN(
      control->server_,
      HttpServer::Listen(
          {.endpoint = options.endpoint},  // commands have no bodies to speak of, and their handlers wait
          [token = options.token, board, command = std::move(command)](const HttpRequest& request) {
            return AnswerControl(request, token, *board, command);
          }));
  return control;
}

}  // namespace ps
