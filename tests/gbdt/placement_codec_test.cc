// Where rows go as workers tell each other: packed, unpacked, cut off and forged.
#include "ps/trees/placement_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace ps {
namespace {

NodeRows::Node NodeOf(const std::vector<std::uint32_t>& sizes) {
  NodeRows::Node node;
  for (const std::uint32_t size : sizes) node.push_back({7, 7 + size});
  return node;
}

PlacedRows RandomPlacement(const NodeRows::Node& node, double left, std::mt19937* random) {
  PlacedRows placed;
  placed.Fit(node);
  std::bernoulli_distribution goes_left(left);
  for (std::size_t b = 0; b < node.size(); ++b) {
    for (std::uint32_t i = 0; i < node[b].size(); ++i)
      placed.block(b)[i / 64] |= std::uint64_t{goes_left(*random)} << (i % 64);
  }
  return placed;
}

const std::vector<std::vector<std::uint32_t>> kSizes = {
    {}, {0}, {1}, {0, 0, 3}, {63, 64, 65}, {1, 128, 0, 700}, {5000, 31, 32, 33, 2000}};

TEST(PlacementCodecTest, GivesBackWhatWasPacked) {
  std::mt19937 random(1);
  for (const std::vector<std::uint32_t>& sizes : kSizes) {
    const NodeRows::Node node = NodeOf(sizes);
    for (const double left : {0.0, 0.0005, 0.01, 0.2, 0.5, 0.7, 0.99, 0.9995, 1.0}) {
      const PlacedRows placed = RandomPlacement(node, left, &random);
      std::string packed = "before";
      PackPlacement(placed, node, &packed);
      packed.erase(0, 6);
      PlacedRows back;
      ASSERT_EQ(UnpackPlacement(packed + "behind", node, &back), packed.size()) << left;
      ASSERT_EQ(back.words, placed.words);
      ASSERT_EQ(back.begin, placed.begin);
      for (std::size_t end = 0; end < packed.size(); end += 1 + packed.size() / 30) {
        EXPECT_EQ(UnpackPlacement(std::string_view(packed).substr(0, end), node, &back),
                  std::string_view::npos);
      }
    }
  }
}

// Gaps that the code has no short word for.
TEST(PlacementCodecTest, FewRowsFarApart) {
  const NodeRows::Node node = NodeOf(std::vector<std::uint32_t>(70, 1u << 15));
  for (const std::size_t count : {1u, 2u, 40u}) {
    PlacedRows placed;
    placed.Fit(node);
    for (std::size_t i = 0; i < count; ++i) placed.block(69)[511 - i] = std::uint64_t{1} << 63;
    std::string packed;
    PackPlacement(placed, node, &packed);
    EXPECT_LT(packed.size(), 16 + 4 * count);
    PlacedRows back;
    ASSERT_EQ(UnpackPlacement(packed, node, &back), packed.size());
    EXPECT_EQ(back.words, placed.words);
  }
}

TEST(PlacementCodecTest, TakesLittleMoreThanTheEntropy) {
  std::mt19937 random(2);
  const NodeRows::Node node = NodeOf(std::vector<std::uint32_t>(8, 1u << 15));
  const double rows = 8 << 15;
  for (const double left : {0.001, 0.02, 0.1, 0.2, 0.5, 0.9, 0.999}) {
    std::string packed;
    PackPlacement(RandomPlacement(node, left, &random), node, &packed);
    const double entropy = -left * std::log2(left) - (1 - left) * std::log2(1 - left);
    EXPECT_LT(8.0 * static_cast<double>(packed.size()), 1.06 * rows * entropy + 200) << left;
  }
}

// Bytes from anywhere: what is taken for a placement has no bits beyond the node's rows.
TEST(PlacementCodecTest, AnyBytesAreReadToTheirEndAtMost) {
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    const NodeRows::Node node = NodeOf(kSizes[random() % kSizes.size()]);
    std::string bytes;
    if (i % 2 == 0) {
      PackPlacement(RandomPlacement(node, random() % 3 == 0 ? 0.5 : 0.02, &random), node, &bytes);
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
        bytes[random() % bytes.size()] ^= static_cast<char>(1u << random() % 8);
    } else {
      bytes.resize(random() % 300);
      for (char& byte : bytes)
        byte = static_cast<char>(random() & (i % 3 == 0 ? 255 : random() & random()));
    }
    PlacedRows placed;
    const std::size_t taken = UnpackPlacement(bytes, node, &placed);
    if (taken == std::string_view::npos) continue;
    ASSERT_LE(taken, bytes.size());
    ASSERT_EQ(placed.begin.size(), node.size());
    for (std::size_t b = 0; b < node.size(); ++b) {
      const std::uint32_t last = node[b].size() % 64;
      if (last == 0) continue;
      ASSERT_EQ(placed.block(b)[node[b].size() / 64] >> last, 0u);
    }
  }
}

}  // namespace
}  // namespace ps
