#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "tests/trainer/json_reader.h"
#include "trainer/progress/progress_line.h"
#include "trainer/progress/progress_meter.h"
#include "trainer/progress/progress_reporter.h"

namespace ps {
namespace {

JsonValue ParseJson(const std::string& text) {
  const std::optional<JsonValue> value = JsonReader::Read(text);
  EXPECT_TRUE(value) << text;
  return value.value_or(JsonValue());
}

double NumberOf(const JsonValue& json, const std::string& name) {
  const auto found = json.members.find(name);
  const bool is_number =
      found != json.members.end() && found->second.kind == JsonValue::Kind::kNumber;
  EXPECT_TRUE(is_number) << name;
  return is_number ? found->second.number : 0;
}

ProgressLine SampleLine() {
  ProgressLine line;
  line.pass = 2;
  line.passes = 3;
  line.rows = 1234567;
  line.rows_per_second = 512345.6;
  line.logloss_since_last = 0.456789;
  line.logloss = 0.5;
  line.valid_logloss = 0.47;
  line.valid_auc = 0.78125;
  line.features = 9876543;
  line.resident_bytes = std::int64_t{3} << 29;
  line.fraction_read = 0.25;
  line.eta_seconds = 125;
  line.elapsed_seconds = 2.5;
  return line;
}

TEST(FormatTest, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(~std::uint64_t{0}), "18,446,744,073,709,551,615");
  EXPECT_EQ(FormatShort(0), "0");
  EXPECT_EQ(FormatShort(999), "999");
  EXPECT_EQ(FormatShort(999.97), "1.0k");
  EXPECT_EQ(FormatShort(12345), "12.3k");
  EXPECT_EQ(FormatShort(999999), "1.0M");
  EXPECT_EQ(FormatShort(2.1e6), "2.1M");
  EXPECT_EQ(FormatShort(5e15), "5000.0T");
}

TEST(FormatTest, BytesAndDurations) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(std::int64_t{3} << 29), "1.5 GiB");
  EXPECT_EQ(FormatDuration(0), "0.0s");
  EXPECT_EQ(FormatDuration(9.94), "9.9s");
  EXPECT_EQ(FormatDuration(9.96), "10s");
  EXPECT_EQ(FormatDuration(59.6), "1m00s");
  EXPECT_EQ(FormatDuration(3599.6), "1h00m");
  EXPECT_EQ(FormatDuration(7625), "2h07m");
  EXPECT_EQ(FormatDuration(-1), "-");
  EXPECT_EQ(FormatDuration(std::nan("")), "-");
  EXPECT_NE(FormatDuration(std::numeric_limits<double>::infinity()), "");
}

TEST(PlainTest, ColumnsStandUnderTheirHeader) {
  EXPECT_EQ(
      PlainHeader(SampleLine()),
      " pass           rows   rows/s loss since  loss mean valid loss valid AUC  features     "
      "memory  read    left");
  EXPECT_EQ(PlainLine(SampleLine()),
            "  2/3      1,234,567   512.3k    0.45679    0.50000    0.47000   0.78125      9.9M    "
            "1.5 GiB   25%   2m05s");
  ProgressLine nothing_known;
  EXPECT_EQ(PlainLine(nothing_known),
            "  1/1              0        0          -          -          -         -         -    "
            "    0 B     -       -");
}

TEST(PlainTest, ErrorsOfNumbersAndAnAucOfOneClass) {
  const std::string begin = "  1/1              0        0          - ";
  ProgressLine numbers, one_class;
  numbers.rmse = 12345.678, numbers.valid_rmse = 1.5e-7, one_class.valid_auc = std::nan("");
  EXPECT_EQ(PlainHeader(numbers).substr(30, 42), "loss since       rmse valid rmse valid AUC");
  EXPECT_EQ(PlainLine(numbers).substr(0, 72), begin + "     12346    1.5e-07         -");
  EXPECT_EQ(PlainLine(one_class).substr(0, 72), begin + "         -          - one class");
  EXPECT_EQ(NumberOf(ParseJson(JsonLine(numbers, "progress")), "valid_rmse"), 1.5e-7);
}

