#include "models/data/vw_parser.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "models/data/feature_writer.h"
#include "models/data/float_text.h"
#include "models/data/row_text.h"

namespace ps {
namespace {

bool EndsName(const char* p) { return *p == ':' || *p == '|' || IsBlank(*p) || IsLineEnd(p); }

// One call of Parse. The text ends in a newline.
class ExampleParser {
 public:
  ExampleParser(std::string_view text, TextOrigin origin, RowBlock* block)
      : begin_(text.data()),
        end_(text.data() + text.size()),
        origin_(origin),
        block_(*block),
        writer_(block) {}

  void ParseAll() {
    for (const char* line = begin_; line < end_;) line = ParseLine(line);
    writer_.Finish();
  }

 private:
  struct Head {
    float label = 0;
    float importance = 1;
  };

  const char* ParseLine(const char* line) {
    ++block_.lines;
    const TextOrigin origin{origin_.file,
                            origin_.offset + static_cast<std::uint64_t>(line - begin_)};
    const char* p = line;
    SkipBlanks(&p);
    if (IsLineEnd(p)) return NextLine(p, end_);
    what_.clear();
    writer_.BeginRow();
    Head head;
    if (!ParseHead(&p, &head) || !ParseNamespaces(&p) || !FinishRow(line, &p)) {
      writer_.DropRow();
      QuoteBadRow({line, static_cast<std::size_t>(end_ - line)}, origin,
                  static_cast<std::uint32_t>(p - line + 1), std::move(what_), &block_);
      return NextLine(p, end_);
    }
    if (head.importance != 1 && block_.weight.empty()) {
      block_.weight.assign(block_.label.size(), 1.0f);
    }
    block_.label.push_back(head.label);
    if (!block_.weight.empty() || head.importance != 1) block_.weight.push_back(head.importance);
    block_.row_offset.push_back(origin.offset);
    writer_.EndRow();
    return NextLine(p, end_);
  }

  // Everything in front of the first bar. Leaves *p at the bar, or at the offence.
  bool ParseHead(const char** p, Head* head) {
    float numbers[3] = {0, 1, 0};  // label, importance, base
    int count = 0;
    while (true) {
      SkipBlanks(p);
      if (**p == '|') break;
      if (IsLineEnd(*p)) return Fail("expected '|', found the end of the line");
      const char* stop = *p;
      while (!IsBlank(*stop) && *stop != '|' && !IsLineEnd(stop)) ++stop;
      if (**p == '\'' || *stop == '|') {  // a tag
        *p = stop;
        SkipBlanks(p);
        if (**p != '|') return Fail("expected '|' behind the tag", *p);
        break;
      }
      if (count == 3) return Fail("expected '|' or a tag", *p);
      const ParsedFloat parsed = ParseFloatAt(begin_, *p, end_);
      if (parsed.result != FloatText::kOk || parsed.end != stop) {
        return Fail(count == 0 ? "expected a label" : "expected a number", *p);
      }
      numbers[count] = parsed.value;
      if (count == 0 && parsed.value != 0 && parsed.value != 1 && parsed.value != -1) {
        return Fail("a label must be 0, 1 or -1", *p);
      }
      if (count == 1 && parsed.value < 0) return Fail("an importance must not be negative", *p);
      if (count == 2 && parsed.value != 0) {
        return Fail("a base (initial prediction) is not supported", *p);
      }
      ++count;
      *p = stop;
    }
    if (count == 0) return Fail("the example has no label");
    head->label = numbers[0] == 1 ? 1.0f : 0.0f;
    head->importance = numbers[1];
    return true;
  }

  // Leaves *p at the end of the line, or at the offence.
  bool ParseNamespaces(const char** p) {
    while (**p == '|') {
      const char* name = ++*p;
      while (!EndsName(*p)) ++*p;
      const std::uint64_t seed = FieldSeed({name, static_cast<std::size_t>(*p - name)});
      float scale = 1;
      if (**p == ':' && !ParseNumber(p, &scale)) return false;
      while (true) {
        SkipBlanks(p);
        if (IsLineEnd(*p) || **p == '|') break;
        if (!ParseFeature(p, seed, scale)) return false;
      }
    }
    return true;
  }

  bool ParseFeature(const char** p, std::uint64_t seed, float scale) {
    const char* name = *p;
    while (!EndsName(*p)) ++*p;
    if (*p == name) return Fail("expected feature[:value]", *p);
    const Key key = CategoryKey(seed, {name, static_cast<std::size_t>(*p - name)});
    float value = 1;
    if (**p == ':' && !ParseNumber(p, &value)) return false;
    value *= scale;
    if (!std::isfinite(value)) {
      *p = name;
      return Fail("value times weight is out of range", name);
    }
    if (value != 0) writer_.Add(key, value);
    return true;
  }

  // The number behind the colon at *p.
  bool ParseNumber(const char** p, float* number) {
    ++*p;
    const ParsedFloat parsed = ParseFloatAt(begin_, *p, end_);
    if (parsed.result == FloatText::kOutOfRange) return Fail("number out of range", *p);
    const bool whole =
        parsed.result == FloatText::kOk && (EndsName(parsed.end) && *parsed.end != ':');
    if (!whole) return Fail("expected a number", *p);
    *number = parsed.value;
    *p = parsed.end;
    return true;
  }

  bool FinishRow(const char* line, const char** p) {
    if (distinct_.AllDistinct(writer_.row_keys(), writer_.row_features()) || writer_.MergeRow()) {
      return true;
    }
    *p = line;
    return Fail("the values of a feature that occurs more than once add up to no finite number");
  }

  // Always false.
  bool Fail(absl::string_view what) {
    what_ = std::string(what);
    return false;
  }
  bool Fail(absl::string_view what, const char* found) {
    what_ = absl::StrCat(what, ", found '", QuotableToken(found), "'");
    return false;
  }

  static void SkipBlanks(const char** p) {
    while (IsBlank(**p)) ++*p;
  }

  const char* const begin_;
  const char* const end_;
  const TextOrigin origin_;
  RowBlock& block_;
  FeatureWriter writer_;
  DistinctCheck distinct_;
  std::string what_;  // is wrong with the current row
};

}  // namespace

void VwParser::Parse(std::string_view text, TextOrigin origin, RowBlock* block) const {
  block->file = origin.file;
  TerminatedLines(text, origin, [block](std::string_view lines, TextOrigin of_lines) {
    ExampleParser(lines, of_lines, block).ParseAll();
  });
}

}  // namespace ps
