// Against s3rver, a real S3 server from npm, which verifies signatures; and against a server that
// fails.
#include "ps/checkpoint/s3_storage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "ps/checkpoint/checkpoint_loader.h"
#include "tests/bundle/scratch_directory.h"
#include "tests/checkpoint/checkpoint_sample.h"

namespace ps {
namespace {

// Where `./dev setup` puts it, or where PS_S3RVER says.
std::string S3rverScript() {
  std::vector<std::string> places;
  if (const char* given = std::getenv("PS_S3RVER")) places.push_back(given);
  if (const char* source = std::getenv("PS_SOURCE_DIR")) {
    places.push_back(absl::StrCat(source, "/build/npm/node_modules/s3rver/bin/s3rver.js"));
  }
  for (const std::string& place : places) {
    if (std::filesystem::exists(place)) return place;
  }
  return "";
}

class S3Server {
 public:
  explicit S3Server(const std::vector<std::string>& command) {
    int out[2];
    if (::pipe(out) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], 1);
      std::vector<char*> arguments;
      for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(out[1]);
    std::string text;  // "... listening on 127.0.0.1:PORT"
    char byte;
    while (::read(out[0], &byte, 1) == 1) {
      text += byte;
      const std::size_t colon = text.rfind(':');
      if (byte == '\n' && colon != std::string::npos && text.find("listening") < colon) {
        port_ = std::atoi(text.c_str() + colon + 1);
        break;
      }
    }
    out_ = out[0];
  }
  ~S3Server() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(out_);
  }
  int port() const { return port_; }
  S3Location location() const {
    return {.endpoint = absl::StrCat("http://127.0.0.1:", port_),
            .bucket = "models",
            .prefix = "team a/job+1/",
            .credentials = {.access_key = "S3RVER", .secret_key = "S3RVER"},
            .part_bytes = std::size_t{5} << 20,
            .tries = 2,
            .first_pause = std::chrono::milliseconds(20)};
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  int port_ = 0;
};

class S3StorageTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::vector<std::string> command;
    if (GetParam() == "strict") {
      const char* source = std::getenv("PS_SOURCE_DIR");
      command = {"python3",
                 absl::StrCat(source == nullptr ? "." : source, "/tests/checkpoint/s3_server.py")};
    } else {
      const std::string script = S3rverScript();
      if (script.empty()) GTEST_SKIP() << "s3rver is not installed (./dev setup, with npm)";
      command = {"node",
                 script,
                 "-a",
                 "127.0.0.1",
                 "-p",
                 "0",
                 "-d",
                 scratch_ / "s3",
                 "--configure-bucket",
                 "models"};
    }
    server_ = std::make_unique<S3Server>(command);
    ASSERT_GT(server_->port(), 0);
  }
  const ScratchDirectory scratch_;
  std::unique_ptr<S3Server> server_;
};
INSTANTIATE_TEST_SUITE_P(Servers, S3StorageTest, ::testing::Values("strict", "s3rver"),
                         [](const auto& info) { return info.param; });

TEST_P(S3StorageTest, KeepsObjectsSmallAndLarge) {
  S3Storage storage(server_->location());
  std::mt19937_64 random(1);
  for (const std::size_t bytes : {0, 1, 1000, (5 << 20) - 1, 5 << 20, (12 << 20) + 345}) {
    const std::string name = absl::StrCat("slots/object-", bytes),
                      content = RandomBytes(random, bytes);
    ASSERT_TRUE(WriteObject(storage, name, content).ok());
    const auto all = storage.ReadAll(name);
    ASSERT_TRUE(all.ok()) << all.status();
    ASSERT_EQ(*all, content);
    if (bytes >= 1000) {
      EXPECT_EQ(*storage.Read(name, 100, 800), content.substr(100, 800));
      EXPECT_TRUE(absl::IsDataLoss(storage.Read(name, bytes - 10, 20).status()));
      EXPECT_TRUE(absl::IsDataLoss(storage.Read(name, bytes + 10, 20).status()));
    }
  }
  EXPECT_TRUE(absl::IsNotFound(storage.ReadAll("slots/none").status()));
  EXPECT_TRUE(storage.Remove("slots/none").ok());
  EXPECT_TRUE(storage.Remove("slots/object-1").ok());
  const auto listed = storage.List("slots/");
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->size(), 5u);
  EXPECT_EQ(listed->front().name, "slots/object-0");
  EXPECT_EQ(listed->back().name, "slots/object-5242880");
  EXPECT_EQ(listed->back().bytes, 5242880u);
}

TEST_P(S3StorageTest, ListsMoreThanAPage) {
  if (GetParam() == "s3rver") GTEST_SKIP() << "s3rver 3.7.1 cannot give a second page";
  S3Storage storage(server_->location());
  for (int i = 0; i < 350; ++i) {
    ASSERT_TRUE(WriteObject(storage, absl::StrCat("manifests/", 10000 + i), "x").ok());
  }
  const auto listed = storage.List("manifests/");
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->size(), 350u);
  EXPECT_EQ(listed->at(349).name, "manifests/10349");
}

