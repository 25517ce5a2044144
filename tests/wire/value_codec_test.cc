#include "ps/wire/value_codec.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace ps {
namespace {

constexpr wire::ValueFormat kFormats[] = {wire::F32, wire::BF16, wire::INT8};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();

std::vector<float> Decoded(wire::ValueFormat format, const std::string& section,
                           std::size_t count) {
  const std::vector<char> exact(section.begin(), section.end());
  std::vector<float> values(count, -1.0f);
  const absl::Status status =
      DecodeValues(format, {exact.data(), exact.size()}, absl::MakeSpan(values));
  EXPECT_TRUE(status.ok()) << status;
  return values;
}

void ExpectRefused(wire::ValueFormat format, const std::string& section, std::size_t count,
                   const std::string& why) {
  std::vector<float> values(count);
  const absl::Status status = DecodeValues(format, section, absl::MakeSpan(values));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_NE(std::string(status.message()).find(why), std::string::npos) << status;
}

std::string Floats(std::initializer_list<float> values) {
  std::string bytes(values.size() * 4, '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

float Random(std::mt19937_64& random) {
  const auto bits = static_cast<std::uint32_t>(random());
  const float value = std::bit_cast<float>(bits);  // every exponent alike
  return std::isfinite(value) ? value : 1.0f;
}

// Round to nearest, ties to even, in double, where it is exact.
float NaiveBf16(float value) {
  const float down = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & 0xffff0000u);
  const float up =
      std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) & 0xffff0000u) + 0x10000u);
  if (!std::isfinite(up)) return down;  // there is nothing above: saturates
  const double below = std::fabs(static_cast<double>(value) - down);
  const double above = std::fabs(static_cast<double>(up) - value);
  if (below != above) return below < above ? down : up;
  return (std::bit_cast<std::uint32_t>(down) >> 16) % 2 == 0 ? down : up;
}

TEST(ValueCodec, F32IsExact) {
  std::mt19937_64 random(1);
  for (const std::size_t count : {0u, 1u, 7u, 8u, 9u, 255u, 256u, 257u, 5000u}) {
    std::vector<float> values(count);
    for (float& value : values) value = Random(random);
    EXPECT_EQ(Decoded(wire::F32, EncodeValues(wire::F32, values), count), values);
  }
}

TEST(ValueCodec, Bf16RoundsToNearestEven) {
  std::mt19937_64 random(2);
  std::vector<float> values;
  for (int i = 0; i < 200000; ++i) values.push_back(Random(random));
  for (const std::uint32_t bits : {0x3f808000u, 0x3f818000u, 0xbf808000u, 0x3f807fffu, 0x3f808001u,
                                   0x7f7f8000u, 0x7f7fffffu, 0xff7fffffu, 0x00008000u, 1u}) {
    values.push_back(std::bit_cast<float>(bits));
  }
  const std::vector<float> decoded =
      Decoded(wire::BF16, EncodeValues(wire::BF16, values), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(decoded[i], NaiveBf16(values[i])) << std::hexfloat << values[i];
  }
}

TEST(ValueCodec, Int8IsWithinHalfAScale) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t count = 1 + random() % 600;
    const float magnitude = std::fabs(Random(random));
    std::vector<float> values(count);
    for (float& value : values) {
      value = magnitude * (static_cast<float>(random() % 20001) / 10000.0f - 1.0f);
      if (!std::isfinite(value)) value = magnitude;
    }
    const std::vector<float> decoded = Decoded(wire::INT8, EncodeValues(wire::INT8, values), count);
    // Packing zeros moves values to other blocks, so the bound here is that of the largest of all.
    double largest = 0;
    for (const float value : values) largest = std::max<double>(largest, std::fabs(value));
    for (std::size_t i = 0; i < count; ++i) {
      // Half a step, rounding of the step and of the product, and the coarseness of subnormals.
      const double bound = largest / 127 * 0.5001 + 127 * static_cast<double>(kTiny);
      ASSERT_LE(std::fabs(static_cast<double>(decoded[i]) - values[i]), bound) << values[i];
    }
  }
}

TEST(ValueCodec, Int8ScalesBlocksApart) {
  std::vector<float> values(512, 1000.0f);
  for (std::size_t i = 256; i < 512; ++i) values[i] = 0.001f * static_cast<float>(i % 7 + 1);
  const std::string section = EncodeValues(wire::INT8, values);
  EXPECT_EQ(section.size(), 1 + 2 * (4 + 256));
  const std::vector<float> decoded = Decoded(wire::INT8, section, 512);
  for (std::size_t i = 256; i < 512; ++i) EXPECT_NEAR(decoded[i], values[i], 0.007 / 127 * 0.51);
}

