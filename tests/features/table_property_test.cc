// The parser against a naive one that shares no code with it but the keys' definitions: random
// tables and random plans, with quotes, missing values, line ends, wrong column counts and
// arbitrary damage.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <random>

#include "gtest/gtest.h"
#include "models/features/plan.h"
#include "models/features/table_parser.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

using features::Feature;
using features::Plan;

struct NaiveRow {
  float label = 0;
  float weight = 1;
  std::uint64_t offset = 0;
  std::vector<Key> key;
  std::vector<float> value;
};

std::optional<double> NaiveNumber(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string::npos) return {};
  if (text.find_first_of("0123456789") == std::string::npos) return {};
  if (text[0] == '+' && text.size() > 1 && text[1] == '-') return {};
  char* end;
  const double number = std::strtod(text.c_str(), &end);
  if (*end != 0 || !std::isfinite(number)) return {};
  return number;
}

class NaiveParser {
 public:
  explicit NaiveParser(const Plan& plan) : plan_(plan) {}

  std::vector<NaiveRow> rows;
  std::uint64_t bad = 0;
  std::uint64_t lines = 0;

  void Parse(const std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
      std::size_t end = text.find('\n', at);
      if (end == std::string::npos) end = text.size();
      std::string line = text.substr(at, end - at);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      ++lines;
      if (!line.empty()) {
        NaiveRow row;
        row.offset = at;
        if (Row(line, &row)) {
          rows.push_back(row);
        } else {
          ++bad;
        }
      }
      at = end + 1;
    }
  }

 private:
  static std::string Trim(std::string text) {
    while (!text.empty() && text.front() == ' ') text.erase(0, 1);
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
  }

  // A state machine, character by character.
  bool Split(const std::string& line, std::vector<std::string>* fields) const {
    const bool csv = plan_.format() == "csv";
    const char delimiter = csv ? ',' : '\t';
    enum { kBegin, kPlain, kQuoted, kQuote, kAfter } state = kBegin;
    std::string field;
    for (std::size_t i = 0; i <= line.size(); ++i) {
      const bool ends = i == line.size() || (line[i] == delimiter && state != kQuoted);
      if (ends) {
        if (state == kQuoted) return false;
        fields->push_back(csv && (state == kBegin || state == kPlain) ? Trim(field) : field);
        field.clear();
        state = kBegin;
        continue;
      }
      const char c = line[i];
      const bool quote = csv && !plan_.quote().empty() && c == plan_.quote()[0];
      if (state == kBegin && csv && c == ' ') continue;
      if (state == kBegin && quote) {
        state = kQuoted;
      } else if (state == kQuoted) {
        if (quote) {
          state = kQuote;
        } else {
          field += c;
        }
      } else if (state == kQuote && quote) {
        field += c;
        state = kQuoted;
      } else if (state == kQuote || state == kAfter) {
        if (c != ' ') return false;
        state = kAfter;
      } else {
        state = kPlain;
        field += c;
      }
    }
    return true;
  }

  bool Missing(const std::string& text) const {
    return std::find(plan_.missing().begin(), plan_.missing().end(), text) != plan_.missing().end();
  }

  bool Row(const std::string& line, NaiveRow* row) const {
    std::vector<std::string> fields;
    if (!Split(line, &fields) || static_cast<int>(fields.size()) != plan_.column_size())
      return false;
    const std::string& label = fields[plan_.label_column()];
    if (label.empty()) return false;
    if (plan_.positive().empty()) {
      const auto number = NaiveNumber(label);
      if (!number || (*number != 0 && std::abs(*number) != 1)) return false;
      row->label = *number == 1;
    } else {
      row->label = label == plan_.positive();
    }
    if (plan_.weighted()) {
      const auto weight = NaiveNumber(fields[plan_.weight_column()]);
      if (!weight || *weight < 0 || *weight > 1e30) return false;
      row->weight = static_cast<float>(*weight);
    }
    for (const Feature& feature : plan_.feature()) {
      if (!Emit(fields, feature, row)) return false;
    }
    return true;
  }

  bool Emit(const std::vector<std::string>& fields, const Feature& feature, NaiveRow* row) const {
    const std::string name = FeatureName(plan_, feature);
    const auto emit = [row](Key key, float value = 1) {
      row->key.push_back(key);
      row->value.push_back(value);
      return true;
    };
    if (feature.op() == Feature::CROSS) {
      Key crossed = 0;
      for (int i = 0; i < feature.member_size(); ++i) {
        NaiveRow member;
        if (!Emit(fields, feature.member(i), &member)) return false;
        crossed = i == 0 ? member.key[0] : CrossKey(FieldSeed(name), crossed, member.key[0]);
      }
      return emit(crossed);
    }
    const std::string& text = fields[feature.column()];
    if (Missing(text)) return emit(BucketKey(FieldSeed(name + "\nmissing"), 0));
    if (feature.op() == Feature::HASH) return emit(CategoryKey(FieldSeed(name), text));
    const auto number = NaiveNumber(text);
    if (!number) {
      return feature.text_is_value() && emit(CategoryKey(FieldSeed(name + "\ntext"), text));
    }
    if (feature.op() == Feature::LOG) {
      return emit(BucketKey(FieldSeed(name), LogCell((*number + 0.0) * (1 / feature.scale()))));
    }
    if (feature.op() == Feature::RAW) {
      const double x = (*number - feature.mean()) * (1 / feature.deviation());
      return emit(BucketKey(FieldSeed(name), 0), static_cast<float>(std::clamp(x, -10.0, 10.0)));
    }
    std::uint32_t leaf = 0;
    for (double cut : feature.cut()) leaf += cut <= *number;
    for (int l = 0; l < feature.level_size(); ++l) {
      const auto& first = feature.level(l).first_leaf();
      const auto bucket = std::upper_bound(first.begin(), first.end(), leaf) - first.begin() - 1;
      emit(BucketKey(FieldSeed(name + "\n" + std::to_string(l)),
                     static_cast<std::uint64_t>(bucket)));
    }
    return true;
  }

  const Plan& plan_;
};

