#include "trainer/control/command_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace ps {
namespace {

using Kind = ClusterCommand::Kind;

TEST(CommandQueue, CarriesACommandThereAndItsAnswerBack) {
  CommandQueue queue;
  std::thread loop([&] {
    for (;;) {
      if (auto asked = queue.Poll()) {
        EXPECT_EQ(asked->command.kind, Kind::kDrain);
        EXPECT_EQ(asked->command.node, 7);
        asked->reply("draining");
        return;
      }
      std::this_thread::yield();
    }
  });
  const auto answer = queue.Ask({.kind = Kind::kDrain, .node = 7}, std::chrono::seconds(60));
  loop.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "draining");
}

TEST(CommandQueue, WhoeverAskedIsToldThatItGoesOn) {
  CommandQueue queue;
  const auto answer = queue.Ask({}, std::chrono::milliseconds(1));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kDeadlineExceeded);
  auto asked = queue.Poll();
  ASSERT_TRUE(asked.has_value());
  asked->reply("nobody waits for this any more");
}

TEST(CommandQueue, ClosingEndsEveryWaitAndLaterRepliesDoNoHarm) {
  CommandReply late;
  absl::StatusOr<std::string> polled, unpolled;
  {
    CommandQueue queue;
    std::thread first([&] { polled = queue.Ask({}, std::chrono::seconds(60)); });
    while (!late) {
      if (auto asked = queue.Poll()) late = asked->reply;
    }
    std::thread second([&] { unpolled = queue.Ask({}, std::chrono::seconds(60)); });
    queue.Close();
    first.join();
    second.join();
    EXPECT_EQ(queue.Ask({}, std::chrono::seconds(60)).status().code(),
              absl::StatusCode::kUnavailable);
  }
  late("the queue is gone");
  EXPECT_EQ(polled.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(unpolled.status().code(), absl::StatusCode::kUnavailable);
}

TEST(CommandQueue, IsBounded) {
  CommandQueue queue;
  absl::Status last;
  for (int i = 0; i < 200 && !absl::IsUnavailable(last); ++i) {
    last = queue.Ask({}, std::chrono::milliseconds(0)).status();
  }
  EXPECT_TRUE(absl::IsUnavailable(last)) << last;
}

}  // namespace
}  // namespace ps
