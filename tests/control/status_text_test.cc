#include "trainer/control/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/control/prometheus_reader.h"
#include "tests/trainer/json_reader.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ClusterStatus Cluster() {
  ClusterStatus cluster;
  cluster.phase = "training";
  cluster.chunks_done = 3;
  cluster.chunks = 12;
  cluster.rows_learnt = 5000;
  cluster.logloss = 0.25;
  cluster.epoch = 4;
  cluster.slots = 4096;
  cluster.slots_under_replicated = 17;
  for (std::uint32_t node : {1, 2}) {
    ServerStatus server;
    server.node = node;
    server.host = "a \"quoted\\ host\n";  // nothing that a node says may break a page
    server.endpoint = "tcp://10.0.0.1:7000";
    server.primary_slots = 2048;
    server.entries = 1000 * node;
    server.incarnation = 0xffffffffffffffff;
    server.alive = node == 1;
    cluster.servers.push_back(server);
  }
  WorkerStatus worker;
  worker.node = 3;
  worker.host = "\x1b[2Jb";
  worker.rows = 4000;
  cluster.workers.push_back(worker);
  cluster.events.push_back({1.5, "server 2 is gone"});
  return cluster;
}

StatusBoard::Clock::time_point At(double seconds) {
  return StatusBoard::Clock::time_point(std::chrono::duration_cast<StatusBoard::Clock::duration>(
      std::chrono::duration<double>(seconds)));
}

TEST(StatusBoard, RatesAreOfTheLastSeconds) {
  StatusBoard board("j", "processes");
  ClusterStatus cluster = Cluster();
  for (int second = 0; second <= 30; ++second) {
    cluster.rows_learnt = second < 20 ? 100 * second : 2000 + 500 * (second - 20);
    cluster.workers[0].rows = 10 * second;
    board.SetCluster(cluster, At(1000 + second));
  }
  EXPECT_NEAR(board.Get(At(1030)).rows_per_second, 500, 1);
  EXPECT_NEAR(board.Get(At(1030)).worker_rows_per_second.at(3), 10, 0.1);
  // A loop that is held up shows no old rate for ever, and events age.
  EXPECT_LT(board.Get(At(1200)).rows_per_second, 10);
  EXPECT_NEAR(board.Get(At(1200)).cluster->events[0].age_seconds, 171.5, 0.01);
}

TEST(StatusJson, IsWellFormedWithEveryPart) {
  StatusBoard board("a \"job\"", "processes");
  board.SetProgress({.rows = 10, .logloss = NAN});
  board.SetCluster(Cluster());
  const auto json = JsonReader::Read(StatusJson(board.Get()));
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->members.at("job").text, "a \"job\"");
  const JsonValue& cluster = json->members.at("cluster");
  EXPECT_EQ(cluster.members.at("chunks").number, 12);
  EXPECT_THAT(StatusJson(board.Get()), HasSubstr("\"incarnation\":\"18446744073709551615\""));
  EXPECT_THAT(StatusJson(board.Get()), HasSubstr("\"primary_slots\":2048"));
  EXPECT_THAT(StatusJson(board.Get()), HasSubstr("\"text\":\"server 2 is gone\""));
}

TEST(StatusTable, IsReadAtAGlance) {
  StatusBoard board("ctr", "processes");
  board.SetCluster(Cluster());
  const std::string table = StatusTable(board.Get());
  EXPECT_THAT(table, HasSubstr("chunks 3 of 12"));
  EXPECT_THAT(table, HasSubstr("17 UNDER-REPLICATED"));
  EXPECT_THAT(table, HasSubstr("gone"));
  EXPECT_THAT(table, HasSubstr("server 2 is gone"));
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
}

TEST(StatusTable, TellsErrorsOfNumbers) {
  StatusBoard board("prices", "embedded");
  board.SetProgress({.rows = 10, .rmse = 12.5, .valid_rmse = 13.25});
  EXPECT_THAT(StatusTable(board.Get()), AllOf(HasSubstr(", rmse 12.5, "), HasSubstr("validation: rmse 13.25\n")));
  EXPECT_THAT(StatusJson(board.Get()), HasSubstr("\"valid_rmse\":13.25"));
  std::string error;
  const auto page = PrometheusPage::Read(JobMetrics(board.Get()), &error);
  ASSERT_TRUE(page) << error;
  EXPECT_EQ(page->Value("ps_valid_rmse"), 13.25);
}

TEST(JobMetrics, KeepTheFormatAndTheConventions) {
  StatusBoard board("ctr", "processes");
  std::string error;
  ASSERT_TRUE(PrometheusPage::Read(JobMetrics(board.Get()), &error)) << error;
  board.SetProgress(
      {.pass = 2, .passes = 3, .rows = 10, .logloss = 0.5, .valid_auc = 0.75, .features = 9});
  auto page = PrometheusPage::Read(JobMetrics(board.Get()), &error);
  ASSERT_TRUE(page) << error;
  EXPECT_EQ(page->Value("ps_pass"), 2);
  EXPECT_EQ(page->Value("ps_features"), 9);
  EXPECT_EQ(page->Value("ps_rows_learnt_total"), 10);
  EXPECT_GT(*page->Value("process_resident_memory_bytes"), 0);

  board.SetCluster(Cluster());
  page = PrometheusPage::Read(JobMetrics(board.Get()), &error);
  ASSERT_TRUE(page) << error;
  EXPECT_EQ(page->Value("ps_server_up", {{"node", "1"}}), 1);
  EXPECT_EQ(page->Value("ps_server_up", {{"node", "2"}}), 0);
  EXPECT_EQ(page->Value("ps_server_entries", {{"node", "1"}}), 1000);
  EXPECT_EQ(page->Value("ps_server_entries", {{"node", "2"}}), std::nullopt);
  EXPECT_EQ(page->Value("ps_worker_rows_total", {{"node", "3"}}), 4000);
  EXPECT_EQ(page->Value("ps_slots_under_replicated"), 17);
  EXPECT_EQ(page->Value("ps_pass_progress_ratio"), 0.25);
  EXPECT_EQ(page->Count("ps_job_state"), 3);
}

TEST(PrometheusReader, IsStrict) {
  const std::string head = "# HELP a_total x\n# TYPE a_total counter\n";
  std::string error;
  EXPECT_TRUE(PrometheusPage::Read(head + "a_total{b=\"c\\\"\"} 1\n", &error)) << error;
  for (const char* bad : {"a_total 1", "b_total 1\n", "a_total x\n", "a_total{b=c} 1\n",
                          "a_total{b=\"c\" 1\n", "a_total 1\na_total 2\n", "a_total  1\n",
                          "# HELP a_total y\n", "# HELP b x\n# TYPE b counter\n"}) {
    EXPECT_FALSE(PrometheusPage::Read(head + bad, &error)) << bad;
  }
  EXPECT_FALSE(PrometheusPage::Read("a_total 1\n", &error));
}

}  // namespace
}  // namespace ps
