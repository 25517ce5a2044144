// Against the real etcd, one node and three.
#include "ps/state_store/etcd_state_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/escaping.h"
#include "tests/state_store/etcd_cluster.h"

namespace ps {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

double MillisecondsSince(steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
}

class EtcdStateStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdCluster::Installed()) GTEST_SKIP() << "etcd is not installed (Debian: etcd-server)";
  }

  static EtcdStateStore::Options For(const EtcdCluster& cluster) {
    return {.endpoints = cluster.endpoints(),
            .prefix = "/hyperplane/job",
            .lease = std::chrono::seconds(2),
            .call_limit = milliseconds(20000),
            .elect_limit = milliseconds(20000)};
  }
};

TEST_F(EtcdStateStoreTest, KeepsRecordsAndRaisesTheTerm) {
  EtcdCluster cluster(1);
  ASSERT_EQ(cluster.Leader(), 0);
  std::uint64_t term = 0;
  for (int round = 0; round < 3; ++round) {
    auto store = EtcdStateStore::Open(For(cluster));
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_GT((*store)->leadership_term(), term);
    term = (*store)->leadership_term();
    const std::string binary("\x00\xff\"\\", 4);
    ASSERT_TRUE(
        (*store)
            ->Commit(Records{
                {"a", "old"}, {"a", binary}, {"empty", ""}, {"round" + std::to_string(round), "x"}})
            .ok());
    const auto loaded = (*store)->Load();
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->size(), 3u + round);
    EXPECT_EQ(loaded->at("a"), binary);
    EXPECT_EQ(loaded->at("empty"), "");
  }
  // More than a page of Load, in several commits.
  auto store = EtcdStateStore::Open(For(cluster));
  for (int commit = 0; commit < 10; ++commit) {
    Records records;
    for (int i = 0; i < 100; ++i) records.emplace_back("n" + std::to_string(commit * 100 + i), "v");
    ASSERT_TRUE((*store)->Commit(records).ok());
  }
  EXPECT_EQ((*store)->Load()->size(), 1005u);
  EXPECT_TRUE(absl::IsInvalidArgument((*store)->Commit(Records{{"a", std::string(2 << 20, 'x')}})));
  std::vector<double> took;
  for (int i = 0; i < 300; ++i) {
    const auto begin = steady_clock::now();
    ASSERT_TRUE((*store)->Commit(Records{{"a", "value"}, {"b", std::to_string(i)}}).ok());
    took.push_back(MillisecondsSince(begin));
  }
  std::sort(took.begin(), took.end());
  std::cout << "commit to one node: median " << took[150] << " ms, 99% " << took[297] << " ms\n";
}

TEST_F(EtcdStateStoreTest, OneLeaderAtATime) {
  EtcdCluster cluster(1);
  ASSERT_EQ(cluster.Leader(), 0);
  EtcdStateStore::Options options = For(cluster);
  auto first = EtcdStateStore::Open(options);
  ASSERT_TRUE(first.ok());
  // For longer than a lease, so that its renewal is what keeps the second away.
  options.elect_limit = milliseconds(3500);
  EXPECT_TRUE(absl::IsFailedPrecondition(EtcdStateStore::Open(options).status()));
  ASSERT_TRUE((*first)->Commit(Records{{"a", "1"}}).ok());
  // Somebody ends its lease; another leads; what the first commits from then on is refused.
  EtcdClient client(cluster.endpoints(), "");
  const auto range =
      client.Call("kv/range", absl::StrCat("{\"key\":", JsonBytes("/hyperplane/job/leader"), "}"),
                  steady_clock::now() + milliseconds(2000));
  ASSERT_TRUE(range.ok());
  const auto& kv = JsonMember(*range, "kvs")->list_value().values(0).struct_value();
  ASSERT_TRUE(client
                  .Call("lease/revoke", "{\"ID\":\"" + JsonText(kv, "lease") + "\"}",
                        steady_clock::now() + milliseconds(2000))
                  .ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((*first)->Commit(Records{{"a", "2"}})));
  auto second = EtcdStateStore::Open(options);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_GT((*second)->leadership_term(), (*first)->leadership_term());
  ASSERT_TRUE((*second)->Commit(Records{{"a", "3"}}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((*first)->Commit(Records{{"a", "4"}})));
  EXPECT_EQ((*second)->Load()->at("a"), "3");
}

TEST_F(EtcdStateStoreTest, AKilledLeaderIsReplacedWhenItsLeaseEnds) {
  EtcdCluster cluster(1);
  ASSERT_EQ(cluster.Leader(), 0);
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = EtcdStateStore::Open(For(cluster));
    const bool committed = store.ok() && (*store)->Commit(Records{{"by", "child"}}).ok();
    if (::write(ready[1], committed ? "y" : "n", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto begin = steady_clock::now();
  auto store = EtcdStateStore::Open(For(cluster));
  ASSERT_TRUE(store.ok()) << store.status();
  std::cout << "a dead scheduler replaced after " << MillisecondsSince(begin)
            << " ms (lease 2 s)\n";
  EXPECT_EQ((*store)->Load()->at("by"), "child");
}

TEST_F(EtcdStateStoreTest, ThreeNodesOutliveTheirLeader) {
  EtcdCluster cluster(3);
  ASSERT_GE(cluster.Leader(), 0);
  EtcdStateStore::Options options = For(cluster);
  options.lease = std::chrono::seconds(10);
  auto store = EtcdStateStore::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  int committed = 0;
  for (int round = 0; round < 3; ++round) {
    const int leader = cluster.Leader();
    ASSERT_GE(leader, 0);
    const auto killed = steady_clock::now();
    cluster.Kill(leader);
    for (int i = 0; i < 30; ++i) {
      const std::string number = std::to_string(committed);
      ASSERT_TRUE((*store)->Commit(Records{{"x", number}, {"y", number}}).ok());
      ++committed;
      if (i == 0) {
        std::cout << "first commit after the death of etcd's leader: " << MillisecondsSince(killed)
                  << " ms\n";
      }
    }
    const auto loaded = (*store)->Load();
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->at("x"), std::to_string(committed - 1));
    EXPECT_EQ(loaded->at("y"), std::to_string(committed - 1));
    cluster.Start(leader);
  }
}

TEST_F(EtcdStateStoreTest, WithoutAMajorityItSaysSoInTime) {
  EtcdCluster cluster(3);
  const int leader = cluster.Leader();
  ASSERT_GE(leader, 0);
  EtcdStateStore::Options options = For(cluster);
  options.lease = std::chrono::seconds(10);
  options.call_limit = milliseconds(3000);
  auto store = EtcdStateStore::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  cluster.Kill(leader);
  cluster.Kill((leader + 1) % 3);
  const absl::Status status = (*store)->Commit(Records{{"a", "1"}});
  EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) << status;
}

TEST(EtcdStateStore, NobodyThereIsUnavailable) {
  const EtcdStateStore::Options options = {
      .endpoints = {absl::StrCat("http://127.0.0.1:", FreePort())},
      .prefix = "/p",
      .call_limit = milliseconds(300)};
  EXPECT_TRUE(absl::IsUnavailable(EtcdStateStore::Open(options).status()));
}

}  // namespace
}  // namespace ps
