// Shows progress on standard error: a bar on a terminal, plain lines elsewhere, JSON when asked.
//
// Any thread may call any method; lines are never torn. The stream stays the caller's and outlives
// the reporter.
#pragma once

#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "trainer/progress/progress_line.h"

namespace ps {

class ProgressReporter {
 public:
  enum class Style { kBar, kPlain, kJson };

  struct Options {
    Style style = Style::kPlain;
    bool colour = false;  // of the bar
    int width = 0;        // columns; 0: asked from the terminal at every drawing
  };

  // The style for a stream: JSON when wanted; a bar on a terminal that can draw one (TERM is not
  // "dumb"); colour unless NO_COLOR is set and not empty (no-color.org).
  static Options OptionsFor(std::FILE* stream, bool json);

  ProgressReporter(std::FILE* stream, Options options) : stream_(stream), options_(options) {}
  ~ProgressReporter();  // takes an unfinished bar off the screen
  ProgressReporter(const ProgressReporter&) = delete;
  ProgressReporter& operator=(const ProgressReporter&) = delete;

  // Called with every line and tick, in the thread that reports. Set before anybody reports.
  void SetObserver(std::function<void(const ProgressLine&)> observer) {
    observer_ = std::move(observer);
  }

  // A line that stays; the first one brings its header.
  void Report(const ProgressLine& line);

  // Redraws the bar; in the other styles only the observer learns of it. A few times a second is
  // enough.
  void Tick(const ProgressLine& line);

  // Something to say between the lines ("early stop after pass 3"); one line of text.
  void Say(const std::string& text);

  // The last line; the bar goes.
  void Final(const ProgressLine& line);

 private:
  void WriteLine(const std::string& text);  // all of these with mutex_ held
  void WriteProgress(const ProgressLine& line, const char* event);
  void EraseBar();

  std::FILE* const stream_;
  const Options options_;
  std::function<void(const ProgressLine&)> observer_;

  std::mutex mutex_;
  bool header_written_ = false;  // protected by mutex_, as is:
  int bar_columns_ = 0;          // drawn and not yet erased
};

}  // namespace ps
