#include "models/data/libsvm_parser.h"

#include <immintrin.h>

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "models/data/digit_text.h"
#include "models/data/feature_index.h"
#include "models/data/feature_writer.h"
#include "models/data/float_text.h"
#include "models/data/row_text.h"
#include "models/data/value_row.h"

namespace ps {
namespace {

// One call of Parse. The text ends in a newline, so scans stop there and need no other bound.
class LineParser {
 public:
  LineParser(std::string_view text, TextOrigin origin, int index_base, LibsvmLabels labels, RowBlock* block)
      : begin_(text.data()),
        end_(text.data() + text.size()),
        origin_(origin),
        index_base_(static_cast<std::uint64_t>(index_base)),
        labels_(labels),
        block_(*block),
        writer_(block) {}

  void ParseAll() {
    for (const char* line = begin_; line < end_;) line = ParseLine(line);
    writer_.Finish();
  }

 private:
  // Returns the begin of the next line.
  const char* ParseLine(const char* line) {
    ++block_.lines;
    const char* p = line;
    while (IsBlank(*p)) ++p;
    if (IsRowEnd(p)) return NextLine(p, end_);
    what_.clear();
    float label = 0;
    writer_.BeginRow();
    unordered_ = false;
    last_index_ = static_cast<std::int64_t>(index_base_) - 1;
    if (!ParseLabel(&p, &label) || !ParseFeatures(&p) || !FinishRow(line, &p)) {
      writer_.DropRow();
      QuoteBadRow({line, static_cast<std::size_t>(end_ - line)}, OriginOf(line),
                  static_cast<std::uint32_t>(p - line + 1), std::move(what_), &block_);
      return NextLine(p, end_);
    }
    block_.label.push_back(label);
    if (!block_.weight.empty()) block_.weight.push_back(1.0f);
    block_.row_offset.push_back(OriginOf(line).offset);
    writer_.EndRow();
    return NextLine(p, end_);
  }

  bool ParseLabel(const char** p, float* label) {
    const char* text = *p;
    if ((text[0] == '1' || text[0] == '0') && text[1] == ' ') {
      *label = static_cast<float>(text[0] - '0');
      *p = text + 1;
      return true;
    }
    const ParsedFloat parsed = ParseFloatAt(begin_, text, end_);
    if (parsed.result == FloatText::kNotANumber || !IsTokenEnd(parsed.end)) {
      what_ = absl::StrCat("expected a label, found '", QuotableToken(text), "'");
      return false;
    }
    if (labels_ == LibsvmLabels::kNumbers && parsed.result == FloatText::kOk) {
      *label = parsed.value;
      *p = parsed.end;
      return true;
    }
    if (parsed.result != FloatText::kOk ||
        (parsed.value != 0 && parsed.value != 1 && parsed.value != -1)) {
      what_ = absl::StrCat("a label must be 0, 1 or -1, found '", QuotableToken(text), "'");
      return false;
    }
    *label = parsed.value == 1 ? 1.0f : 0.0f;
    *p = parsed.end;
    return true;
  }

  // Leaves *p at the end of the row, or at the offence.
  bool ParseFeatures(const char** p) {
    while (true) {
      while (IsBlank(**p)) ++*p;
      if (IsRowEnd(*p)) return true;
      if (ReadRuns(p) || ReadValueRow(p) || ReadShortFeature(p)) continue;
      if (!ParseFeature(p)) return false;
    }
  }