TEST_P(S3StorageTest, AnUnfinishedUploadIsNoObject) {
  S3Storage storage(server_->location());
  {
    auto writer = storage.Create("slots/x");
    ASSERT_TRUE((*writer)->Append(std::string(11 << 20, 'x')).ok());
  }
  EXPECT_EQ(storage.List("")->size(), 0u);
}

TEST_P(S3StorageTest, HoldsCheckpoints) {
  S3Storage storage(server_->location());
  const SampleCheckpoint sample = WriteSample(storage, 3, 3, 2, 3 << 20, 2);
  EXPECT_TRUE(VerifyCheckpoint(storage, 3).ok());
  WriteSample(storage, 4, 3, 1, 1000, 3);
  EXPECT_EQ(*NextCheckpointId(storage), 5u);
  ASSERT_TRUE(RemoveOldCheckpoints(storage, 1).ok());
  EXPECT_EQ(*ListCheckpoints(storage), std::vector<std::uint64_t>{4});
  EXPECT_EQ(storage.List("slots/")->size(), 1u);
}

TEST_P(S3StorageTest, AWrongKeyIsRefused) {
  if (GetParam() == "s3rver") GTEST_SKIP() << "s3rver does not verify signatures of version 4";
  S3Location location = server_->location();
  location.credentials.secret_key = "wrong";
  S3Storage storage(location);
  const absl::Status status = WriteObject(storage, "slots/x", "x");
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_NE(status.message().find("SignatureDoesNotMatch"), std::string::npos) << status;
}

// Answers each request with the next of the given status lines, the last one for ever, and closes.
class FailingServer {
 public:
  explicit FailingServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), bytes) != 0) std::abort();
    ::listen(fd_, 16);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &bytes);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~FailingServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  int requests() const { return requests_; }
  S3Storage Storage(int tries) const {
    return S3Storage(S3Location{.endpoint = absl::StrCat("http://127.0.0.1:", port_),
                                .bucket = "b",
                                .credentials = {.access_key = "a", .secret_key = "s"},
                                .tries = tries,
                                .first_pause = std::chrono::milliseconds(5)});
  }

 private:
  void Serve() {
    for (;;) {
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      char request[8192];
      (void)!::read(client, request, sizeof request);
      const std::size_t number = static_cast<std::size_t>(requests_++);
      const std::string& line = answers_[std::min(number, answers_.size() - 1)];
      const std::string answer =
          absl::StrCat("HTTP/1.1 ", line, "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
      if (!line.empty()) (void)!::write(client, answer.data(), answer.size());
      ::close(client);
    }
  }

  const std::vector<std::string> answers_;
  int fd_ = -1;
  int port_ = 0;
  std::atomic<int> requests_{0};
  std::thread thread_;
};

TEST(S3Retries, BusyServersAndBrokenConnectionsAreAskedAgain) {
  FailingServer server({"503 Slow Down", "", "429 Too Many", "500 Oops", "200 OK"});
  S3Storage storage = server.Storage(6);
  EXPECT_EQ(*storage.ReadAll("x"), "ok");
  EXPECT_EQ(server.requests(), 5);
}

TEST(S3Retries, TheyEnd) {
  FailingServer server({"503 Slow Down"});
  S3Storage storage = server.Storage(3);
  const absl::Status status = storage.ReadAll("x").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(server.requests(), 3);
}

TEST(S3Retries, RefusalsAreFinal) {
  FailingServer server({"403 Forbidden"});
  S3Storage storage = server.Storage(6);
  EXPECT_TRUE(absl::IsPermissionDenied(storage.ReadAll("x").status()));
  EXPECT_EQ(server.requests(), 1);
}

TEST(S3Location, OfAUrlAndTheEnvironment) {
  ::setenv("AWS_ACCESS_KEY_ID", "id", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  const auto location = S3LocationFrom("s3://bucket/some/job", "http://localhost:9000/");
  ASSERT_TRUE(location.ok()) << location.status();
  EXPECT_EQ(location->bucket, "bucket");
  EXPECT_EQ(location->prefix, "some/job/");
  EXPECT_EQ(location->endpoint, "http://localhost:9000");
  EXPECT_EQ(S3LocationFrom("s3://bucket", "")->prefix, "");
  EXPECT_TRUE(absl::IsInvalidArgument(S3LocationFrom("s3:///x", "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(S3LocationFrom("/tmp/x", "").status()));
  ::unsetenv("AWS_SECRET_ACCESS_KEY");
  EXPECT_TRUE(absl::IsInvalidArgument(S3LocationFrom("s3://bucket/x", "").status()));
}

}  // namespace
}  // namespace ps
