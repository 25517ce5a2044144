// A job in pods: nodes and schedulers that die, are evicted, replaced and scaled. Every occurrence of every feature counts
// once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/state_store/etcd_client.h"
#include "ps/state_store/kubernetes_state_store.h"
#include "tests/end_to_end/pods_fixture.h"
#include "trainer/cluster/pod_scaler.h"

namespace ps {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(PodsTest, ASchedulerWhosePodIsKilledComesBackInAnother) {
  Deploy("ctr-server", "ps_server", 2);
  Deploy("ctr-worker", "ps_worker", 2);
  {
    const auto first = Scheduler("ctr-aaaaa");
    ASSERT_TRUE(first->WaitForError("checkpoint 2 is written")) << first->Wait().err;
    first->Signal(SIGKILL);
    first->Wait();
  }
  {
    // Busy for a while, and then an answer is lost: nothing comes of it.
    api_.MakeFail("GET", 429, 2, false);
    api_.MakeFail("PATCH", 503, 1, true);
    const auto second = Scheduler("ctr-bbbbb");
    ASSERT_TRUE(second->WaitForError("the scheduler is back: 2 servers and 2 workers are there"))
        << second->Wait().err;
    ASSERT_TRUE(second->WaitForError("is written")) << second->Wait().err;
    second->Signal(SIGKILL);
    second->Wait();
  }
  const Finished finished = Scheduler("ctr-ccccc")->Wait(100);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("the scheduler is back: 2 servers and 2 workers are there"));
  data_.ExpectCounted(place_ / "out", kPasses);
  // What it has written is still the Job's.
  api_.Ask({.method = "DELETE", .path = "/apis/batch/v1/namespaces/training/jobs/ctr"});
  const auto left = api_.Ask({.path = "/test/objects"});
  for (const auto& object : left.fields().at("objects").list_value().values()) {
    EXPECT_THAT(object.string_value(), Not(HasSubstr("ctr-state")));
  }
}

// An evicted pod gets SIGTERM: the next one has the Lease at once, and goes on.
TEST_F(PodsTest, ASchedulerThatIsEvictedHandsOver) {
  Deploy("ctr-server", "ps_server", 2);
  Deploy("ctr-worker", "ps_worker", 2);
  // Without checkpoints whatever the nodes had would be lost, if they were told to stop.
  const std::vector<std::string> more = {"--set", "checkpoint.every=3600", "--set",
                                         "train.passes=20"};
  const auto first = Scheduler("ctr-aaaaa", more);
  ASSERT_TRUE(first->WaitForError(" 2/20 ")) << first->Wait().err;
  first->Signal(SIGTERM);
  const Finished evicted = first->Wait();
  EXPECT_EQ(evicted.exit_code, 75);
  EXPECT_THAT(evicted.err, HasSubstr("the nodes go on with the next scheduler"));
  const auto second = Scheduler("ctr-bbbbb", more);
  ASSERT_TRUE(second->WaitForError("the scheduler is back: 2 servers and 2 workers are there"))
      << second->Wait().err;
  const Finished finished = second->Wait(100);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, Not(HasSubstr("rollback")));
  data_.ExpectCounted(place_ / "out", 20);
}

// Whom a person has stopped, or what cannot succeed, no other pod need try.
TEST_F(PodsTest, AJobThatHasEndedForGoodStartsNoOtherPod) {
  Deploy("ctr-server", "ps_server", 2);
  Deploy("ctr-worker", "ps_worker", 2);
  const auto limit = [&] {
    const auto job = api_.Ask({.path = "/apis/batch/v1/namespaces/training/jobs/ctr"});
    return JsonInteger(JsonPart(job, "spec"), "backoffLimit");
  };
  const auto run = Scheduler("ctr-aaaaa");
  ASSERT_TRUE(run->WaitForError("training begins")) << run->Wait().err;
  EXPECT_EQ(limit(), 6u);
  EXPECT_EQ(job_.Ctl({"stop"}).exit_code, 0);
  EXPECT_EQ(run->Wait().exit_code, 143);
  EXPECT_EQ(limit(), 0u);
}

