// Arrays in the memory of a device, on the one that is executed on the host, which counts its bytes.
#include "kernels/cuda/device_memory.h"

#include <gtest/gtest.h>

namespace ps {
namespace {

class DeviceMemoryTest : public testing::Test {
 protected:
  void TearDown() override { memory_.limit = limit_; }
  device_executor::Memory& memory_ = device_executor::memory;
  const std::size_t limit_ = memory_.limit, before_ = memory_.used;
};

TEST_F(DeviceMemoryTest, TakesWhatItNeeds) {
  DeviceArray<std::uint64_t> array, empty;
  ASSERT_TRUE(array.Allocate(1 << 18, "numbers").ok());
  EXPECT_EQ(memory_.used - before_, std::size_t{8} << 18) << "a byte more is another piece of 2 MiB";
  ASSERT_TRUE(empty.Allocate(0, "nothing").ok());
  EXPECT_NE(empty.data(), nullptr);
  EXPECT_EQ(empty.bytes(), 0u);
}

TEST_F(DeviceMemoryTest, AllocatedTwiceItHasTheSecond) {
  DeviceArray<char> array;
  ASSERT_TRUE(array.Allocate(1000, "bytes").ok());
  ASSERT_TRUE(array.Allocate(300, "bytes").ok());
  EXPECT_EQ(array.size(), 300u);
  EXPECT_EQ(memory_.used - before_, 300u);
}

TEST_F(DeviceMemoryTest, WithoutMemoryItIsEmptyAndToldOnce) {
  DeviceArray<char> array;
  ASSERT_TRUE(array.Allocate(1000, "bytes").ok());
  memory_.limit = memory_.used;
  const absl::Status status = array.Allocate(3 << 20, "many bytes");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_NE(status.message().find("3 MiB for many bytes"), std::string::npos) << status;
  EXPECT_EQ(array.data(), nullptr);
  EXPECT_EQ(array.size(), 0u);
  EXPECT_EQ(memory_.used, before_);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

}  // namespace
}  // namespace ps
