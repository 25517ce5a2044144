// A bundle's directory is whole or absent, whatever the writer meets or leaves half done.
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "models/bundle/bundle.h"
#include "models/bundle/bundle_directory.h"
#include "tests/bundle/bundle_builder.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::size_t FeaturesAt(const std::string& dir) {
  const auto bundle = Bundle::Open(dir);
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  return bundle.ok() ? (*bundle)->keys().size() : 0;
}

void Touch(const std::string& path) { std::ofstream(path) << "x"; }

class BundleReplace : public ::testing::Test {
 protected:
  void ExpectNoSiblings() {
    EXPECT_FALSE(fs::exists(dir_ + ".writing"));
    EXPECT_FALSE(fs::exists(dir_ + ".previous"));
  }

  const ScratchDirectory scratch_;
  const std::string dir_ = scratch_ / "deep/er/model";
};

TEST_F(BundleReplace, AbsentEmptyAndOldTargets) {
  WriteBundle(dir_, DrawWeights(10, 1));
  EXPECT_EQ(FeaturesAt(dir_), 10);
  WriteBundle(dir_, DrawWeights(20, 2));
  EXPECT_EQ(FeaturesAt(dir_), 20);
  const std::string empty = scratch_ / "empty";
  fs::create_directory(empty);
  WriteBundle(empty + "//", DrawWeights(30, 3));
  EXPECT_EQ(FeaturesAt(empty + "/"), 30);
  ExpectNoSiblings();
}

TEST_F(BundleReplace, WithoutFinishNothingChanges) {
  WriteBundle(dir_, DrawWeights(10, 1));
  {
    auto writer = BundleWriter::Create(dir_);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->AppendWeights({3}, {1}).ok());
    ASSERT_TRUE(fs::exists(dir_ + ".writing"));
    EXPECT_EQ(FeaturesAt(dir_), 10);
  }
  EXPECT_EQ(FeaturesAt(dir_), 10);
  ExpectNoSiblings();
}

TEST_F(BundleReplace, AnOpenBundleOutlivesItsReplacement) {
  const auto weights = DrawWeights(1000, 1);
  WriteBundle(dir_, weights);
  const auto old = Bundle::Open(dir_);
  ASSERT_TRUE(old.ok());
  WriteBundle(dir_, DrawWeights(20, 2));
  std::vector<float> found(1);
  (*old)->Lookup({weights.begin()->first}, absl::MakeSpan(found));
  EXPECT_EQ(found[0], weights.begin()->second);
}

// One within another would be that one's last version: it is never replaced with anything else in it.
TEST_F(BundleReplace, NoBundleIsWrittenIntoAnother) {
  WriteBundle(dir_, DrawWeights(10, 1));
  fs::create_directory_symlink(dir_, scratch_ / "link");
  for (const std::string& inner : {dir_ + "/inner", dir_ + "/in/ner", scratch_ / "link/inner"}) {
    const absl::Status refused = BundleWriter::Create(inner).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(inner + " lies in the model bundle "));
  }
  WriteBundle(dir_, DrawWeights(20, 2));
  EXPECT_EQ(FeaturesAt(dir_), 20);
  // Other programs have manifests, too.
  Touch(scratch_ / "deep/manifest.json");
  WriteBundle(scratch_ / "deep/er/beside", DrawWeights(30, 3));
}

TEST_F(BundleReplace, ForeignContentIsRefusedAndKept) {
  const std::string dir = scratch_ / "photos";
  fs::create_directory(dir);
  Touch(dir + "/cat.jpg");
  EXPECT_TRUE(absl::IsFailedPrecondition(BundleWriter::Create(dir).status()));
  EXPECT_TRUE(fs::exists(dir + "/cat.jpg"));

  WriteBundle(dir_, DrawWeights(10, 1));
  Touch(dir_ + "/notes.txt");
  const absl::Status status = BundleWriter::Create(dir_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("notes.txt"));
  EXPECT_EQ(FeaturesAt(dir_), 10);

  const std::string file = scratch_ / "file";
  Touch(file);
  EXPECT_TRUE(absl::IsFailedPrecondition(BundleWriter::Create(file).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(BundleWriter::Create("..").status()));
  ExpectNoSiblings();
}

TEST_F(BundleReplace, ContentThatAppearsWhileWritingIsKept) {
  WriteBundle(dir_, DrawWeights(10, 1));
  auto writer = BundleWriter::Create(dir_);
  ASSERT_TRUE(writer.ok());
  Touch(dir_ + "/notes.txt");
  EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Finish({})));
  EXPECT_TRUE(fs::exists(dir_ + "/notes.txt"));
  EXPECT_EQ(FeaturesAt(dir_), 10);
}

