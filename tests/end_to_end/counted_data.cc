#include "tests/end_to_end/counted_data.h"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "models/bundle/bundle.h"

namespace ps {

CountedData::CountedData(const Workplace& place, int rows) : rows_(rows) {
  Generate(place.path(), "made.svm", "libsvm", rows);
  std::istringstream made(ReadText(place / "made.svm"));
  std::string all;
  for (std::string line; std::getline(made, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    all += "1";
    for (std::size_t i = 1; i < words.size(); ++i) {
      const std::string index = words[i].substr(0, words[i].find(':'));
      std::uint64_t number = 0;
      EXPECT_TRUE(absl::SimpleAtoi(index, &number)) << line;
      ++frequency_[IndexKey(number)];
      absl::StrAppend(&all, " ", index, ":1");
    }
    all += "\n";
  }
  WriteText(place / "train.svm", all);
}

void CountedData::ExpectCounted(const std::string& bundle_dir, int passes) const {
  const JsonValue metrics = MetricsOf(bundle_dir);
  EXPECT_EQ(NumberAt(metrics, "rows_learnt"), double{1} * rows_ * passes);
  const auto bundle = Bundle::Open(bundle_dir);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  EXPECT_EQ((*bundle)->info().bias, 0x1p-61 * rows_ * passes);
  ASSERT_EQ((*bundle)->keys().size(), frequency_.size());
  for (std::size_t i = 0; i < frequency_.size(); ++i) {
    const auto counted = frequency_.find((*bundle)->keys()[i]);
    ASSERT_NE(counted, frequency_.end());
    ASSERT_EQ((*bundle)->weights()[i], 0x1p-61 * counted->second * passes);
  }
}

}  // namespace ps