TEST(ValueCodec, ExtremesStayFinite) {
  const std::vector<float> values = {kMax, -kMax, kTiny, -kTiny, 1.0f, kMax / 2};
  for (const wire::ValueFormat format : kFormats) {
    const std::vector<float> decoded = Decoded(format, EncodeValues(format, values), values.size());
    EXPECT_NEAR(decoded[0] / kMax, 1.0f, 0.004f);
    EXPECT_NEAR(decoded[1] / kMax, -1.0f, 0.004f);
  }
  // Where even the largest value is as small as can be.
  const std::vector<float> tiny(300, 40 * kTiny);
  for (const float value : Decoded(wire::INT8, EncodeValues(wire::INT8, tiny), 300)) {
    EXPECT_LE(std::fabs(value - 40 * kTiny), 64 * kTiny);
  }
}

TEST(ValueCodec, PacksZerosWhereThatIsSmaller) {
  std::mt19937_64 random(4);
  for (const wire::ValueFormat format : kFormats) {
    for (int round = 0; round < 300; ++round) {
      const std::size_t count = 1 + random() % 700;
      const std::uint64_t zeros_in_ten = random() % 11;
      std::vector<float> values(count);
      for (float& value : values) value = random() % 10 < zeros_in_ten ? 0.0f : 0.5f;
      const std::string section = EncodeValues(format, values);
      const std::vector<float> decoded = Decoded(format, section, count);
      for (std::size_t i = 0; i < count; ++i) ASSERT_NEAR(decoded[i], values[i], 1e-6);
    }
    const std::vector<float> none(8000, 0.0f);
    const std::string section = EncodeValues(format, none);
    EXPECT_EQ(section.size(), 1 + 1000);
    EXPECT_EQ(section[0], 1);
    EXPECT_EQ(Decoded(format, section, 8000), none);
  }
}

TEST(ValueCodec, WhatIsNotFiniteIsRefused) {
  for (const wire::ValueFormat format : kFormats) {
    for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(),
                            -std::numeric_limits<float>::quiet_NaN(),
                            std::bit_cast<float>(0x7f800001u), std::bit_cast<float>(0x7fffffffu)}) {
      for (const std::size_t at : {0u, 13u, 299u}) {
        std::vector<float> dense(300, 1.0f), sparse(300, 0.0f);
        dense[at] = sparse[at] = bad;
        std::vector<float> out(300);
        EXPECT_FALSE(DecodeValues(format, EncodeValues(format, dense), absl::MakeSpan(out)).ok());
        EXPECT_FALSE(DecodeValues(format, EncodeValues(format, sparse), absl::MakeSpan(out)).ok());
      }
    }
  }
}

TEST(ValueCodec, RefusesWhatIsNoSection) {
  ExpectRefused(wire::F32, "", 0, "an empty section");
  ExpectRefused(wire::F32, std::string(1, 2), 0, "unknown packing 2");
  ExpectRefused(wire::F32, std::string(1, '\xff'), 0, "unknown packing 255");
  ExpectRefused(wire::F32, std::string(1, 0) + Floats({1}), 2, "4 bytes for 2 values");
  ExpectRefused(wire::F32, std::string(1, 0) + Floats({1, 2, 3}), 2, "12 bytes for 2 values");
  ExpectRefused(wire::BF16, std::string(4, 0), 1, "3 bytes for 1 values");
  ExpectRefused(wire::INT8, std::string(1, 0) + Floats({1}), 1, "4 bytes for 1 values");
  ExpectRefused(wire::INT8, std::string(1, 0) + Floats({-1}) + "\1", 1, "a bad scale");
  ExpectRefused(wire::INT8, std::string(1, 0) + Floats({1}) + "\x80", 1, "-128");
  ExpectRefused(wire::INT8, std::string(1, 0) + Floats({kMax}) + "\2", 1, "not finite");
  ExpectRefused(static_cast<wire::ValueFormat>(9), std::string(5, 0), 1, "unknown format 9");
  const std::string bitmap(1, 1);
  ExpectRefused(wire::F32, bitmap + "\1", 9, "a bitmap of 2 bytes, 1 are there");
  ExpectRefused(wire::F32, bitmap + "\xff" + "\3", 9, "bits are set after the last value's");
  ExpectRefused(wire::F32, bitmap + "\1", 8, "0 bytes for 1 values that are kept");
  ExpectRefused(wire::F32, bitmap + "\1" + Floats({1, 2}), 8, "8 bytes for 1 values");
  EXPECT_EQ(Decoded(wire::F32, bitmap + "\x82" + Floats({1, 2}), 8),
            (std::vector<float>{0, 1, 0, 0, 0, 0, 0, 2}));
}

}  // namespace
}  // namespace ps
