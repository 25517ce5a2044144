#include "ps/state_store/file_state_store.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "ps/base/file.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

std::unique_ptr<FileStateStore> MustOpen(const std::string& path,
                                         const FileStateStore::Options& options = {}) {
  auto store = FileStateStore::Open(path, options);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

TEST(FileStateStore, KeepsWhatWasCommittedAndRaisesTheTermAtEachOpen) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "deep/er/state";
  std::uint64_t term = 0;
  for (int round = 0; round < 5; ++round) {
    auto store = MustOpen(path);
    EXPECT_GT(store->leadership_term(), term);
    term = store->leadership_term();
    auto loaded = store->Load();
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->size(), round == 0 ? 0u : round + 1u);
    if (round > 0) {
      EXPECT_EQ(loaded->at("last"), std::to_string(round - 1));
    }
    ASSERT_TRUE(store
                    ->Commit(Records{{"last", "overwritten"},
                                     {"last", std::to_string(round)},
                                     {"round" + std::to_string(round), ""}})
                    .ok());
    EXPECT_EQ(store->Load()->at("last"), std::to_string(round));
  }
}

TEST(FileStateStore, CompactionKeepsEverythingAndBoundsTheFile) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "state";
  StateRecords expected;
  std::mt19937_64 random(1);
  for (int reopen = 0; reopen < 4; ++reopen) {
    auto store = MustOpen(path, {.compact_above_bytes = 4096});
    EXPECT_EQ(*store->Load(), expected);
    for (int i = 0; i < 300; ++i) {
      Records records;
      for (int n = 0; n < 3; ++n) {
        records.emplace_back("k" + std::to_string(random() % 20), std::string(random() % 50, 'v'));
        expected[records.back().first] = records.back().second;
      }
      ASSERT_TRUE(store->Commit(records).ok());
      ASSERT_LT(std::filesystem::file_size(path), 4096u + 4 * 2000u);
    }
    EXPECT_EQ(*store->Load(), expected);
  }
}

TEST(FileStateStore, TwoSchedulersExcludeEachOther) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "state";
  auto store = MustOpen(path);
  const auto second = FileStateStore::Open(path);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_NE(second.status().message().find(std::to_string(::getpid())), std::string::npos);
  ASSERT_TRUE(store->Commit(Records{{"a", "1"}}).ok());
  store.reset();
  EXPECT_EQ(MustOpen(path)->Load()->at("a"), "1");
}

TEST(FileStateStore, ALockDiesWithItsProcess) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "state";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = FileStateStore::Open(path);
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(FileStateStore::Open(path).status()));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(MustOpen(path)->leadership_term(), 2u);
}

TEST(FileStateStore, RemovedOrReplacedFilesEndLeadership) {
  const ScratchDirectory scratch;
  for (const char* suffix : {"", ".lock"}) {
    const std::string path = scratch / (std::string("state") + suffix);
    const std::string base = scratch / "state";
    auto store = MustOpen(base);
    ASSERT_TRUE(std::filesystem::remove(path));
    EXPECT_TRUE(absl::IsFailedPrecondition(store->Commit(Records{{"a", "1"}})));
    std::ofstream(path) << "somebody else's";
    EXPECT_TRUE(absl::IsFailedPrecondition(store->Commit(Records{{"a", "1"}})));
    std::filesystem::remove(base);
  }
}