// A model that is written is no reason to train once more, nor is its Job Failed.
TEST_F(PodsTest, AJobWithoutTestMetricsIsComplete) {
  Deploy("ctr-server", "ps_server", 2);
  Deploy("ctr-worker", "ps_worker", 2);
  std::string late;
  while (late.size() < (9u << 20)) late += "1 1:1\n0 2:1\n1 3:1\n";
  for (int i = 0; i < 20000; ++i) late += "what is this\n";
  WriteText(place_ / "late.svm", late);
  const Finished done = Scheduler("ctr-aaaaa", {"--set", "train.passes=2", "--set", "data.test.files=[late.svm]"})->Wait(100);
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("the model is in out, but without test metrics: "));
  EXPECT_THAT(MetricsOf(place_ / "out").members.at("test_missing").text, HasSubstr("late.svm:"));
  const auto job = api_.Ask({.path = "/apis/batch/v1/namespaces/training/jobs/ctr"});
  EXPECT_EQ(JsonInteger(JsonPart(job, "spec"), "backoffLimit"), 6u);
  data_.ExpectCounted(place_ / "out", 2);
}

TEST(PodTest, TheTerminationMessageGoesIntoTheFileThatIsThere) {
  const Workplace place;
  EXPECT_TRUE(absl::IsNotFound(LeaveTerminationMessage("no test metrics", place / "log")));
  EXPECT_FALSE(std::filesystem::exists(place / "log"));
  WriteText(place / "log", "of an earlier and longer one");
  EXPECT_TRUE(LeaveTerminationMessage("no test metrics", place / "log").ok());
  EXPECT_EQ(ReadText(place / "log"), "no test metrics");
  EXPECT_TRUE(LeaveTerminationMessage(std::string(5000, 'x'), place / "log").ok());
  EXPECT_EQ(ReadText(place / "log"), std::string(4096, 'x'));
}

// It was only slow: another has the Lease and the records by now. It ends without a word to the
// nodes, which are the other's.
TEST_F(PodsTest, ASchedulerThatWasReplacedEnds) {
  Deploy("ctr-server", "ps_server", 2);
  Deploy("ctr-worker", "ps_worker", 2);
  const auto first = Scheduler("ctr-aaaaa");
  ASSERT_TRUE(first->WaitForError("checkpoint 1 is written")) << first->Wait().err;
  first->Signal(SIGSTOP);
  {
    const auto other = KubernetesStateStore::Open(
        {.access = api_.Access(), .name = "ctr-state", .identity = "ctr-other"});
    ASSERT_TRUE(other.ok()) << other.status();
    first->Signal(SIGCONT);
    const Finished replaced = first->Wait();
    EXPECT_EQ(replaced.exit_code, 75);
    EXPECT_THAT(replaced.err, HasSubstr("another scheduler has taken this job over"));
  }
  const Finished finished = Scheduler("ctr-bbbbb")->Wait(100);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("the scheduler is back: 2 servers and 2 workers are there"));
  data_.ExpectCounted(place_ / "out", kPasses);
}

// Out and in again, by command, with an API server that is busy and one that was faster; the pods
// that go are those that the scheduler has emptied.
TEST_F(PodsTest, ScalesByCommand) {
  Deploy("ctr-server", "ps_server", 2);
  Deploy("ctr-worker", "ps_worker", 2);
  const auto run = Scheduler("ctr-aaaaa", {"--set", "train.passes=250"});
  ASSERT_TRUE(run->WaitForError("training begins")) << run->Wait().err;
  api_.MakeFail("PATCH", 409, 1, false, "/scale");
  api_.MakeFail("PATCH", 429, 1, false, "/scale");
  EXPECT_EQ(job_.Ctl({"scale", "--servers", "4", "--workers", "3"}).exit_code, 0);
  ASSERT_TRUE(job_.Settles(*run, 4, 3));
  EXPECT_EQ(Pods().size(), 7u);
  // This one would not be the controller's choice.
  const JsonValue first = job_.Living("servers").front();
  const std::string node = absl::StrCat(NumberAt(first, "node"));
  EXPECT_EQ(job_.Ctl({"drain", node}).exit_code, 0);
  ASSERT_TRUE(job_.Settles(*run, 3, 3));
  EXPECT_FALSE(Pods().contains(first.members.at("host").text));
  api_.MakeFail("PATCH", 503, 1, true, "/scale");
  EXPECT_EQ(job_.Ctl({"scale", "--servers", "2", "--workers", "1"}).exit_code, 0);
  ASSERT_TRUE(job_.Settles(*run, 2, 1));
  const std::set<std::string> servers = Hosts("servers");
  for (const auto& [name, pod] : Pods()) {
    if (pod.owner == "ctr-server" && !pod.terminating) EXPECT_TRUE(servers.contains(name)) << name;
    EXPECT_EQ(pod.restarts, 0) << name;
  }
  const Finished finished = run->Wait(300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, Not(HasSubstr("rollback")));
  EXPECT_THAT(finished.err, Not(HasSubstr("is gone")));
  data_.ExpectCounted(place_ / "out", 250);
}

