#include "trainer/search/search_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "trainer/search/search_trace.h"

namespace ps {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Loss = std::function<double(int trial, int rung)>;  // infinite: it fails

// Eighty jobs.
SearchSpace Space(int trials, int parallel = 1, bool halving = true) {
  const auto job = ParseJob(
      absl::StrCat("data: {train: {files: [a.svm]}, split: {by: ratio, valid: .1}}\n"
                   "tune: {search: {trials: ", trials, ", parallel: ", parallel, ", halving: ", halving ? "true" : "false",
                   ", vary: {model.optimizer.alpha: [.01, .02, .03, .04, .05, .06, .07, .08, .09, .1], "
                   "train.passes: [1, 2, 3, 4, 5, 6, 7, 8]}}}\n"),
      "job.yaml", {});
  EXPECT_TRUE(job.ok()) << job.status();
  return *SearchSpace::Make(*job);
}

search::Search Empty(const SearchSpace& space) {
  search::Search state;
  state.set_top_rung(static_cast<std::uint32_t>(SearchSchedule::TopRung(space.search())));
  return state;
}

SearchSchedule ScheduleOf(const SearchSpace& space) {
  return SearchSchedule(&space, 1, static_cast<std::uint64_t>(space.search().trials));
}

void End(int number, const Loss& loss, search::Search* state) {
  search::Trial& trial = *state->mutable_trials(number);
  trial.set_ended(true);
  const double of_it = loss(number, static_cast<int>(trial.rung()));
  std::isfinite(of_it) ? trial.set_loss(of_it) : trial.set_failure("it failed");
}

using Step = std::pair<int, int>;  // trial and rung
std::vector<Step> RunAll(const SearchSpace& space, const Loss& loss, search::Search* state) {
  const SearchSchedule schedule = ScheduleOf(space);
  std::vector<Step> steps;
  for (std::vector<int> wave; !(wave = schedule.NextWave(false, state)).empty();) {
    EXPECT_LE(static_cast<int>(wave.size()), space.search().parallel);
    for (const int number : wave) {
      steps.emplace_back(number, state->trials(number).rung());
      End(number, loss, state);
    }
  }
  return steps;
}

TEST(SearchSchedule, WithoutHalvingTrialsFollowOneAnother) {
  const SearchSpace space = Space(5, 2, false);
  search::Search state = Empty(space);
  EXPECT_THAT(RunAll(space, [](int trial, int) { return 9 - trial; }, &state),
              ElementsAre(Step{0, 0}, Step{1, 0}, Step{2, 0}, Step{3, 0}, Step{4, 0}));
  EXPECT_EQ(BestTrial(state), 4);
}

TEST(SearchSchedule, TheBestThirdOfARungGoesOn) {
  const SearchSpace space = Space(27);
  search::Search state = Empty(space);
  // Later ones are worse: whoever is among the best third is so from the start.
  const auto steps = RunAll(space, [](int trial, int) { return trial; }, &state);
  std::vector<std::set<int>> on(3);
  for (const auto& [trial, rung] : steps) EXPECT_TRUE(on[rung].insert(trial).second) << "twice";
  EXPECT_EQ(on[0].size(), 27u);
  EXPECT_EQ(on[1], (std::set<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(on[2], (std::set<int>{0, 1, 2}));
  EXPECT_EQ(BestTrial(state), 0);
  EXPECT_EQ(steps[1], (Step{0, 1}));  // the first one always does, at once
  EXPECT_EQ(steps[2], (Step{0, 2}));
}

TEST(SearchSchedule, ABetterOneThatComesLateGoesOnToo) {
  const SearchSpace space = Space(12);
  search::Search state = Empty(space);
  const auto steps = RunAll(space, [](int trial, int) { return -trial; }, &state);
  const std::vector<Step> last(steps.end() - 3, steps.end());
  EXPECT_THAT(last, ElementsAre(Step{11, 0}, Step{11, 1}, Step{11, 2}));
  EXPECT_EQ(BestTrial(state), 11);
}

TEST(SearchSchedule, TheBestOfFewGoesOnInTheEnd) {
  const SearchSpace space = Space(4);
  search::Search state = Empty(space);
  const auto steps = RunAll(space, [](int trial, int) { return trial == 1 ? 1.0 : 2.0; }, &state);
  EXPECT_THAT(steps, ElementsAre(Step{0, 0}, Step{0, 1}, Step{0, 2}, Step{1, 0}, Step{2, 0}, Step{1, 1}, Step{3, 0}, Step{1, 2}));
  EXPECT_EQ(BestTrial(state), 1);
}

TEST(SearchSchedule, OnlyTrialsOnAllRowsAreChosen) {
  const SearchSpace space = Space(9);
  search::Search state = Empty(space);
  // Few rows look better than all of them.
  RunAll(space, [](int trial, int rung) { return trial + 10.0 * rung; }, &state);
  EXPECT_EQ(state.trials(BestTrial(state)).rung(), state.top_rung());
}

TEST(SearchSchedule, IfTheFirstFailsAnotherReachesAllRows) {
  const SearchSpace space = Space(2);
  search::Search state = Empty(space);
  const auto steps = RunAll(space, [](int trial, int) { return trial == 0 ? INFINITY : 1.0; }, &state);
  EXPECT_THAT(steps, ElementsAre(Step{0, 0}, Step{1, 0}, Step{1, 1}, Step{1, 2}));
  EXPECT_EQ(BestTrial(state), 1);
  // And if it fails only there.
  search::Search late = Empty(space);
  const auto others = RunAll(space, [](int trial, int rung) { return trial == 0 && rung == 2 ? INFINITY : 1.0; }, &late);
  EXPECT_EQ(BestTrial(late), 1);
  EXPECT_EQ(others.back(), (Step{1, 2}));
}

TEST(SearchSchedule, AllThatFailEndIt) {
  const SearchSpace space = Space(4);
  search::Search state = Empty(space);
  EXPECT_EQ(RunAll(space, [](int, int) { return INFINITY; }, &state).size(), 4u);
  EXPECT_EQ(BestTrial(state), -1);
}

TEST(SearchSchedule, WithoutTimeOnlyAModelOfAllRowsIsWanted) {
  const SearchSpace space = Space(20);
  const SearchSchedule schedule = ScheduleOf(space);
  search::Search state = Empty(space);
  const Loss loss = [](int trial, int) { return trial == 0 ? INFINITY : 5.0 - trial; };
  for (int i = 0; i < 3; ++i) {
    const std::vector<int> wave = schedule.NextWave(false, &state);
    ASSERT_THAT(wave, ElementsAre(i));
    End(i, loss, &state);
  }
  ASSERT_THAT(schedule.NextWave(true, &state), ElementsAre(2));
  EXPECT_EQ(state.trials(2).rung(), 2u);
  End(2, loss, &state);
  EXPECT_THAT(schedule.NextWave(true, &state), IsEmpty());
  // With more time it goes on where it was.
  EXPECT_THAT(schedule.NextWave(false, &state), ElementsAre(3));
}

TEST(SearchSchedule, KillsDoNotShow) {
  const Loss loss = [](int trial, int rung) { return std::fmod(trial * 0.618, 1.0) + rung + (trial % 7 == 3 ? INFINITY : 0); };
  for (const int parallel : {1, 3}) {
    const SearchSpace space = Space(20, parallel);
    const SearchSchedule schedule = ScheduleOf(space);
    search::Search whole = Empty(space);
    const auto steps = RunAll(space, loss, &whole);
    search::Search state = Empty(space);
    std::vector<int> wave;
    // Of every wave the last one has not ended when the process dies, and is begun again.
    std::size_t again = 0;
    while (!(wave = schedule.NextWave(false, &state)).empty()) {
      for (std::size_t i = 0; i + 1 < wave.size(); ++i) End(wave[i], loss, &state);
      search::Search read;
      ASSERT_TRUE(read.ParseFromString(state.SerializeAsString()));
      state = read;
      ASSERT_THAT(schedule.NextWave(false, &state), ElementsAre(wave.back())) << "nothing else is begun";
      ++again;
      End(wave.back(), loss, &state);
    }
    EXPECT_GT(again, 5u);
    EXPECT_EQ(state.SerializeAsString(), whole.SerializeAsString()) << parallel << " at once";
    EXPECT_FALSE(steps.empty());
  }
}

TEST(SearchSchedule, PartsHaveNames) {
  EXPECT_EQ(SearchSchedule::PartName(0, 2), "1/9 of the training rows");
  EXPECT_EQ(SearchSchedule::PartName(1, 2), "1/3 of the training rows");
  EXPECT_EQ(SearchSchedule::PartName(2, 2), "all rows");
  EXPECT_EQ(SearchSchedule::PartName(0, 0), "all rows");
  EXPECT_DOUBLE_EQ(SearchSchedule::PartOf(0, 2), 1.0 / 9);
  EXPECT_EQ(SearchSchedule::PartOf(0, 0), 1);
}

}  // namespace
}  // namespace ps