  // The fast way, for features of value 1. False when it does not apply to the one at *p.
  bool ReadRuns(const char** p) {
    if (*p - begin_ < kReadableBefore) return false;
    if (slow_features_ > 0) {
      --slow_features_;
      return false;
    }
    if (!index_.Holds(*p)) index_.Build(*p, end_);
    constexpr std::size_t kRoom = FeatureIndex::kWindowBytes / 4 + 8;
    FeatureIndex::Run run = index_.ReadRun(p, &last_index_, writer_.Room(kRoom));
    if (run.count == 0 && run.at_window_end && *p != index_.begin()) {
      index_.Build(*p, end_);
      run = index_.ReadRun(p, &last_index_, writer_.Room(kRoom));
    }
    writer_.Advance(run.count);
    unordered_ |= !run.ascending;
    // Where values other than 1 are the rule, looking for runs is not worth its while.
    if (run.count >= kLongRun) {
      patience_ = 0;
    } else if (run.count == 0) {
      patience_ = std::min(2 * patience_ + 1, kMostSlowFeatures);
      slow_features_ = patience_;
    }
    return run.count > 0;
  }

  // The fast way for other values: the rest of the row. False when anything about it is unusual.
  bool ReadValueRow(const char** p) {
    if (*p - begin_ < kReadableBefore || end_ - *p < kFloatReadableBehind + 64) return false;
    if (slow_rows_until_ > *p) return false;
    const ValueRow::Result row =
        value_row_.Read(p, end_, &last_index_, writer_.Room(ValueRow::kRoom), values_);
    if (row.found == 0) {
      // What is unusual is likely to be so in the rest of the row, and in rows to come.
      refusals_ = std::min(refusals_ + 1, 12);
      slow_rows_until_ = *p + (std::ptrdiff_t{1} << refusals_);
      return false;
    }
    refusals_ = 0;
    unordered_ |= !row.ascending;
    writer_.Advance(row.count, values_);
    return true;
  }

