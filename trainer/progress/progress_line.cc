#include "trainer/progress/progress_line.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/progress/json_log.h"

namespace ps {
namespace {

constexpr char kGreen[] = "\x1b[32m";
constexpr char kPlain[] = "\x1b[0m";

std::string FormatLoss(const std::optional<double>& loss) {
  return loss ? absl::StrFormat("%.5f", *loss) : "-";
}

// Errors have the unit of the labels: any size.
std::string FormatLoss(const std::optional<double>& loss, const std::optional<double>& rmse) {
  return rmse ? absl::StrFormat("%.5g", *rmse) : FormatLoss(loss);
}

std::string FormatAuc(const std::optional<double>& auc) {
  return auc && std::isnan(*auc) ? "one class" : FormatLoss(auc);
}

std::string FormatPercent(const std::optional<double>& fraction) {
  return fraction ? absl::StrFormat("%.0f%%", 100 * std::clamp(*fraction, 0.0, 1.0)) : "-";
}

std::string FormatPass(const ProgressLine& line) {
  return absl::StrCat(line.pass, "/", line.passes);
}

// Progress over all passes; a pass without a known end counts when it is over.
double FractionOfAll(const ProgressLine& line) {
  const double done = line.pass - 1 + line.fraction_read.value_or(0);
  return std::clamp(done / std::max(1, line.passes), 0.0, 1.0);
}

}  // namespace

std::string FormatCount(std::uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string FormatShort(double count) {
  static constexpr const char* kUnits[] = {"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  // 999.95 would be written 1000.0 with one decimal.
  while (count >= 999.95 && unit + 1 < std::size(kUnits)) {
    count /= 1000;
    ++unit;
  }
  return unit == 0 ? absl::StrFormat("%.0f", count)
                   : absl::StrFormat("%.1f%s", count, kUnits[unit]);
}

std::string FormatBytes(std::int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double count = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (count >= 1023.95 && unit + 1 < std::size(kUnits)) {
    count /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrCat(bytes, " B") : absl::StrFormat("%.1f %s", count, kUnits[unit]);
}

std::string FormatDuration(double seconds) {
  if (!(seconds >= 0)) return "-";
  if (seconds < 9.95) return absl::StrFormat("%.1fs", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(std::min(seconds, 1e15)));
  if (whole < 60) return absl::StrFormat("%ds", whole);
  if (whole < 3600) return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  const std::int64_t minutes = whole / 60;
  return absl::StrFormat("%dh%02dm", minutes / 60, minutes % 60);
}

std::string PlainHeader(const ProgressLine& first) {
  const bool errors = first.rmse.has_value() || first.valid_rmse.has_value();
  return absl::StrFormat("%5s %14s %8s %10s %10s %10s %9s %9s %10s %5s %7s", "pass", "rows",
                         "rows/s", "loss since", errors ? "rmse" : "loss mean", errors ? "valid rmse" : "valid loss",
                         "valid AUC", "features", "memory", "read", "left");
}

std::string PlainLine(const ProgressLine& line) {
  return absl::StrFormat("%5s %14s %8s %10s %10s %10s %9s %9s %10s %5s %7s", FormatPass(line),
                         FormatCount(line.rows), FormatShort(line.rows_per_second),
                         FormatLoss(line.logloss_since_last), FormatLoss(line.logloss, line.rmse),
                         FormatLoss(line.valid_logloss, line.valid_rmse), FormatAuc(line.valid_auc),
                         line.features > 0 ? FormatShort(static_cast<double>(line.features)) : "-",
                         FormatBytes(line.resident_bytes), FormatPercent(line.fraction_read),
                         line.eta_seconds ? FormatDuration(*line.eta_seconds) : "-");
}

std::string BarLine(const ProgressLine& line, int width, bool colour) {
  std::string numbers =
      absl::StrCat(" ", FormatPercent(FractionOfAll(line)), "  ", FormatShort(line.rows), " rows  ",
                   FormatShort(line.rows_per_second), " rows/s");
  if (line.logloss || line.rmse)
    absl::StrAppend(&numbers, line.rmse ? "  rmse " : "  loss ", FormatLoss(line.logloss, line.rmse));
  if (line.passes > 1) absl::StrAppend(&numbers, "  pass ", FormatPass(line));
  if (line.eta_seconds) {
    absl::StrAppend(&numbers, "  ", FormatDuration(*line.eta_seconds), " left");
  }
  constexpr int kShortestBar = 10;
  constexpr int kLongestBar = 40;
  const int room = width - static_cast<int>(numbers.size()) - 2;
  if (room < kShortestBar) return numbers.substr(1, static_cast<std::size_t>(std::max(width, 0)));
  const int cells = std::min(room, kLongestBar);
  const int full = static_cast<int>(std::floor(FractionOfAll(line) * cells));
  return absl::StrCat("[", colour ? kGreen : "", std::string(full, '='), full < cells ? ">" : "",
                      colour ? kPlain : "", std::string(std::max(0, cells - full - 1), ' '), "]",
                      numbers);
}

std::string JsonLine(const ProgressLine& line, const char* event) {
  JsonObject json;
  json.Add("event", event)
      .Add("pass", line.pass)
      .Add("passes", line.passes)
      .Add("rows", line.rows)
      .Add("rows_per_second", line.rows_per_second)
      .Add("logloss_since_last", line.logloss_since_last)
      .Add("logloss", line.logloss)
      .Add("valid_logloss", line.valid_logloss)
      .Add("valid_auc", line.valid_auc)
      .Add("valid_error", line.valid_error)
      .Add("rmse", line.rmse)
      .Add("valid_rmse", line.valid_rmse);
  if (line.features > 0) json.Add("features", line.features);
  json.Add("resident_bytes", line.resident_bytes)
      .Add("fraction_read", line.fraction_read)
      .Add("eta_seconds", line.eta_seconds)
      .Add("elapsed_seconds", line.elapsed_seconds);
  return json.ToString();
}

}  // namespace ps
