#include "models/features/delimiter_index.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ps {
namespace {

void ExpectAgreesWithALoop(const std::string& text, char quote, DelimiterIndex::Simd simd,
                           DelimiterIndex* index) {
  std::vector<std::uint32_t> ends;
  std::vector<std::uint32_t> line_last;
  bool has_quote = false;
  for (std::uint32_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\t' || text[i] == '\n') ends.push_back(i);
    if (text[i] == '\n') line_last.push_back(static_cast<std::uint32_t>(ends.size()) - 1);
    has_quote |= quote != 0 && text[i] == quote;
  }
  // The padding looks like text, so that a mark behind the end would be seen.
  const std::string padded = text + std::string(DelimiterIndex::kPadding, '\n');
  index->Build(padded.data(), static_cast<std::uint32_t>(text.size()), '\t', quote, simd);
  ASSERT_EQ(index->lines(), line_last.size());
  for (std::uint32_t l = 0; l < index->lines(); ++l) {
    ASSERT_EQ(index->last(l), line_last[l]);
    ASSERT_EQ(index->first(l), l == 0 ? 0 : line_last[l - 1] + 1);
  }
  const std::uint32_t fields = line_last.empty() ? 0 : line_last.back() + 1;
  ASSERT_EQ(index->end(0)[-1] + 1, 0u);
  for (std::uint32_t f = 0; f < fields; ++f) ASSERT_EQ(*index->end(f), ends[f]);
  ASSERT_EQ(index->whole_bytes(), fields == 0 ? 0 : ends[fields - 1] + 1);
  if (has_quote) {
    ASSERT_TRUE(index->has_quote());
  }
  if (quote == 0) {
    ASSERT_FALSE(index->has_quote());
  }
}

TEST(DelimiterIndexTest, AgreesWithALoop) {
  std::mt19937_64 random(9);
  for (const auto simd : {DelimiterIndex::Simd::kBest, DelimiterIndex::Simd::kAvx2}) {
    DelimiterIndex index;
    for (int round = 0; round < 3000; ++round) {
      // From hardly any mark to nothing but marks.
      const std::uint64_t rarity = 1 + random() % 30;
      std::string text(random() % 700, 'x');
      for (char& c : text) {
        if (random() % rarity == 0) c = "\t\n\"\t"[random() % 4];
      }
      ExpectAgreesWithALoop(text, round % 2 == 0 ? '"' : '\0', simd, &index);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace ps
