// Against a strict fake of the API server, over HTTPS.
#include "ps/state_store/kubernetes_state_store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "ps/wire/slot_config.h"
#include "tests/state_store/fake_kubernetes.h"

namespace ps {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class KubernetesStateStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!api_.running()) GTEST_SKIP() << "openssl is not installed";
  }
  KubernetesStateStore::Options Options(const std::string& identity) const {
    return {.access = api_.Access(),
            .name = "job",
            .identity = identity,
            .lease = std::chrono::seconds(2),
            .call_limit = milliseconds(5000),
            .elect_limit = milliseconds(8000)};
  }

  const FakeKubernetes api_;
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
  // More than an object holds, but compressible as slots and done batches are; then what is not.
  const std::string large(20 << 20, 'x');
  ASSERT_TRUE((*store)->Commit(Records{{"large", large}}).ok());
  std::string noise(1 << 20, '\0');
  std::mt19937_64 random(7);
  for (char& byte : noise) byte = static_cast<char>(random());
  const absl::Status refused = (*store)->Commit(Records{{"noise", noise}});
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_EQ((*store)->Load()->at("large"), large);
  ASSERT_TRUE((*store)->Commit(Records{{"large", ""}, {"noise", noise.substr(0, 900 << 10)}}).ok());
  EXPECT_EQ((*store)->Load()->at("noise").size(), 900u << 10);
}

// As many slots as there may be, three copies of each on any of 200 servers, all of them moved at
// versions of their own; a terabyte in chunks of which half are done.
TEST_F(KubernetesStateStoreTest, TheLargestStateFits) {
  std::mt19937_64 random(7);
  std::string slots, counted;
  for (SlotIndex slot = 0; slot < 1u << kMaxSlotBits; ++slot) {
    SlotConfig config{.term = static_cast<std::uint32_t>(1 + random() % 8),
                      .ver = random() % (1 << 18)};
    while (config.members.size() < kMostReplicas) {
      const NodeId node = static_cast<NodeId>(1 + random() % 200);
      if (!config.HasMember(node)) config.members.push_back(node);
    }
    AppendSlotConfig(slot, config, &slots);
  }
  for (int chunk = 0; chunk < 1 << 17; ++chunk) {
    const std::uint64_t batches = random() % 2 == 0 ? 0 : ~std::uint64_t{0} >> (random() % 3);
    counted.append(reinterpret_cast<const char*>(&batches), sizeof batches);
  }
  auto store = KubernetesStateStore::Open(Options("one"));
  ASSERT_TRUE(store.ok()) << store.status();
  const absl::Status stored = (*store)->Commit(Records{{"slots", slots}, {"progress", counted}});
  EXPECT_TRUE(stored.ok()) << stored;
  EXPECT_EQ((*store)->Load()->at("slots"), slots);
}

TEST_F(KubernetesStateStoreTest, WhatWasMadeBeforehandIsFilled) {
  api_.Ask(
      {.method = "POST",
       .path = "/api/v1/namespaces/training/configmaps",
       .body =
           R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"job","labels":{"a":"b"}}})"});
  api_.Ask(
      {.method = "POST",
       .path = "/apis/coordination.k8s.io/v1/namespaces/training/leases",
       .body =
           R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"job"}})"});
  // Of these two objects, and no others.
  api_.Ask({.method = "POST",
            .path = "/test/role",
            .body =
                R"([{"apiGroups":["","coordination.k8s.io"],"resources":["configmaps","leases"],)"
                R"("resourceNames":["job"],"verbs":["get","patch"]}])"});
  auto store = KubernetesStateStore::Open(Options("one"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE((*store)->Load()->empty());
  ASSERT_TRUE((*store)->Commit(Records{{"a", "1"}}).ok());
  EXPECT_EQ((*store)->Load()->at("a"), "1");
  const auto map = api_.Ask({.path = "/api/v1/namespaces/training/configmaps/job"});
  EXPECT_EQ(JsonPart(map, "metadata").fields().at("labels").struct_value().fields_size(), 1);
  KubernetesStateStore::Options other = Options("one");
  other.name = "other";
  EXPECT_TRUE(absl::IsPermissionDenied(KubernetesStateStore::Open(other).status()));
}

TEST_F(KubernetesStateStoreTest, DamageIsSaid) {
  KubernetesStateStore::Options options = Options("one");
  ASSERT_TRUE((*KubernetesStateStore::Open(options))->Commit(Records{{"a", "1"}}).ok());
  const std::string maps = "/api/v1/namespaces/training/configmaps/job";
  for (const char* bytes : {"bm8genN0ZA==", ""}) {  // no zstd
    api_.Ask({.method = "PATCH",
              .path = maps,
              .body = absl::StrCat("{\"binaryData\":{\"state\":\"", bytes, "\"}}"),
              .content_type = "application/merge-patch+json"});
    const auto opened = KubernetesStateStore::Open(options);
    EXPECT_TRUE(absl::IsDataLoss(opened.status())) << bytes << ": " << opened.status();
  }
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
  api_.MakeFail("PATCH", 429, 2, false);
  ASSERT_TRUE((*store)->Commit(Records{{"a", "1"}}).ok());
  for (const int status : {500, 503, 429}) {
    api_.MakeFail("PATCH", status, 1, true);  // done, but the answer says otherwise
    const absl::Status committed = (*store)->Commit(Records{{"a", std::to_string(status)}});
    ASSERT_TRUE(committed.ok()) << committed;
    EXPECT_EQ((*store)->Load()->at("a"), std::to_string(status));
  }
  api_.MakeFail("GET", 410, 1, false);
  EXPECT_EQ((*store)->Load()->at("a"), "429");
  api_.MakeFail("PATCH", 422, 1, false);
  EXPECT_TRUE(absl::IsInvalidArgument((*store)->Commit(Records{{"a", "2"}})));
  ASSERT_TRUE((*store)->Commit(Records{{"a", "3"}}).ok());
}

TEST_F(KubernetesStateStoreTest, ServersAndTokensThatAreNotRightAreRefused) {
  KubernetesStateStore::Options options = Options("one");
  std::ofstream(api_.account() / "bad_token") << "another";
  options.access.token_file = api_.account() / "bad_token";
  EXPECT_TRUE(absl::IsPermissionDenied(KubernetesStateStore::Open(options).status()));
  options = Options("one");
  options.access.ca_file = "";  // the system's authorities do not know it
  EXPECT_TRUE(absl::IsUnauthenticated(KubernetesStateStore::Open(options).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(KubernetesStateStore::Open(Options("a\"b")).status()));
  KubernetesClient client(api_.Access());
  const auto unknown = client.Ask({.method = "POST",
                                   .path = "/api/v1/namespaces/training/configmaps",
                                   .body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
                                           "\"metadata\":{\"name\":\"x\"},\"dat\":{}}"},
                                  steady_clock::now() + milliseconds(2000));
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status())) << unknown.status();
}

}  // namespace
}  // namespace ps
