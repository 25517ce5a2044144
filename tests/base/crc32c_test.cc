#include "ps/base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace ps {
namespace {

// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
TEST(Crc32cTest, KnownAnswers) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string ascending(32, '\0');
  for (int i = 0; i < 32; ++i) ascending[i] = static_cast<char>(i);
  EXPECT_EQ(Crc32c(ascending), 0x46dd794eu);
}

std::uint32_t BitByBit(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Crc32cTest, EqualsThePolynomialDivisionAtEveryLengthAndAlignment) {
  std::mt19937_64 random(1);
  std::string bytes(300, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t length = 0; start + length <= bytes.size(); ++length) {
      const std::string_view part = std::string_view(bytes).substr(start, length);
      ASSERT_EQ(Crc32c(part), BitByBit(part)) << start << " " << length;
    }
  }
}

TEST(Crc32cTest, LongOnesAreTakenInStretches) {
  std::mt19937_64 random(2);
  std::string bytes(20'000, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  for (int i = 0; i < 300; ++i) {
    const std::string_view part = std::string_view(bytes).substr(random() % 100, random() % bytes.size());
    const std::size_t cut = random() % (part.size() + 1);
    ASSERT_EQ(ExtendCrc32c(Crc32c(part.substr(0, cut)), part.substr(cut)), BitByBit(part)) << part.size();
  }
}

TEST(Crc32cTest, ExtendingEqualsTheWhole) {
  const std::string bytes = "bounded staleness, exactly once, sorted keys";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    EXPECT_EQ(ExtendCrc32c(Crc32c(bytes.substr(0, cut)), bytes.substr(cut)), Crc32c(bytes));
  }
}

}  // namespace
}  // namespace ps
