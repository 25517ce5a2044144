// A table of keys in a device's memory that is full, which only the one that is executed on the
// host is when told.
#include <gtest/gtest.h>

#include "kernels/cuda/key_table.h"
#include "tests/kernels/device_executor/cuda_runtime_api.h"

namespace ps {
namespace {

class FullKeyTable : public testing::Test {
 protected:
  void TearDown() override { device_executor::memory.limit = limit_; }
  const std::size_t limit_ = device_executor::memory.limit;
};

TEST_F(FullKeyTable, CannotStartAtAnyOfItsArrays) {
  std::size_t room = 0;
  for (;; room += 4096) {
    device_executor::memory.limit = device_executor::memory.used + room;
    DeviceKeyTable table;
    const absl::Status status = table.Start(2, nullptr);
    if (status.ok()) break;
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    ASSERT_LT(room, std::size_t{16} << 20);
  }
  EXPECT_GT(room, std::size_t{1} << 20);
}

TEST_F(FullKeyTable, GrowsByLessWhereItCannotDouble) {
  DeviceKeyTable table;
  ASSERT_TRUE(table.Start(2, nullptr).ok());
  const std::uint64_t before = table.buckets();
  const auto limit = [&](double buckets) {
    device_executor::memory.limit =
        device_executor::memory.used +
        static_cast<std::size_t>(buckets * 64.0 * static_cast<double>(before));
  };
  limit(1.3);
  ASSERT_TRUE(table.Reserve(before * 4 + 1, nullptr).ok());
  EXPECT_EQ(table.buckets(), before + before / 4);
  limit(1.0);
  const std::uint64_t grown = table.buckets();
  const absl::Status status = table.Reserve(grown * 4 + 1, nullptr);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(table.buckets(), grown);
  EXPECT_TRUE(table.Reserve(grown * 4, nullptr).ok());
}

}  // namespace
}  // namespace ps
