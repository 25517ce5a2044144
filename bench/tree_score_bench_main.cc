// tree_score_bench --model DIR --data FILE: how fast a model of trees scores the rows of a file, as a line of JSON: many
// rows from values in memory, by one thread and by --threads; one row at a time, from values and from its text.
#include <gflags/gflags.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "models/bundle/bundle.h"
#include "models/gbdt/tree_scorer.h"
#include "ps/base/program_flags.h"
#include "ps/base/status_macros.h"

DEFINE_string(model, "", "Bundle of the model");
DEFINE_string(data, "", "File of rows as the model reads them, plain text");
DEFINE_int64(rows, 100'000, "Rows of the file that are read, at most; fewer where their values take over 512 MiB");
DEFINE_int32(threads, 2, "Threads that many rows are scored by");

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// Of at least a second of calls, the median time of one, in µs; act(i) for i in 0..count.
template <typename Act>
double MedianMicroseconds(std::size_t count, const Act& act) {
  std::vector<float> times;
  const auto start = Clock::now();
  for (std::size_t i = 0; Clock::now() - start < std::chrono::seconds(1); i = (i + 1) % count) {
    const auto before = Clock::now();
    act(i);
    times.push_back(static_cast<float>(1e6 * Seconds(Clock::now() - before)));
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

// Rows a second of threads that each score a part of the rows, again and again for at least a second.
double RowsPerSecond(const TreeScorer& scorer, const std::vector<float>& values, std::size_t rows, std::size_t threads) {
  const std::size_t columns = scorer.model().columns.size(), outputs = scorer.model().outputs();
  std::vector<float> margins(rows * outputs);
  std::size_t scored = 0;
  const auto start = Clock::now();
  while (Clock::now() - start < std::chrono::seconds(1)) {
    std::vector<std::thread> crew;
    for (std::size_t t = 0; t < threads; ++t) {
      const std::size_t first = rows * t / threads, end = rows * (t + 1) / threads;
      crew.emplace_back([&, first, end] {
        scorer.Margins(values.data() + first * columns, end - first, margins.data() + first * outputs);
      });
    }
    for (std::thread& thread : crew) thread.join();
    scored += rows;
  }
  return static_cast<double>(scored) / Seconds(Clock::now() - start);
}

absl::Status Run() {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<const Bundle> bundle, Bundle::Open(FLAGS_model));
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<TreeScorer> scorer, TreeScorer::FromBundle(std::move(bundle)));
  std::ifstream file(FLAGS_data);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", FLAGS_data));
  std::vector<std::string> lines;
  std::vector<float> values;
  const std::size_t columns = scorer->model().columns.size(), most = (std::size_t{512} << 20) / sizeof(float);
  const TextOrigin anywhere{.file = 0, .offset = 1};  // no header
  for (std::string line; static_cast<std::int64_t>(lines.size()) < FLAGS_rows && values.size() + columns <= most &&
                         std::getline(file, line);) {
    RowBlock row;
    scorer->VisitText(line, anywhere, &row,
                      [&](const RowBlock&, std::size_t, std::size_t count, const float* of_rows) {
                        values.insert(values.end(), of_rows, of_rows + count * columns);
                      });
    if (row.rows() == 1) lines.push_back(line);
  }
  if (lines.empty()) return absl::InvalidArgumentError(absl::StrCat(FLAGS_data, " has no row that the model can read"));
  std::vector<float> margins(scorer->model().outputs());
  const double by_values = MedianMicroseconds(
      lines.size(), [&](std::size_t i) { scorer->Margins(values.data() + i * columns, 1, margins.data()); });
  const double by_text = MedianMicroseconds(lines.size(), [&](std::size_t i) {
    RowBlock row;
    scorer->ScoreText(lines[i], anywhere, &row, &margins);
  });
  std::printf("{\"rows\": %zu, \"columns\": %zu, \"rows_per_second\": %.0f, \"rows_per_second_of_threads\": %.0f, "
              "\"row_us\": %.3f, \"row_from_text_us\": %.3f}\n",
              lines.size(), columns, RowsPerSecond(*scorer, values, lines.size(), 1),
              RowsPerSecond(*scorer, values, lines.size(), static_cast<std::size_t>(std::max(1, FLAGS_threads))), by_values,
              by_text);
  return absl::OkStatus();
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  ps::ParseProgramFlags("tree_score_bench", "measures the scoring of rows by trees", __FILE__, &argc, &argv);
  const absl::Status status = ps::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "tree_score_bench: %s\n", std::string(status.message()).c_str());
  return 1;
}