TEST(FileStateStore, AcknowledgedCommitsSurviveKills) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "state";
  std::mt19937_64 random(2);
  std::uint32_t acknowledged = 0;  // the highest number that a child has said is committed
  for (int round = 0; round < 25; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = FileStateStore::Open(path, {.compact_above_bytes = 2048});
      if (!store.ok()) ::_exit(2);
      for (std::uint32_t number = acknowledged + 1;; ++number) {
        // Both records or none, and some size to tear.
        const std::string text = std::to_string(number);
        if (!(*store)
                 ->Commit(
                     Records{{"x", text}, {"pad", std::string(number % 700, 'p')}, {"y", text}})
                 .ok()) {
          ::_exit(3);
        }
        if (::write(pipe_ends[1], &number, sizeof number) != sizeof number) ::_exit(4);
      }
    }
    ::close(pipe_ends[1]);
    std::uint32_t number;
    for (std::uint64_t left = 1 + random() % 60; left > 0; --left) {
      ASSERT_EQ(::read(pipe_ends[0], &number, sizeof number), ssize_t{sizeof number});
      acknowledged = number;
    }
    ::kill(child, SIGKILL);
    while (::read(pipe_ends[0], &number, sizeof number) == ssize_t{sizeof number}) {
      acknowledged = number;
    }
    ::close(pipe_ends[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    auto store = MustOpen(path);
    ASSERT_NE(store, nullptr);
    const StateRecords records = *store->Load();
    EXPECT_EQ(records.at("x"), records.at("y"));
    EXPECT_GE(std::stoul(records.at("x")), acknowledged);
    acknowledged = static_cast<std::uint32_t>(std::stoul(records.at("x")));
  }
}

TEST(FileStateStore, DamageIsRefusedAndLeftAsItIs) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "state";
  {
    auto store = MustOpen(path);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(store->Commit(Records{{"a", "value"}}).ok());
  }
  std::string bytes = *ReadWholeFile(path);
  bytes[50] = static_cast<char>(bytes[50] ^ 4);
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  const auto store = FileStateStore::Open(path);
  EXPECT_TRUE(absl::IsDataLoss(store.status()));
  EXPECT_NE(store.status().message().find(path + ": offset 32"), std::string::npos)
      << store.status();
  EXPECT_EQ(*ReadWholeFile(path), bytes);
}

// Files of this process cannot grow beyond `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit = {bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_;
  void (*old_handler_)(int);
};

TEST(FileStateStore, FilesThatCannotGrowAreReportedAndSurvived) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "state";
  auto store = MustOpen(path);
  ASSERT_TRUE(store->Commit(Records{{"a", "before"}}).ok());
  {
    const FileSizeLimit limit(300);
    const absl::Status status = store->Commit(Records{{"a", std::string(1000, 'x')}});
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_NE(status.message().find(path), std::string::npos);
    EXPECT_EQ(store->Load()->at("a"), "before");
    ASSERT_TRUE(store->Commit(Records{{"b", "small"}}).ok());  // what fits still goes in
  }
  ASSERT_TRUE(store->Commit(Records{{"a", std::string(1000, 'y')}}).ok());
  store.reset();
  const StateRecords records = *MustOpen(path)->Load();
  EXPECT_EQ(records.at("a"), std::string(1000, 'y'));
  EXPECT_EQ(records.at("b"), "small");
}

TEST(FileStateStore, AFullDiskIsReportedAndSurvived) {
  const ScratchDirectory scratch;
  const std::string mount = scratch / "small";
  std::filesystem::create_directory(mount);
  if (::mount("tmpfs", mount.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "mounting a small tmpfs is not permitted here";
  }
  {
    auto store = MustOpen(mount + "/state", {.compact_above_bytes = 8192});
    ASSERT_TRUE(store->Commit(Records{{"a", "first"}}).ok());
    std::string filler(56 << 10, 'f');
    std::ofstream(mount + "/filler") << filler;
    int committed = 0;
    absl::Status status;
    while (status.ok() && committed < 1000) {
      status =
          store->Commit(Records{{"a", std::to_string(committed)}, {"pad", std::string(500, 'p')}});
      committed += status.ok();
    }
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_EQ(store->Load()->at("a"), std::to_string(committed - 1));
    std::filesystem::remove(mount + "/filler");
    ASSERT_TRUE(store->Commit(Records{{"a", "after"}}).ok());
    store.reset();
    EXPECT_EQ(MustOpen(mount + "/state")->Load()->at("a"), "after");
  }
  EXPECT_EQ(::umount(mount.c_str()), 0);
}

}  // namespace
}  // namespace ps
