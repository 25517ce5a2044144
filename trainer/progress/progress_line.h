// What training tells a person while it runs, as numbers and as text. Pure; any thread.
//
// Losses are mean log losses in nats a row (weighted by importance), of numbers the root mean squared error in their
// place; fractions lie in [0, 1].
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ps {

struct ProgressLine {
  int pass = 1;
  int passes = 1;
  std::uint64_t rows = 0;                    // learnt so far, over all passes
  double rows_per_second = 0;                // since the last line
  std::optional<double> logloss_since_last;  // predicted before learning
  std::optional<double> logloss;             // the same over the whole pass so far
  std::optional<double> valid_logloss;
  std::optional<double> valid_auc;    // of several classes the mean of each against the rest; NaN: of one class only
  std::optional<double> valid_error;  // of several classes: rate
  std::optional<double> rmse, valid_rmse;  // of numbers, in place of the losses
  std::uint64_t features = 0;  // 0: not known
  std::int64_t resident_bytes = 0;
  std::optional<double> fraction_read;  // of this pass's input
  std::optional<double> eta_seconds;
  double elapsed_seconds = 0;
};

std::string FormatCount(std::uint64_t count);  // 12,345,678
std::string FormatShort(double count);         // 12.3M
std::string FormatBytes(std::int64_t bytes);   // 1.2 GiB
std::string FormatDuration(double seconds);    // 9.5s, 3m05s, 2h07m

// Columns for people, aligned under the header; without line ends.
std::string PlainHeader(const ProgressLine& first);
std::string PlainLine(const ProgressLine& line);

// The one line that is drawn over and over, at most `width` columns. Without colour it has no
// escape sequences.
std::string BarLine(const ProgressLine& line, int width, bool colour);

// {"event":"progress","pass":1,...}; members that are not known are left out.
std::string JsonLine(const ProgressLine& line, const char* event);

}  // namespace ps
