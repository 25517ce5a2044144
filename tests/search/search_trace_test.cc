#include "trainer/search/search_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

SearchSpace Space() {
  const auto job = ParseJob(
      "data: {train: {files: [a.svm]}, split: {by: ratio, valid: .1}}\n"
      "tune: {search: {trials: 9, vary: {model.optimizer.alpha: [.1, .2, .3, .4]}}}\n",
      "job.yaml", {});
  EXPECT_TRUE(job.ok()) << job.status();
  return *SearchSpace::Make(*job);
}

search::Trial* Add(double loss, search::Search* state) {
  search::Trial* const trial = state->add_trials();
  trial->add_point(static_cast<std::uint32_t>(state->trials_size() - 1));
  trial->set_ended(true);
  trial->set_loss(loss);
  return trial;
}

void Compare(search::Trial* trial, std::uint32_t behind, double error) {
  trial->set_behind(behind);
  trial->set_error(error);
}

TEST(SearchTrace, SaysHowFarTrialsAreBehind) {
  const SearchSpace space = Space();
  search::Search state;
  Compare(Add(.51, &state), 2, .002);
  Add(.50, &state);
  Compare(Add(.503, &state), 2, .002);
  Compare(Add(.502, &state), 1, .002);  // compared with what is not the best any more
  EXPECT_EQ(DescribeGap(state, 0), "0.01000 ± 0.00200");
  EXPECT_EQ(DescribeGap(state, 1), "");
  EXPECT_EQ(DescribeGap(state, 2), "0.00300 ± 0.00200");
  EXPECT_EQ(DescribeGap(state, 3), "");
  EXPECT_EQ(DescribeEqualTrials(state),
            "trial 3 is behind by 0.00300 ± 0.00200 only: which of them is the best is partly chance");
  state.mutable_trials(2)->set_error(.0014);
  EXPECT_EQ(DescribeEqualTrials(state), "");
  state.mutable_trials(0)->set_error(.0051);
  state.mutable_trials(2)->set_error(.0016);
  EXPECT_THAT(DescribeEqualTrials(state), AllOf(HasSubstr("trial 3 is behind"), HasSubstr("and 1 more by less")));
  const std::string json = SearchJson(space, "log_loss", state);
  EXPECT_THAT(json, AllOf(HasSubstr("\"behind\":0,"), HasSubstr("\"error\":0.0016"), HasSubstr("\"error\":0.0051")));
  EXPECT_THAT(json, Not(HasSubstr("\"error\":0.002")));
}

TEST(SearchTrace, FewRowsAreNotComparedWithAll) {
  const SearchSpace space = Space();
  search::Search state;
  state.set_top_rung(2);
  Add(.4, &state);  // on the first rung
  search::Trial* const all = Add(.5, &state);
  all->set_rung(2);
  search::Trial* const under_way = Add(.45, &state);  // given up on the second rung
  under_way->set_rung(1);
  under_way->set_ended(false);
  search::Trial* const failed = Add(.45, &state);
  failed->set_rung(2);
  failed->set_failure("no memory");
  EXPECT_EQ(BestTrial(state), 1);
  EXPECT_EQ(JudgedRung(*under_way), 0);
  EXPECT_EQ(JudgedRung(*failed), 1);
  EXPECT_THAT(DescribeTrial(space, "log_loss", state, 0), HasSubstr("log_loss 0.40000 on 1/9 of the training rows"));
  EXPECT_THAT(DescribeTrial(space, "log_loss", state, 1), Not(HasSubstr("rows")));
  const std::string json = SearchJson(space, "log_loss", state);
  EXPECT_THAT(json, AllOf(HasSubstr("\"end\":\"dropped\",\"part\":0.111"), HasSubstr("\"end\":\"chosen\",\"part\":1"),
                          HasSubstr("\"end\":\"failed\",\"failure\":\"no memory\",\"part\":0.333")));
}

TEST(SearchTrace, WithoutAModelThereIsNothingToCompare) {
  search::Search state;
  EXPECT_EQ(DescribeEqualTrials(state), "");
  Add(.4, &state)->set_failure("it failed");
  EXPECT_EQ(BestTrial(state), -1);
  EXPECT_EQ(DescribeGap(state, 0), "");
  EXPECT_EQ(DescribeEqualTrials(state), "");
}

}  // namespace
}  // namespace ps