TEST_F(PodsTest, ScalesByThePolicyAndFollowsOthers) {
  Deploy("ctr-server", "ps_server", 2);
  Deploy("ctr-worker", "ps_worker", 2);
  const auto run = Scheduler(
      "ctr-aaaaa", {"--set", "train.passes=200", "--set",
                    "cluster.scale={memory_per_server_gib: 0.001, max_servers: 3, every: 0.5}"});
  ASSERT_TRUE(run->WaitForError("the scaling policy wants")) << run->Wait().err;
  ASSERT_TRUE(job_.Settles(*run, 3, 2));
  // As kubectl scale does.
  const auto scale = [&](int workers) {
    api_.Ask({.method = "PATCH",
              .path = "/apis/apps/v1/namespaces/training/deployments/ctr-worker/scale",
              .body = absl::StrCat("{\"spec\":{\"replicas\":", workers, "}}"),
              .content_type = "application/merge-patch+json"});
  };
  scale(4);
  ASSERT_TRUE(run->WaitForError("3 servers and 4 workers are wanted instead of 3 and 2"));
  ASSERT_TRUE(job_.Settles(*run, 3, 4));
  scale(1);
  ASSERT_TRUE(run->WaitForError("3 servers and 1 workers are wanted instead of 3 and 4"));
  ASSERT_TRUE(job_.Settles(*run, 3, 1));
  const Finished finished = run->Wait(300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, Not(HasSubstr("rollback")));
  data_.ExpectCounted(place_ / "out", 200);
  // Of a job that is done no pod is left to wait for another.
  for (int i = 0; i < 500 && !Pods().empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(Pods().empty());
}

// The scheduler dies while pods are being emptied, and the next one has no right to say which pods
// are to go: there are as many as were wanted all the same.
TEST_F(PodsTest, GoesOnScalingAfterARestartAndWithoutTheRightToPods) {
  Deploy("ctr-server", "ps_server", 4);
  Deploy("ctr-worker", "ps_worker", 1);
  const std::vector<std::string> more = {"--set", "cluster.servers=4", "--set", "cluster.workers=1",
                                         "--set", "train.passes=300"};
  YAML::Node without_pods;
  for (const YAML::Node& rule : role_) {
    if (rule["resources"][0].as<std::string>() != "pods") without_pods.push_back(rule);
  }
  SetRole(without_pods);
  {
    const auto first = Scheduler("ctr-aaaaa", more);
    ASSERT_TRUE(first->WaitForError("training begins")) << first->Wait().err;
    EXPECT_EQ(job_.Ctl({"scale", "--servers", "2"}).exit_code, 0);
    first->Signal(SIGKILL);
    first->Wait();
  }
  const auto second = Scheduler("ctr-bbbbb", more);
  ASSERT_TRUE(second->WaitForError("the scheduler is back")) << second->Wait().err;
  ASSERT_TRUE(second->WaitForError("pods is forbidden")) << second->Wait().err;
  ASSERT_TRUE(job_.Settles(*second, 2, 1)) << second->Wait(300).err;
  const Finished finished = second->Wait(300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  data_.ExpectCounted(place_ / "out", 300);
}

TEST_F(PodsTest, WhatIsNotThereIsSaid) {
  const auto train = [&](const std::string& state) {
    return RunProgram("ps_train",
                      {"--config", "job.yaml", "--listen", listen_, "--set",
                       absl::StrCat("cluster.state=", state)},
                      place_.path());
  };
  Finished refused = train("kubernetes://Not_A_Name");
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("expected kubernetes://NAME"));
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  refused = train("kubernetes://ctr-state");
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("not in a pod"));
}

}  // namespace
}  // namespace ps
