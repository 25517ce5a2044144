// Sizes of launches: more blocks than a device takes are refused, where they are launched and to whom;
// fewer blocks than items are enough for kernels that go on.
#include "kernels/cuda/launch.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ps {
namespace {

constexpr std::uint64_t kMostOfGrid = 0x7fffffff;  // in x; 65,535 in y

void NothingKernel() {}

__global__ void CountKernel(std::uint64_t items, std::uint32_t* counts) {
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < items; i += step)
    ++counts[i];
}

TEST(Launch, BlocksHaveAllItems) {
  EXPECT_EQ(BlocksFor(0, 256), 0u);
  EXPECT_EQ(BlocksFor(1, 256), 1u);
  EXPECT_EQ(BlocksFor(256, 256), 1u);
  EXPECT_EQ(BlocksFor(257, 256), 2u);
  EXPECT_EQ(BlocksFor(kMostOfGrid * 256, 256), kMostOfGrid);
  EXPECT_EQ(BlocksFor(kMostOfGrid * 256 + 1, 256), kMostOfGrid + 1);
  // Beyond 32 bits they do not begin anew, which would leave rows out without a word.
  for (const std::uint64_t items : {(std::uint64_t{1} << 40) + 1, std::uint64_t{1} << 63, ~std::uint64_t{0}})
    EXPECT_EQ(BlocksFor(items, 256), 0xffffffffu) << items;
}

TEST(Launch, ResidentBlocksAreThoseThatFindWork) {
  EXPECT_EQ(ResidentBlocksFor(0, 256, 8, 132), 0u);
  EXPECT_EQ(ResidentBlocksFor(1000, 256, 8, 132), 4u);
  EXPECT_EQ(ResidentBlocksFor(1'000'000'000, 256, 8, 132), 8u * 132);
  EXPECT_EQ(ResidentBlocksFor(~std::uint64_t{0}, 1, 8, 132), 8u * 132);
}

TEST(Launch, OfMoreItemsThanItsThreadsMeetsEachOnce) {
  for (const std::uint64_t items : {0u, 1u, 64u, 65u, 10'007u}) {
    std::vector<std::uint32_t> counts(items + 1);
    ASSERT_EQ(Launch(CountKernel, {ResidentBlocksFor(items, 32, 1, 2)}, 32, nullptr, items, counts.data()),
              cudaSuccess);
    std::vector<std::uint32_t> expected(items, 1);
    expected.push_back(0);
    EXPECT_EQ(counts, expected);
  }
}

// The runtime tells it to the thread that launched as well, and to no other.
TEST(Launch, OfAShapeThatNoDeviceTakesIsRefused) {
  EXPECT_EQ(Launch(NothingKernel, {2, 3}, 1024, nullptr), cudaSuccess);
  EXPECT_EQ(Launch(NothingKernel, {1, 65535}, 32, nullptr), cudaSuccess);
  EXPECT_EQ(Launch(NothingKernel, {0, 70'000}, 32, nullptr), cudaSuccess) << "nothing to do";
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(Launch(NothingKernel, {1, 65536}, 32, nullptr), cudaErrorInvalidConfiguration);
  for (const std::uint64_t items : {kMostOfGrid * 32 + 1, ~std::uint64_t{0}})
    EXPECT_EQ(Launch(NothingKernel, {BlocksFor(items, 32)}, 32, nullptr), cudaErrorInvalidConfiguration);
  for (const unsigned threads : {0u, 33u, 1056u})
    EXPECT_EQ(Launch(NothingKernel, {1, 1}, threads, nullptr), cudaErrorInvalidConfiguration);
  cudaError_t of_another = cudaErrorNoDevice;
  std::thread([&] { of_another = cudaGetLastError(); }).join();
  EXPECT_EQ(of_another, cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

}  // namespace
}  // namespace ps