TEST_F(BundleReplace, SecondWriterIsTurnedAway) {
  auto first = BundleWriter::Create(dir_);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(absl::IsUnavailable(BundleWriter::Create(dir_).status()));
  ASSERT_TRUE((*first)->AppendWeights({3}, {1}).ok());
  ASSERT_TRUE((*first)->Finish({}).ok());
  EXPECT_EQ(FeaturesAt(dir_), 1);
}

TEST_F(BundleReplace, LeftoversOfAKilledWriterAreRemoved) {
  WriteBundle(dir_, DrawWeights(10, 1));
  const pid_t writer = ::fork();
  if (writer == 0) {
    const auto unfinished = BundleWriter::Create(dir_);
    if (unfinished.ok() && (*unfinished)->AppendWeights({3}, {1}).ok()) Touch(dir_ + ".writing/more");
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  EXPECT_TRUE(fs::exists(dir_ + ".writing/more"));
  EXPECT_EQ(FeaturesAt(dir_), 10);
  WriteBundle(dir_, DrawWeights(20, 2));
  EXPECT_EQ(FeaturesAt(dir_), 20);
  ExpectNoSiblings();
}

// A bundle that is whole was about to be published.
TEST_F(BundleReplace, AWholeBundleThatWasLeftIsRemovedAndWhatIsSomebodysOwnIsNot) {
  WriteBundle(dir_ + ".writing", DrawWeights(10, 1));
  WriteBundle(dir_, DrawWeights(20, 2));
  ExpectNoSiblings();
  for (const char* beside : {".writing", ".previous"}) {
    fs::create_directories(dir_ + beside);
    Touch(dir_ + beside + "/notes.txt");
    const absl::StatusOr<std::unique_ptr<BundleWriter>> writer = BundleWriter::Create(dir_);
    EXPECT_EQ(writer.ok(), std::string(beside) == ".previous") << writer.status();
    EXPECT_TRUE(fs::exists(dir_ + beside + "/notes.txt"));
    EXPECT_EQ(FeaturesAt(dir_), 20);
    fs::remove_all(dir_ + beside);
  }
}

// The fallback of file systems without an exchange, and the two places where a crash can stop it.
TEST_F(BundleReplace, TwoRenames) {
  const std::string staged = dir_ + ".writing";
  WriteBundle(dir_, DrawWeights(10, 1));
  WriteBundle(scratch_ / "new", DrawWeights(20, 2));
  fs::rename(scratch_ / "new", staged);
  ASSERT_TRUE(ReplaceByTwoRenames(staged, dir_).ok());
  EXPECT_EQ(FeaturesAt(dir_), 20);
  ExpectNoSiblings();
}

TEST_F(BundleReplace, CrashAfterTheFirstRename) {
  WriteBundle(dir_, DrawWeights(10, 1));
  fs::rename(dir_, dir_ + ".previous");
  EXPECT_EQ(FeaturesAt(dir_), 10);  // readers find the old bundle
  { auto writer = BundleWriter::Create(dir_); }
  EXPECT_TRUE(fs::exists(dir_ + "/manifest.json"));  // the next writer puts it back
  WriteBundle(dir_, DrawWeights(20, 2));
  EXPECT_EQ(FeaturesAt(dir_), 20);
  ExpectNoSiblings();
}

TEST_F(BundleReplace, CrashAfterTheSecondRename) {
  WriteBundle(dir_ + ".previous", DrawWeights(10, 1));
  WriteBundle(dir_, DrawWeights(20, 2));
  EXPECT_EQ(FeaturesAt(dir_), 20);
  ExpectNoSiblings();
}

TEST_F(BundleReplace, AFailedSecondRenameIsUndone) {
  WriteBundle(dir_, DrawWeights(10, 1));
  EXPECT_FALSE(ReplaceByTwoRenames(dir_ + ".missing", dir_).ok());
  EXPECT_EQ(FeaturesAt(dir_), 10);
  ExpectNoSiblings();
}

}  // namespace
}  // namespace ps
