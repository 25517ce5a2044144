// A real job, watched and stopped over HTTP with ps_ctl.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "tests/control/prometheus_reader.h"
#include "tests/end_to_end/program.h"
#include "trainer/control/http_client.h"
#include "trainer/control/job_control.h"

namespace ps {
namespace {

using testing::HasSubstr;

class ControlEndToEnd : public testing::TestWithParam<std::vector<std::string>> {
 protected:
  void SetUp() override {
    Generate(place_.path(), "train.svm", "libsvm", 20000);
    WriteText(place_ / "job.yaml",
              "job: watched\n"
              "data:\n"
              "  train: {files: [train.svm]}\n"
              "train: {passes: 100000}\n"
              "output: {dir: out}\n");
  }
  // The URL that the job wrote, once it serves.
  std::string Url(Program& run) {
    for (int i = 0; i < 4000 && run.Running(); ++i) {
      if (::access(ControlUrlPath(place_ / "out").c_str(), R_OK) == 0) {
        const std::string text = ReadText(ControlUrlPath(place_ / "out"));
        return text.substr(0, text.find('\n'));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "the job wrote no URL";
    return "";
  }
  PrometheusPage Metrics(const std::string& url) {
    std::string error;
    const auto answer = AskHttp({.url = url, .target = "/metrics"});
    EXPECT_TRUE(answer.ok()) << answer.status();
    auto page = PrometheusPage::Read(answer.ok() ? answer->body : "", &error);
    EXPECT_TRUE(page.has_value()) << error;
    return page.value_or(PrometheusPage());
  }
  const Workplace place_;
};

TEST_P(ControlEndToEnd, IsWatchedAndStopped) {
  std::vector<std::string> arguments{"--config", "job.yaml", "--http", "127.0.0.1:0"};
  arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
  const bool cluster = !GetParam().empty();
  Program run("ps_train", arguments, place_.path());
  const std::string url = Url(run);
  // Rows grow while it trains, seen from outside.
  double rows = 0;
  for (int i = 0; i < 4000 && run.Running() && rows < 60000; ++i) {
    const double now = Metrics(url).Value("ps_rows_learnt_total").value_or(0);
    ASSERT_GE(now, rows);
    rows = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_GE(rows, 60000);
  const PrometheusPage page = Metrics(url);
  EXPECT_GE(page.Value("ps_pass").value_or(0), 3);
  EXPECT_GT(page.Value("ps_pass_logloss").value_or(0), 0);
  EXPECT_EQ(page.Count("ps_server_up"), cluster ? 2 : 0);
  EXPECT_EQ(page.Count("ps_worker_up"), cluster ? 2 : 0);
  EXPECT_EQ(AskHttp({.url = url, .target = "/readyz"})->status, 200);

  Finished ctl = RunProgram("ps_ctl", {"status", "--dir", "out"}, place_.path());
  EXPECT_EQ(ctl.exit_code, 0) << ctl.err;
  EXPECT_THAT(ctl.out, HasSubstr("job watched"));
  EXPECT_EQ(ctl.out.find("SERVER") != std::string::npos, cluster) << ctl.out;
  ctl = RunProgram("ps_ctl", {"--job", url, "status", "--json"}, place_.path());
  const auto json = JsonReader::Read(ctl.out);
  ASSERT_TRUE(json.has_value()) << ctl.out;
  EXPECT_GT(json->members.at("rows_learnt").number, 0);
  EXPECT_EQ(json->members.count("cluster"), cluster ? 1 : 0);
  ctl = RunProgram("ps_ctl", {"--dir", "out", "drain", "4000000"}, place_.path());
  EXPECT_EQ(ctl.exit_code, 1) << ctl.out << ctl.err;  // refused: there is no such node

  // Another job cannot have the same port, and says so.
  WriteText(place_ / "other.yaml", ReadText(place_ / "job.yaml"));
  const Finished taken = RunProgram(
      "ps_train", {"--config", "other.yaml", "--set", "output.dir=other", "--http", url.substr(7)},
      place_.path());
  EXPECT_EQ(taken.exit_code, 75);
  EXPECT_THAT(taken.err, HasSubstr("another program has this port"));

  const auto children = run.Children();
  ctl = RunProgram("ps_ctl", {"--dir", "out", "stop"}, place_.path());
  EXPECT_EQ(ctl.exit_code, 0) << ctl.err;
  EXPECT_THAT(ctl.out, HasSubstr("stopping"));
  const Finished stopped = run.Wait();
  EXPECT_EQ(stopped.exit_code, 143) << stopped.err;
  EXPECT_TRUE(AllGone(children));
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_FALSE(metrics.members.at("complete").flag);
  EXPECT_GE(NumberAt(metrics, "rows_learnt"), rows);
  const Finished eval =
      RunProgram("ps_eval", {"--model", "out", "--data", "train.svm"}, place_.path());
  EXPECT_EQ(eval.exit_code, 0) << eval.err;

  ctl = RunProgram("ps_ctl", {"--dir", "out", "status"}, place_.path());
  EXPECT_EQ(ctl.exit_code, 75);
  EXPECT_THAT(ctl.err, HasSubstr("no job with --http"));
  ctl = RunProgram("ps_ctl", {"--job", url, "status"}, place_.path());
  EXPECT_EQ(ctl.exit_code, 75);
  EXPECT_THAT(ctl.err, HasSubstr("nothing listens"));
}

INSTANTIATE_TEST_SUITE_P(All, ControlEndToEnd,
                         testing::Values(std::vector<std::string>{},
                                         std::vector<std::string>{"--local", "2x2"}));

TEST(Ctl, WrongUsageIsSaid) {
  const Workplace place;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"dance"},
                                             {"scale"},
                                             {"drain"},
                                             {"drain", "x"},
                                             {"stop", "now"},
                                             {"stop", "--json"},
                                             {"status", "--servers", "2"},
                                             {"--job", "nonsense", "status"},
                                             {"status", "--nonsense"}}) {
    const Finished ctl = RunProgram("ps_ctl", words, place.path());
    EXPECT_EQ(ctl.exit_code, 2) << testing::PrintToString(words) << ctl.err;
  }
  EXPECT_EQ(RunProgram("ps_ctl", {"--help"}, place.path()).exit_code, 0);
}

TEST(Http, AWrongAddressStopsTheJobBeforeItsWork) {
  const Workplace place;
  Generate(place.path(), "train.svm", "libsvm", 100);
  WriteText(place / "job.yaml", "data: {train: {files: [train.svm]}}\n");
  const Finished run =
      RunProgram("ps_train", {"--config", "job.yaml", "--http", "8080"}, place.path());
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("there is no port"));
}

}  // namespace
}  // namespace ps
