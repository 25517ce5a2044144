#include "serving/model_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/serving/served_jobs.h"

namespace ps {
namespace {

using std::chrono::seconds;

class ModelWatchTest : public testing::Test {
 protected:
  ModelWatchTest() { TrainTable(place_); }

  void Poll(int second) { watch_->Poll(std::chrono::steady_clock::time_point(seconds(1000 + second))); }
  void Truncate(const std::string& file) { std::filesystem::resize_file(place_ + "/table/" + file, 10); }

  const std::string place_ = ServingPlace();
  std::unique_ptr<ModelWatch> watch_;
};

TEST_F(ModelWatchTest, TakesTheModelThatTakesThePlace) {
  watch_ = Watch(place_ + "/table");
  const auto before = watch_->Current();
  Poll(0);
  EXPECT_EQ(watch_->Current(), before);
  TrainTable(place_, 3);
  EXPECT_EQ(watch_->Current(), before);
  Poll(1);
  const auto after = watch_->Current();
  EXPECT_NE(after->version(), before->version());
  EXPECT_EQ(watch_->reloads(), 1);
  EXPECT_EQ(after->version(), *ServedModel::VersionAt(place_ + "/table"));
  // The one before still answers those who have it.
  RequestRows rows(*before, "rows");
  ASSERT_TRUE(rows.AddLine("7.5,c1,n").ok());
  std::vector<float> margins;
  EXPECT_TRUE(rows.Score(&margins).ok());
  EXPECT_EQ(margins.size(), 1);
}

TEST_F(ModelWatchTest, FreesOldModelsItself) {
  watch_ = Watch(place_ + "/table");
  std::weak_ptr<const ServedModel> before = watch_->Current();
  auto in_use = before.lock();
  TrainTable(place_, 3);
  Poll(0);
  Poll(1);
  in_use.reset();
  EXPECT_FALSE(before.expired());
  Poll(2);
  EXPECT_TRUE(before.expired());
}

TEST_F(ModelWatchTest, TheSameModelInAnotherFileIsNoOther) {
  watch_ = Watch(place_ + "/table");
  const auto before = watch_->Current();
  Poll(0);
  const std::string manifest = place_ + "/table/manifest.json";
  std::filesystem::copy_file(manifest, manifest + ".copy");
  std::filesystem::rename(manifest + ".copy", manifest);
  Poll(1);
  EXPECT_EQ(watch_->Current(), before);
  EXPECT_EQ(watch_->reloads(), 0);
  EXPECT_EQ(watch_->reload_failures(), 0);
}

TEST_F(ModelWatchTest, ADamagedModelIsNotTakenAndTriedAgain) {
  watch_ = Watch(place_ + "/table");
  const auto before = watch_->Current();
  Poll(0);
  TrainTable(place_, 3);
  const std::string weights = place_ + "/table/weights.bin";
  std::filesystem::copy_file(weights, place_ + "/whole");
  Truncate("weights.bin");
  Poll(1);
  EXPECT_EQ(watch_->Current(), before);
  EXPECT_EQ(watch_->reload_failures(), 1);
  Poll(2);  // not at once again
  EXPECT_EQ(watch_->reload_failures(), 1);
  Poll(11);
  EXPECT_EQ(watch_->reload_failures(), 2);
  Poll(30);  // 20 s after the second time
  EXPECT_EQ(watch_->reload_failures(), 2);
  // A whole file takes the place of the broken one. (One that is written into while it is mapped is nothing to
  // try: its reader dies of SIGBUS.)
  std::filesystem::rename(place_ + "/whole", weights);
  Poll(31);
  EXPECT_NE(watch_->Current(), before);
  EXPECT_EQ(watch_->reloads(), 1);
}

TEST_F(ModelWatchTest, AnotherModelIsTriedAtOnceAfterABadOne) {
  watch_ = Watch(place_ + "/table");
  Poll(0);
  TrainTable(place_, 3);
  Truncate("manifest.json");
  Poll(1);
  EXPECT_EQ(watch_->reload_failures(), 1);
  ASSERT_TRUE(RemoveTree(place_ + "/table").ok());
  Poll(2);
  EXPECT_EQ(watch_->reload_failures(), 2);  // it is gone: that is another thing
  TrainTable(place_, 4);
  Poll(3);
  EXPECT_EQ(watch_->reloads(), 1);
}

// Whatever is replaced while it is opened, what comes out is one whole model.
TEST(ServedModel, IsOpenedWhileItIsReplaced) {
  const std::string place = ServingPlace();
  TrainTable(place);
  std::atomic<bool> done = false;
  std::thread training([&] {
    for (int colours = 2; colours < 22; ++colours) TrainTable(place, colours);
    done = true;
  });
  int opened = 0;
  while (!done) {
    const auto model = ServedModel::Open(place + "/table");
    if (!model.ok()) {
      EXPECT_TRUE(absl::IsUnavailable(model.status())) << model.status();
      continue;
    }
    RequestRows rows(**model, "rows");
    ASSERT_TRUE(rows.AddLine("7.5,c1,n").ok());
    std::vector<float> margins;
    EXPECT_TRUE(rows.Score(&margins).ok());
    ++opened;
  }
  training.join();
  EXPECT_GT(opened, 0);
  const auto last = ServedModel::Open(place + "/table");
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ((*last)->version(), *ServedModel::VersionAt(place + "/table"));
}

TEST(ServedModel, WhatIsNoBundleIsRefused) {
  const std::string place = ServingPlace();
  EXPECT_TRUE(absl::IsNotFound(ModelWatch::Open(place).status()));
  TrainTable(place);
  std::filesystem::resize_file(place + "/table/weights.bin", 10);
  EXPECT_TRUE(absl::IsDataLoss(ModelWatch::Open(place + "/table").status()));
}

}  // namespace
}  // namespace ps