  // A feature of any short value. False when it is none or not so short. The begin of the next
  // feature depends on one load only, not on the numbers, so that several features are under way at
  // once.
  bool ReadShortFeature(const char** p) {
    constexpr std::ptrdiff_t kReadableBehind = 32 + kFloatReadableBehind;
    const char* text = *p;
    if (text - begin_ < kReadableBefore || end_ - text < kReadableBehind) return false;
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
    const __m256i blank = _mm256_set1_epi8(' ');
    const auto ends = static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(bytes, blank), bytes)));
    const auto colons = static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(':'))));
    const std::uint32_t token = _tzcnt_u32(ends);
    const std::uint32_t colon = _tzcnt_u32(colons);
    if (colon == 0 || colon > 15 || token > 31) return false;
    if (_bzhi_u32(~DigitMask(text), colon) != 0) return false;
    const ParsedFloat parsed = ParseFloatInside(text + colon + 1, end_);
    if (parsed.result != FloatText::kOk || parsed.end != text + token ||
        !IsTokenEnd(text + token)) {
      return false;
    }
    const std::uint64_t index = NumberBefore(text + colon, colon);
    if (index < index_base_) return false;
    AddFeature(index, parsed.value);
    *p = text + token;
    return true;
  }

  void AddFeature(std::uint64_t index, float value) {
    // Indices above 2^63 - 1 turn negative and so count as out of order.
    const auto signed_index = static_cast<std::int64_t>(index);
    unordered_ |= signed_index <= last_index_;
    last_index_ = signed_index < 0 ? std::numeric_limits<std::int64_t>::max() : signed_index;
    if (value != 0) writer_.Add(IndexKey(index), value);
  }

  // Any feature, byte by byte; says what is wrong with it.
  bool ParseFeature(const char** p) {
    std::uint64_t index = 0;
    bool overflow = false;
    const char* text = *p;
    for (; IsDigit(*text); ++text) {
      overflow |= __builtin_mul_overflow(index, 10, &index);
      overflow |= __builtin_add_overflow(index, static_cast<std::uint64_t>(*text - '0'), &index);
    }
    if (text == *p || *text != ':') {
      const std::string_view rest(*p, static_cast<std::size_t>(end_ - *p));
      if (rest.starts_with("qid:")) return SkipQueryId(p);
      what_ = absl::StrCat("expected index:value, found '", QuotableToken(*p), "'");
      return false;
    }
    if (overflow) {
      what_ = absl::StrCat("index above 2^64 - 1: '", QuotableToken(*p), "'");
      return false;
    }
    if (index < index_base_) {
      what_ = absl::StrCat("index ", index, " in a file declared ", index_base_,
                           "-based: set data.index_base: 0");
      return false;
    }
    *p = text + 1;
    const ParsedFloat parsed = ParseFloatAt(begin_, *p, end_);
    if (parsed.result == FloatText::kNotANumber || !IsTokenEnd(parsed.end)) {
      what_ = absl::StrCat("expected a number, found '", QuotableToken(*p), "'");
      return false;
    }
    if (parsed.result == FloatText::kOutOfRange) {
      what_ = absl::StrCat("number out of range: '", QuotableToken(*p), "'");
      return false;
    }
    AddFeature(index, parsed.value);
    *p = parsed.end;
    return true;
  }

  bool SkipQueryId(const char** p) {
    while (!IsTokenEnd(*p)) ++*p;
    return true;
  }

  // Checks what the scan left open: indices that do not ascend may be doubles or below the base.
  bool FinishRow(const char* line, const char** p) {
    if (!unordered_) return true;
    const Key* keys = writer_.row_keys();
    const std::size_t count = writer_.row_features();
    if (index_base_ > 0) {
      const Key below_base = IndexKey(0);
      for (std::size_t i = 0; i < count; ++i) {
        if (keys[i] == below_base) return FindIndexZero(line, p);
      }
    }
    if (distinct_.AllDistinct(keys, count) || writer_.MergeRow()) return true;
    *p = line;
    what_ = "the values of an index that occurs more than once add up to no finite number";
    return false;
  }

  // Says where in a row with an index 0 it is. Always returns false.
  bool FindIndexZero(const char* line, const char** p) {
    for (const char* at = line; *at != '\n'; ++at) {
      if (!IsBlank(*at)) continue;
      const char* digit = at + 1;
      while (*digit == '0') ++digit;
      if (digit > at + 1 && *digit == ':') {
        *p = at + 1;
        break;
      }
    }
    what_ = "index 0 in a file declared 1-based: set data.index_base: 0";
    return false;
  }

  static bool IsRowEnd(const char* p) { return IsLineEnd(p) || *p == '#'; }
  static bool IsTokenEnd(const char* p) { return IsBlank(*p) || IsRowEnd(p); }

  TextOrigin OriginOf(const char* line) const {
    return {origin_.file, origin_.offset + static_cast<std::uint64_t>(line - begin_)};
  }

  static constexpr std::ptrdiff_t kReadableBefore = 16;  // what the vector code wants
  static constexpr std::size_t kLongRun = 8;
  static constexpr int kMostSlowFeatures = 1023;  // some windows' worth

  const char* const begin_;
  const char* const end_;
  const TextOrigin origin_;
  const std::uint64_t index_base_;
  const LibsvmLabels labels_;
  RowBlock& block_;
  FeatureWriter writer_;
  DistinctCheck distinct_;
  FeatureIndex index_;
  int slow_features_ = 0;  // that are read before a run is looked for again
  int patience_ = 0;
  ValueRow value_row_;
  float values_[ValueRow::kRoom];
  const char* slow_rows_until_ = nullptr;  // where rows are read at once again
  int refusals_ = 0;                       // in a row

  // Of the current row.
  std::int64_t last_index_ = 0;  // that of its last feature; base - 1 in front of the first
  bool unordered_ = false;
  std::string what_;  // is wrong with it
};

}  // namespace

void LibsvmParser::Parse(std::string_view text, TextOrigin origin, RowBlock* block) const {
  block->file = origin.file;
  TerminatedLines(text, origin, [&](std::string_view lines, TextOrigin of_lines) {
    LineParser(lines, of_lines, index_base_, labels_, block).ParseAll();
  });
}

}  // namespace ps