TEST(BarTest, ShowsTheFractionOfAllPasses) {
  // A pass and a quarter of three: 5/12 of a bar of 40 cells are 16 and a head.
  EXPECT_EQ(BarLine(SampleLine(), 200, false),
            "[================>                       ] 42%  1.2M rows  512.3k rows/s  loss 0.50000"
            "  pass 2/3  2m05s left");
}

TEST(BarTest, NeverExceedsTheWidth) {
  for (int width = 0; width < 150; ++width) {
    for (double fraction : {0.0, 0.5, 1.0, 7.0}) {
      ProgressLine line = SampleLine();
      line.fraction_read = fraction;
      EXPECT_LE(BarLine(line, width, false).size(), static_cast<std::size_t>(width));
    }
  }
}

TEST(BarTest, ColourAddsEscapesAndNothingElse) {
  std::string coloured = BarLine(SampleLine(), 120, true);
  const std::string bare = BarLine(SampleLine(), 120, false);
  EXPECT_EQ(bare.find('\x1b'), std::string::npos);
  for (std::size_t at; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  EXPECT_EQ(coloured, bare);
}

TEST(JsonTest, ALineHasEveryNumberThatIsKnown) {
  const JsonValue json = ParseJson(JsonLine(SampleLine(), "progress"));
  EXPECT_EQ(json.members.at("event").text, "progress");
  EXPECT_EQ(NumberOf(json, "pass"), 2);
  EXPECT_EQ(NumberOf(json, "passes"), 3);
  EXPECT_EQ(NumberOf(json, "rows"), 1234567);
  EXPECT_EQ(NumberOf(json, "rows_per_second"), 512345.6);
  EXPECT_EQ(NumberOf(json, "logloss_since_last"), 0.456789);
  EXPECT_EQ(NumberOf(json, "logloss"), 0.5);
  EXPECT_EQ(NumberOf(json, "valid_logloss"), 0.47);
  EXPECT_EQ(NumberOf(json, "valid_auc"), 0.78125);
  EXPECT_EQ(NumberOf(json, "features"), 9876543);
  EXPECT_EQ(NumberOf(json, "resident_bytes"), 1.5 * (1 << 30));
  EXPECT_EQ(NumberOf(json, "fraction_read"), 0.25);
  EXPECT_EQ(NumberOf(json, "eta_seconds"), 125);
  EXPECT_EQ(NumberOf(json, "elapsed_seconds"), 2.5);
  EXPECT_EQ(json.members.size(), 14u);
  for (const char* unknown : {"valid_auc", "features", "fraction_read"})
    EXPECT_EQ(ParseJson(JsonLine(ProgressLine(), "progress")).members.count(unknown), 0u) << unknown;
}

ProgressTotals Totals(std::uint64_t rows, double seconds) {
  ProgressTotals totals;
  totals.rows = rows;
  totals.elapsed_seconds = seconds;
  return totals;
}

TEST(MeterTest, LinesAreDueAtDoublingCounts) {
  ProgressMeter meter;
  std::vector<std::uint64_t> due;
  for (std::uint64_t rows = 0; rows <= 100000; rows += 10) {
    if (!meter.IsDue(rows, 0)) continue;
    due.push_back(rows);
    meter.Take(Totals(rows, 0));
  }
  EXPECT_EQ(due, (std::vector<std::uint64_t>{1000, 2000, 4000, 8000, 16000, 32000, 64000}));
}

TEST(MeterTest, AJumpOverSeveralDoublingsIsOneLine) {
  ProgressMeter meter;
  EXPECT_TRUE(meter.IsDue(70000, 1));
  meter.Take(Totals(70000, 1));
  EXPECT_FALSE(meter.IsDue(127999, 1));
  EXPECT_TRUE(meter.IsDue(128000, 1));
  meter.Take(Totals(~std::uint64_t{0} >> 1, 2));  // ends, and does not wrap
}

TEST(MeterTest, TimeMakesLinesDueOnlyOnRequest) {
  ProgressMeter silent;
  EXPECT_FALSE(silent.IsDue(10, 1e9));
  ProgressMeter meter(5);
  EXPECT_FALSE(meter.IsDue(10, 4.9));
  EXPECT_TRUE(meter.IsDue(10, 5));
  meter.Take(Totals(10, 6));
  EXPECT_FALSE(meter.IsDue(20, 10.9));
  EXPECT_TRUE(meter.IsDue(20, 11));
}

TEST(MeterTest, CountsFromTheLastLine) {
  ProgressMeter meter;
  ProgressTotals totals = Totals(1000, 2);
  totals.loss_sum = 700;
  totals.weight_sum = 1000;
  ProgressLine line = meter.Take(totals);
  EXPECT_EQ(line.rows_per_second, 500);
  EXPECT_EQ(line.logloss, 0.7);
  EXPECT_EQ(line.logloss_since_last, 0.7);
  totals = Totals(3000, 3);
  totals.loss_sum = 1700;
  totals.weight_sum = 3000;
  EXPECT_EQ(meter.Peek(totals).logloss_since_last, 0.5);
  line = meter.Take(totals);  // looking changed nothing
  EXPECT_EQ(line.rows_per_second, 2000);
  EXPECT_EQ(line.logloss_since_last, 0.5);
  EXPECT_DOUBLE_EQ(*line.logloss, 1700.0 / 3000);
  EXPECT_FALSE(meter.Take(totals).logloss_since_last);  // nothing new: no number, not a zero
}

TEST(MeterTest, LossesBeginAnewWithEveryPass) {
  ProgressMeter meter;
  ProgressTotals totals = Totals(1000, 1);
  totals.passes = 2;
  totals.loss_sum = 700;
  totals.weight_sum = 1000;
  meter.Take(totals);
  totals = Totals(1500, 2);
  totals.pass = totals.passes = 2;
  totals.loss_sum = 100;
  totals.weight_sum = 500;
  const ProgressLine line = meter.Take(totals);
  EXPECT_DOUBLE_EQ(*line.logloss_since_last, 0.2);
  EXPECT_DOUBLE_EQ(*line.logloss, 0.2);
}

TEST(MeterTest, TimeBeforeTheFirstRowsIsNotThePasss) {
  ProgressMeter meter;
  ProgressTotals totals = Totals(1000, 300);
  meter.BeginAt(1, 300, 0.6);  // five minutes of waiting, and the pass goes on at 60 %
  totals.fraction_read = 0.6;
  EXPECT_FALSE(meter.Peek(totals).eta_seconds);
  totals.elapsed_seconds = 310;
  totals.fraction_read = 0.7;
  EXPECT_NEAR(*meter.Take(totals).eta_seconds, 30, 1e-9);
  totals.passes = totals.pass = 2;  // a whole one
  totals.elapsed_seconds = 320;
  totals.fraction_read = 0.5;
  EXPECT_NEAR(*meter.Take(totals).eta_seconds, 10, 1e-9);
}

TEST(MeterTest, TheTimeLeftFollowsThePassThatRuns) {
  ProgressMeter meter;
  ProgressTotals totals = Totals(1000, 10);
  EXPECT_FALSE(meter.Peek(totals).eta_seconds);
  totals.passes = 3;
  totals.fraction_read = 0.5;
  EXPECT_DOUBLE_EQ(*meter.Peek(totals).eta_seconds, 10 + 2 * 20);
  totals.elapsed_seconds = 20;
  totals.fraction_read = 1;
  meter.Take(totals);
  totals.pass = 2;  // from the cache, ten times as fast
  totals.rows = 1500;
  totals.elapsed_seconds = 21;
  totals.fraction_read = 0.5;
  EXPECT_DOUBLE_EQ(*meter.Take(totals).eta_seconds, 1 + 2);
  totals.elapsed_seconds = 21.5;
  totals.fraction_read = 0.75;
  EXPECT_DOUBLE_EQ(*meter.Peek(totals).eta_seconds, 0.5 + 2);
}

// A stream whose content can be looked at.
class Capture {
 public:
  Capture() : stream_(::open_memstream(&data_, &size_)) {}
  ~Capture() {
    std::fclose(stream_);
    ::free(data_);
  }
  std::FILE* stream() const { return stream_; }
  std::string text() const {
    std::fflush(stream_);
    return std::string(data_, size_);
  }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* stream_;
};

// What a terminal shows after the text: carriage returns overwrite.
std::vector<std::string> Screen(const std::string& text) {
  std::vector<std::string> lines(1);
  std::size_t column = 0;
  for (char c : text) {
    if (c == '\n') {
      lines.emplace_back();
      column = 0;
    } else if (c == '\r') {
      column = 0;
    } else {
      if (column >= lines.back().size()) lines.back().resize(column + 1, ' ');
      lines.back()[column++] = c;
    }
  }
  for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
  return lines;
}

TEST(ReporterTest, PlainHasOneHeaderAndNoBar) {
  Capture capture;
  {
    ProgressReporter reporter(capture.stream(), {.style = ProgressReporter::Style::kPlain});
    reporter.Report(SampleLine());
    reporter.Tick(SampleLine());
    reporter.Say("early stop");
    reporter.Final(SampleLine());
  }
  EXPECT_EQ(capture.text(), PlainHeader(SampleLine()) + "\n" + PlainLine(SampleLine()) + "\nearly stop\n" +
                                PlainLine(SampleLine()) + "\n");
}

TEST(ReporterTest, JsonIsOneObjectALine) {
  Capture capture;
  ProgressReporter reporter(capture.stream(), {.style = ProgressReporter::Style::kJson});
  reporter.Report(SampleLine());
  reporter.Tick(SampleLine());
  reporter.Say("two\nlines");
  reporter.Final(SampleLine());
  const std::vector<std::string> lines = Screen(capture.text());
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(ParseJson(lines[0]).members.at("event").text, "progress");
  EXPECT_EQ(ParseJson(lines[1]).members.at("text").text, "two\nlines");
  EXPECT_EQ(ParseJson(lines[2]).members.at("event").text, "done");
  EXPECT_EQ(lines[3], "");
}

TEST(ReporterTest, TheBarIsReplacedByLinesAndLeavesNoRest) {
  Capture capture;
  ProgressLine shorter = SampleLine();
  shorter.passes = 1;
  shorter.pass = 1;
  shorter.eta_seconds.reset();
  {
    ProgressReporter reporter(capture.stream(),
                              {.style = ProgressReporter::Style::kBar, .width = 130});
    reporter.Tick(SampleLine());
    reporter.Tick(shorter);
    EXPECT_EQ(Screen(capture.text()), std::vector<std::string>{BarLine(shorter, 129, false)});
    reporter.Report(SampleLine());
    EXPECT_EQ(Screen(capture.text()),
              (std::vector<std::string>{PlainHeader(SampleLine()), PlainLine(SampleLine()), ""}));
    reporter.Tick(SampleLine());
    EXPECT_EQ(Screen(capture.text()).back(), BarLine(SampleLine(), 129, false));
  }  // an early end takes the bar away
  EXPECT_EQ(Screen(capture.text()),
            (std::vector<std::string>{PlainHeader(SampleLine()), PlainLine(SampleLine()), ""}));
}

TEST(ReporterTest, ThreadsDoNotTearLines) {
  Capture capture;
  ProgressReporter reporter(capture.stream(), {.style = ProgressReporter::Style::kJson});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) reporter.Report(SampleLine());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = Screen(capture.text());
  ASSERT_EQ(lines.size(), 201u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(lines[i], JsonLine(SampleLine(), "progress"));
}

TEST(ReporterTest, TheStyleFollowsTheStream) {
  std::FILE* plain = std::tmpfile();
  ASSERT_NE(plain, nullptr);
  using Style = ProgressReporter::Style;
  EXPECT_EQ(ProgressReporter::OptionsFor(plain, false).style, Style::kPlain);
  EXPECT_EQ(ProgressReporter::OptionsFor(plain, true).style, Style::kJson);
  std::fclose(plain);

  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) {
    GTEST_SKIP() << "no pseudo-terminals here";
  }
  std::FILE* terminal = std::fopen(::ptsname(master), "w");
  if (terminal == nullptr) GTEST_SKIP() << "no pseudo-terminals here";
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  EXPECT_EQ(ProgressReporter::OptionsFor(terminal, false).style, Style::kBar);
  EXPECT_TRUE(ProgressReporter::OptionsFor(terminal, false).colour);
  EXPECT_EQ(ProgressReporter::OptionsFor(terminal, true).style, Style::kJson);
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(ProgressReporter::OptionsFor(terminal, false).style, Style::kBar);
  EXPECT_FALSE(ProgressReporter::OptionsFor(terminal, false).colour);
  ::setenv("TERM", "dumb", 1);
  EXPECT_EQ(ProgressReporter::OptionsFor(terminal, false).style, Style::kPlain);
  std::fclose(terminal);
  ::close(master);
}

}  // namespace
}  // namespace ps
