#include "ps/wire/curve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "glog/logging.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kKeyText = 40;  // Z85
constexpr char kGate[] = "inproc://zeromq.zap.01";

std::string KeyBytes(const std::string& text) {
  std::string bytes(kKeyBytes, '\0');
  CHECK(zmq_z85_decode(reinterpret_cast<std::uint8_t*>(bytes.data()), text.c_str()) != nullptr);
  return bytes;
}

absl::Status CheckKey(const char* name, const std::string& key) {
  std::array<std::uint8_t, kKeyBytes> bytes;
  if (key.size() != kKeyText || zmq_z85_decode(bytes.data(), key.c_str()) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", name, " key is not ", kKeyText, " characters of Z85"));
  }
  return absl::OkStatus();
}

// A multipart message; empty when the context is being terminated.
std::vector<std::string> ReceiveParts(void* socket) {
  std::vector<std::string> parts;
  for (bool more = true; more;) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    const bool received = zmq_msg_recv(&part, socket, 0) >= 0;
    if (received) {
      parts.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
      more = zmq_msg_more(&part) != 0;
    }
    zmq_msg_close(&part);
    if (received) continue;
    if (zmq_errno() != EINTR) return {};
  }
  return parts;
}

// The request's parts are: version, id, domain, address, routing id, mechanism, the client's key.
void AnswerConnections(void* socket, const std::string& key) {
  for (;;) {
    const std::vector<std::string> request = ReceiveParts(socket);
    if (request.empty()) break;
    const bool allowed = request.size() == 7 && request[5] == "CURVE" && request[6] == key;
    LOG_IF_EVERY_N(WARNING, !allowed, 100)
        << "a connection from " << (request.size() > 3 ? request[3] : "somewhere")
        << " is refused: it does not have the job's key (cluster.curve_key_file)";
    const std::string id = request.size() > 1 ? request[1] : "";
    const std::array<std::string, 6> reply = {
        "1.0", id, allowed ? "200" : "400", allowed ? "" : "not the job's key", "", ""};
    for (std::size_t i = 0; i < reply.size(); ++i) {
      zmq_send(socket, reply[i].data(), reply[i].size(), i + 1 < reply.size() ? ZMQ_SNDMORE : 0);
    }
  }
  zmq_close(socket);
}

}  // namespace

absl::StatusOr<CurveKeys> NewCurveKeys() {
  char public_key[kKeyText + 1], secret_key[kKeyText + 1];
  if (zmq_curve_keypair(public_key, secret_key) != 0) {
    return absl::UnimplementedError("this libzmq was built without CURVE");
  }
  return CurveKeys{public_key, secret_key};
}

std::string FormatCurveKeys(const CurveKeys& keys) {
  return absl::StrCat(
      "# The key pair of a Hyperplane job. Who has it can read and change what the job learns.\n",
      "public ", keys.public_key, "\nsecret ", keys.secret_key, "\n");
}

absl::StatusOr<CurveKeys> ParseCurveKeys(const std::string& text) {
  CurveKeys keys;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
  
    if (line.empty() || line.front() == '#') continue;
    const std::pair<std::string, std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    std::string* const key = words.first == "public"   ? &keys.public_key
                             : words.first == "secret" ? &keys.secret_key
                                                       : nullptr;
    if (key == nullptr || !key->empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " is not 'public KEY' or 'secret KEY', each once"));
    }
    *key = std::string(absl::StripAsciiWhitespace(words.second));
  }
  PS_RETURN_IF_ERROR(CheckKey("public", keys.public_key));
  PS_RETURN_IF_ERROR(CheckKey("secret", keys.secret_key));
  char derived[kKeyText + 1];
  if (zmq_curve_public(derived, keys.secret_key.c_str()) != 0) {
    return absl::UnimplementedError("this libzmq was built without CURVE");
  }
  if (keys.public_key != derived) {
    return absl::InvalidArgumentError("the public key is not the secret key's");
  }
  return keys;
}

absl::StatusOr<CurveKeys> ReadCurveKeys(const std::string& path) {
  if (path.empty()) return CurveKeys{};
  const absl::StatusOr<std::string> text = ReadWholeFile(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("the key file (curve_key_file): ", text.status().message()));
  }
  struct stat file;
  LOG_IF(WARNING, ::stat(path.c_str(), &file) == 0 && (file.st_mode & S_IROTH) != 0)
      << "'" << path << "' can be read by everybody: chmod 600 it";
  absl::StatusOr<CurveKeys> keys = ParseCurveKeys(*text);
  if (keys.ok()) return keys;
  return absl::Status(keys.status().code(),
                      absl::StrCat("'", path, "': ", keys.status().message(),
                                   "; `ps_ctl keygen FILE` makes a key file"));
}

absl::Status WriteCurveKeys(const std::string& path, const CurveKeys& keys) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat("'", path, "' is there already"));
  }
  if (fd < 0) return FileError("cannot make", path, errno);
  const std::string text = FormatCurveKeys(keys);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = written ? 0 : errno;
  ::close(fd);
  if (written) return absl::OkStatus();
  ::unlink(path.c_str());
  return FileError("cannot write", path, error);
}

struct CurveGate::State {
  std::thread thread;
};

CurveGate::CurveGate(void* context, const CurveKeys& keys) : state_(std::make_unique<State>()) {
  // Bound before any listener of the context is, and only then handed to its thread.
  void* const socket = zmq_socket(context, ZMQ_REP);
  CHECK(socket != nullptr) << zmq_strerror(zmq_errno());
  CHECK_EQ(zmq_bind(socket, kGate), 0) << zmq_strerror(zmq_errno());
  state_->thread = std::thread(AnswerConnections, socket, KeyBytes(keys.public_key));
}

CurveGate::~CurveGate() { state_->thread.join(); }

void SecureListener(void* socket, const CurveKeys& keys) {
  if (keys.empty()) return;
  const int server = 1;
  CHECK_EQ(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &server, sizeof server), 0);
  CHECK_EQ(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys.secret_key.c_str(), kKeyText + 1), 0);
  constexpr std::string_view kDomain = "hyperplane";
  CHECK_EQ(zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, kDomain.data(), kDomain.size()), 0);
}

void SecureConnector(void* socket, const CurveKeys& keys) {
  if (keys.empty()) return;
  CHECK_EQ(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys.public_key.c_str(), kKeyText + 1), 0);
  CHECK_EQ(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys.public_key.c_str(), kKeyText + 1), 0);
  CHECK_EQ(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys.secret_key.c_str(), kKeyText + 1), 0);
}

}  // namespace ps