class RandomTable {
 public:
  explicit RandomTable(std::uint64_t seed) : random_(seed) {}

  JobConfig Job() {
    constexpr DataFormat kFormats[] = {DataFormat::kCsv, DataFormat::kTsv};
    JobConfig config = TableJob(kFormats[Pick(2)], false);
    csv_ = config.data.format == DataFormat::kCsv;
    if (csv_ && Pick(5) == 0) config.data.quote = "";
    quotes_ = csv_ && !config.data.quote.empty();
    columns_ = 2 + Pick(7);
    if (Pick(3) == 0) config.data.label.positive = "7";
    if (Pick(4) == 0) config.data.missing = {"-1", "missing value"};
    if (Pick(4) == 0) config.data.weight.index = columns_ - 1;
    if (Pick(3) != 0) {
      for (int c = 1; c < columns_; ++c) {
        constexpr FeatureOp kOps[] = {FeatureOp::kHash, FeatureOp::kBucket, FeatureOp::kNumeric,
                                      FeatureOp::kLog, FeatureOp::kRaw};
        FeatureConfig feature;
        feature.column.index = c;
        // Numbers live in the odd columns; a raw one now and then gives all keys values.
        feature.op = c % 2 == 0 ? FeatureOp::kHash : kOps[Pick(Pick(3) == 0 ? 5 : 4)];
        feature.buckets = 2 + Pick(60);
        config.features.push_back(feature);
      }
      if (columns_ > 3) {
        FeatureConfig cross;
        cross.op = FeatureOp::kCross;
        for (int c = 1; c < 4; ++c) cross.of.push_back({"", c});
        config.features.push_back(cross);
      }
    }
    return config;
  }

  std::string Text(int rows) {
    std::string text;
    for (int r = 0; r < rows; ++r) {
      if (Pick(40) == 0) text += Pick(2) == 0 ? "\n" : "\r\n";
      int columns = columns_;
      if (Pick(50) == 0) columns += Pick(3) - 1;
      for (int c = 0; c < columns; ++c) {
        if (c > 0) text += csv_ ? ',' : '\t';
        text += Field(c == 0 ? Label() : Value(c));
      }
      text += Pick(4) == 0 ? "\r\n" : "\n";
    }
    if (Pick(2) == 0 && !text.empty()) text.pop_back();
    return text;
  }

  void Damage(std::string* text) {
    for (int i = 1 + Pick(8); i > 0 && !text->empty(); --i) {
      const auto at = static_cast<std::size_t>(Pick(static_cast<int>(text->size())));
      constexpr char kNasty[] = {'\n', '\r', '"', ',', '\t', '\0', ' ', '-', '9', '.'};
      if (Pick(3) == 0) {
        text->erase(at, static_cast<std::size_t>(Pick(12)));
      } else {
        (*text)[at] = Pick(3) == 0 ? static_cast<char>(random_()) : kNasty[Pick(10)];
      }
    }
  }

