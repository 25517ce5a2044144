#include "trainer/progress/progress_reporter.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "trainer/progress/json_log.h"

namespace ps {
namespace {

int ColumnsOf(std::FILE* stream) {
  constexpr int kUsual = 80;
  struct winsize size;
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

ProgressReporter::Options ProgressReporter::OptionsFor(std::FILE* stream, bool json) {
  Options options;
  const char* terminal = std::getenv("TERM");
  const bool can_draw =
      ::isatty(::fileno(stream)) == 1 && terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
  options.style = json ? Style::kJson : can_draw ? Style::kBar : Style::kPlain;
  options.colour = options.style == Style::kBar && !IsSet("NO_COLOR");
  return options;
}

ProgressReporter::~ProgressReporter() {
  const std::lock_guard<std::mutex> lock(mutex_);
  EraseBar();
  std::fflush(stream_);
}

void ProgressReporter::EraseBar() {
  if (bar_columns_ == 0) return;
  const std::string erased =
      absl::StrCat("\r", std::string(static_cast<std::size_t>(bar_columns_), ' '), "\r");
  std::fwrite(erased.data(), 1, erased.size(), stream_);
  bar_columns_ = 0;
}

void ProgressReporter::WriteLine(const std::string& text) {
  EraseBar();
  const std::string line = absl::StrCat(text, "\n");
  std::fwrite(line.data(), 1, line.size(), stream_);
  std::fflush(stream_);
}

void ProgressReporter::WriteProgress(const ProgressLine& line, const char* event) {
  if (options_.style == Style::kJson) {
    WriteLine(JsonLine(line, event));
    return;
  }
  if (!header_written_) WriteLine(PlainHeader(line));
  header_written_ = true;
  WriteLine(PlainLine(line));
}

void ProgressReporter::Report(const ProgressLine& line) {
  if (observer_) observer_(line);
  const std::lock_guard<std::mutex> lock(mutex_);
  WriteProgress(line, "progress");
}

void ProgressReporter::Tick(const ProgressLine& line) {
  if (observer_) observer_(line);
  if (options_.style != Style::kBar) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  // The last column stays free: some terminals break the line when it is written.
  const int width = (options_.width > 0 ? options_.width : ColumnsOf(stream_)) - 1;
  const int columns = static_cast<int>(BarLine(line, width, false).size());
  // Blanks behind a bar that has become shorter; a narrowed terminal gets none.
  const int rest = std::clamp(bar_columns_ - columns, 0, std::max(0, width - columns));
  const std::string text = absl::StrCat("\r", BarLine(line, width, options_.colour),
                                        std::string(static_cast<std::size_t>(rest), ' '));
  std::fwrite(text.data(), 1, text.size(), stream_);
  std::fflush(stream_);
  bar_columns_ = columns;
}

void ProgressReporter::Say(const std::string& text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (options_.style == Style::kJson) {
    WriteLine(JsonObject().Add("event", "message").Add("text", text).ToString());
  } else {
    WriteLine(text);
  }
}

void ProgressReporter::Final(const ProgressLine& line) {
  if (observer_) observer_(line);
  const std::lock_guard<std::mutex> lock(mutex_);
  WriteProgress(line, "done");
}

}  // namespace ps
