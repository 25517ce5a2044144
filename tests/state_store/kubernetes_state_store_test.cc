// Against a strict fake of the API server, over HTTPS.
#include "ps/state_store/kubernetes_state_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class KubernetesStateStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string make = absl::StrCat(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext "
        "subjectAltName=IP:127.0.0.1 -keyout ",
        scratch_ / "key", " -out ", scratch_ / "cert", " 2>/dev/null");
    if (std::system(make.c_str()) != 0) GTEST_SKIP() << "openssl is not installed";
    std::ofstream(scratch_ / "token") << "secret-token\n";
    const char* source = std::getenv("PS_SOURCE_DIR");
    const std::string script =
        absl::StrCat(source == nullptr ? "." : source, "/tests/state_store/kubernetes_api.py");
    int out[2];
    ASSERT_EQ(::pipe(out), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], 1);
      const std::string cert = scratch_ / "cert", key = scratch_ / "key";
      ::execlp("python3", "python3", script.c_str(), cert.c_str(), key.c_str(), "secret-token",
               nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    std::string text;
    char byte;
    while (::read(out[0], &byte, 1) == 1 && byte != '\n') text += byte;
    ::close(out[0]);
    port_ = std::atoi(text.substr(text.rfind(':') + 1).c_str());
    ASSERT_GT(port_, 0) << text;
  }
  void TearDown() override {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  KubernetesAccess Access() const {
    return {absl::StrCat("https://127.0.0.1:", port_), "training", scratch_ / "token",
            scratch_ / "cert"};
  }
  KubernetesStateStore::Options Options(const std::string& identity) const {
    return {.access = Access(),
            .name = "job",
            .identity = identity,
            .lease = std::chrono::seconds(2),
            .call_limit = milliseconds(5000),
            .elect_limit = milliseconds(8000)};
  }
  // The next `times` requests of the method fail; `after`: once they were carried out.
  void MakeFail(const std::string& method, int status, int times, bool after) {
    KubernetesClient client(Access());
    const std::string body =
        absl::StrCat("{\"method\":\"", method, "\",\"status\":", status, ",\"times\":", times,
                     ",\"after\":", after ? "true" : "false", "}");
    ASSERT_TRUE(client
                    .Ask({.method = "POST", .path = "/test/fail", .body = body},
                         steady_clock::now() + milliseconds(2000))
                    .ok());
  }

  const ScratchDirectory scratch_;
  pid_t pid_ = -1;
  int port_ = 0;
};

TEST_F(KubernetesStateStoreTest, KeepsRecordsAndRaisesTheTerm) {
  std::uint64_t term = 0;
  const std::string binary("\x00\xff\"\\", 4);
  for (int round = 0; round < 3; ++round) {
    auto store = KubernetesStateStore::Open(Options(absl::StrCat("pod-", round)));
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_GT((*store)->leadership_term(), term);
    term = (*store)->leadership_term();
    ASSERT_TRUE((*store)->Commit(Records{{"a", "old"}, {"a", binary}}).ok());
    ASSERT_TRUE((*store)->Commit(Records{{absl::StrCat("round ", round), ""}}).ok());
    const auto loaded = (*store)->Load();
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->size(), 2u + round);
    EXPECT_EQ(loaded->at("a"), binary);
  }
  auto store = KubernetesStateStore::Open(Options("pod-9"));
  const std::string large(600 << 10, 'x');
  ASSERT_TRUE((*store)->Commit(Records{{"large", large}}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument((*store)->Commit(Records{{"more", large}})));
  EXPECT_EQ((*store)->Load()->at("large"), large);
  ASSERT_TRUE((*store)->Commit(Records{{"large", ""}}).ok());
}

TEST_F(KubernetesStateStoreTest, ALivingLeaderIsNotReplacedAndADeadOneIs) {
  auto first = KubernetesStateStore::Open(Options("one"));
  ASSERT_TRUE(first.ok()) << first.status();
  KubernetesStateStore::Options options = Options("two");
  options.elect_limit = milliseconds(3500);
  EXPECT_TRUE(absl::IsFailedPrecondition(KubernetesStateStore::Open(options).status()));
  ASSERT_TRUE((*first)->Commit(Records{{"a", "1"}}).ok());
  first->reset();
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = KubernetesStateStore::Open(Options("three"));
    ::_exit(store.ok() && (*store)->Commit(Records{{"a", "2"}}).ok() ? 0 : 1);  // without its end
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto begin = steady_clock::now();
  auto second = KubernetesStateStore::Open(Options("two"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_GE(steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ((*second)->Load()->at("a"), "2");
}

TEST_F(KubernetesStateStoreTest, AnOldLeaderIsRefusedForEver) {
  auto first = KubernetesStateStore::Open(Options("same"));
  ASSERT_TRUE((*first)->Commit(Records{{"a", "1"}}).ok());
  // The same identity may take the Lease at once, as a restarted container does.
  auto second = KubernetesStateStore::Open(Options("same"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(absl::IsFailedPrecondition((*first)->Commit(Records{{"a", "2"}})));
  ASSERT_TRUE((*second)->Commit(Records{{"a", "3"}}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((*first)->Commit(Records{{"a", "4"}})));
  EXPECT_TRUE(absl::IsFailedPrecondition((*first)->Load().status()));
  EXPECT_EQ((*second)->Load()->at("a"), "3");
}

TEST_F(KubernetesStateStoreTest, BusyServersAreAskedAgainAndLostAnswersDoNoHarm) {
  KubernetesStateStore::Options options = Options("one");
  options.lease = std::chrono::seconds(60);  // no renewal comes between
  auto store = KubernetesStateStore::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  MakeFail("PUT", 429, 2, false);
  ASSERT_TRUE((*store)->Commit(Records{{"a", "1"}}).ok());
  for (const int status : {500, 503, 429}) {
    MakeFail("PUT", status, 1, true);  // done, but the answer says otherwise
    const absl::Status committed = (*store)->Commit(Records{{"a", std::to_string(status)}});
    ASSERT_TRUE(committed.ok()) << committed;
    EXPECT_EQ((*store)->Load()->at("a"), std::to_string(status));
  }
  MakeFail("GET", 410, 1, false);
  EXPECT_EQ((*store)->Load().status().code(), absl::StatusCode::kOutOfRange);
  MakeFail("PUT", 422, 1, false);
  EXPECT_TRUE(absl::IsInvalidArgument((*store)->Commit(Records{{"a", "2"}})));
  ASSERT_TRUE((*store)->Commit(Records{{"a", "3"}}).ok());
}

TEST_F(KubernetesStateStoreTest, ServersAndTokensThatAreNotRightAreRefused) {
  KubernetesStateStore::Options options = Options("one");
  std::ofstream(scratch_ / "bad_token") << "another";
  options.access.token_file = scratch_ / "bad_token";
  EXPECT_TRUE(absl::IsPermissionDenied(KubernetesStateStore::Open(options).status()));
  options = Options("one");
  options.access.ca_file = "";  // the system's authorities do not know it
  EXPECT_TRUE(absl::IsUnauthenticated(KubernetesStateStore::Open(options).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(KubernetesStateStore::Open(Options("a\"b")).status()));
  KubernetesClient client(Access());
  const auto unknown = client.Ask({.method = "POST",
                                   .path = "/api/v1/namespaces/training/configmaps",
                                   .body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
                                           "\"metadata\":{\"name\":\"x\"},\"dat\":{}}"},
                                  steady_clock::now() + milliseconds(2000));
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status())) << unknown.status();
}

}  // namespace
}  // namespace ps