  int Pick(int below) { return static_cast<int>(random_() % static_cast<std::uint64_t>(below)); }

 private:
  std::string Label() {
    constexpr const char* kLabels[] = {"1", "0", "7", "-1", "1.0", "+1", "x", "", "0.5", "2"};
    return kLabels[Pick(Pick(10) == 0 ? 10 : 3)];
  }

  std::string Value(int column) {
    constexpr const char* kOdd[] = {"",    "NA",    "?",   "-1",        "missing value",
                                    "nan", "1e5",   "-",   "+3",        "-0",
                                    ".5",  "1e999", "007", "123456789", "-12345678"};
    if (Pick(6) == 0) return kOdd[Pick(15)];
    if (column % 2 == 1) {
      if (Pick(3) == 0) return std::to_string(Pick(2'000'000) / 1000.0 - 700);
      return std::to_string(static_cast<int>(std::exp(Pick(180) / 10.0)) - 3);
    }
    std::string text;
    for (int i = Pick(12); i > 0; --i) text += "abcdefXYZ 01\"'#"[Pick(15)];
    if (!quotes_ || Pick(2) == 0) {
      std::replace(text.begin(), text.end(), '"', 'q');
    }
    return text;
  }

  std::string Field(const std::string& text) {
    if (!quotes_ || (Pick(6) != 0 && text.find_first_of("\",\n") == std::string::npos)) {
      return csv_ && Pick(5) == 0 ? " " + text + "  " : text;
    }
    std::string quoted = "\"";
    for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return (Pick(3) == 0 ? " " : "") + quoted + (Pick(3) == 0 ? "\" " : "\"");
  }

  std::mt19937_64 random_;
  bool csv_ = false;
  bool quotes_ = false;
  int columns_ = 2;
};

void ExpectSame(const Plan& plan, const RowParser& parser, const std::string& text) {
  NaiveParser naive(plan);
  naive.Parse(text);
  RowBlock block = ParseExact(parser, text);
  ASSERT_EQ(block.rows(), naive.rows.size());
  ASSERT_EQ(block.bad_rows, naive.bad);
  ASSERT_EQ(block.lines, naive.lines);
  for (std::size_t r = 0; r < block.rows(); ++r) {
    const NaiveRow& row = naive.rows[r];
    const std::string line = text.substr(row.offset, text.find('\n', row.offset) - row.offset);
    ASSERT_EQ(block.row_offset[r], row.offset);
    ASSERT_EQ(block.label[r], row.label) << line;
    if (plan.weighted()) {
      ASSERT_EQ(block.weight[r], row.weight) << line;
    }
    ASSERT_EQ(block.row_begin[r + 1] - block.row_begin[r], row.key.size()) << line;
    for (std::size_t i = 0; i < row.key.size(); ++i) {
      const std::size_t at = block.row_begin[r] + i;
      ASSERT_EQ(block.key[at], row.key[i]) << line << " key " << i;
      const float value = block.value.empty() ? 1 : block.value[at];
      ASSERT_EQ(value, row.value[i]) << line;
    }
  }
}

void Compare(int tables, int rows, bool damage) {
  std::uint64_t compared_rows = 0;
  for (int seed = 0; seed < tables; ++seed) {
    SCOPED_TRACE(seed);
    RandomTable table(static_cast<std::uint64_t>(seed) + 1000);
    const JobConfig config = table.Job();
    const auto extractor = CompileText(config, table.Text(200));
    if (!extractor.ok()) {
      // A random declaration may be impossible, but only for this reason.
      ASSERT_NE(extractor.status().message().find("holds no numbers"), absl::string_view::npos)
          << extractor.status();
      continue;
    }
    Plan plan;
    ASSERT_TRUE(plan.ParseFromString((*extractor)->Serialize()));
    // Not at the begin of a file: no byte order mark.
    const auto parser = (*extractor)->MakeParser();
    std::string text = table.Text(table.Pick(rows));
    if (damage) table.Damage(&text);
    ExpectSame(plan, *parser, text);
    if (testing::Test::HasFatalFailure()) return;
    compared_rows += ParseExact(*parser, text).rows();
  }
  EXPECT_GT(compared_rows, static_cast<std::uint64_t>(tables) * rows / 10);
}

TEST(TablePropertyTest, RandomTables) { Compare(600, 60, false); }
TEST(TablePropertyTest, DamagedTables) { Compare(1500, 40, true); }
TEST(TablePropertyTest, TablesOfManyWindows) { Compare(12, 4000, false); }

}  // namespace
}  // namespace ps
