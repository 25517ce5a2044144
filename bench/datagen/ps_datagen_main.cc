// ps_datagen: deterministic Criteo-shaped click logs with a known truth, for machines with no data
// at hand.
#include <errno.h>
#include <fcntl.h>
#include <gflags/gflags.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "bench/datagen/criteo_truth.h"
#include "bench/datagen/row_stream.h"
#include "bench/datagen/row_text.h"
#include "ps/base/file.h"
#include "ps/base/program_flags.h"

DEFINE_uint64(rows, 1000000, "Rows to write");
DEFINE_uint64(first_row, 0, "Index of the first row; ranges of one seed share the truth");
DEFINE_uint64(seed, 1, "Seed of the truth and of the rows");
DEFINE_double(zipf, 1.05, "Exponent of the categorical ranks");
DEFINE_double(positive_rate, 0.25, "Share of positive rows");
DEFINE_string(format, "libsvm",
              "libsvm, vw, criteo (tab-separated, no header) or csv (with header)");
DEFINE_int32(hash_bits, 24, "libsvm and vw: features are hashed to 1 .. 2^hash_bits");
DEFINE_string(out, "-", "File to write; - for standard output");
DEFINE_int32(threads, 0, "Threads; 0: all processors");
DEFINE_bool(truth, false, "Print the AUC and log loss of the truth itself on these rows");

namespace {

int Fail(int code, const std::string& why) {
  std::fprintf(stderr, "ps_datagen: %s\n", why.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  ps::ParseProgramFlags("ps_datagen", "writes Criteo-shaped click logs with a known truth", __FILE__, &argc, &argv);
  if (argc > 1) return Fail(2, std::string("unknown argument ") + argv[1]);
  const std::optional<ps::RowFormat> format = ps::ParseRowFormat(FLAGS_format);
  if (!format) return Fail(2, "--format must be libsvm, vw, criteo or csv, not " + FLAGS_format);
  if (FLAGS_hash_bits < ps::kMinHashBits || FLAGS_hash_bits > ps::kMaxHashBits) {
    return Fail(2, "--hash_bits must be 8 to 48");
  }
  if (!(FLAGS_zipf > 0 && FLAGS_zipf < 10)) return Fail(2, "--zipf must be above 0 and below 10");
  if (!(FLAGS_positive_rate > 0.001 && FLAGS_positive_rate < 0.999)) {
    return Fail(2, "--positive_rate must be within .001 and .999");
  }
  if (FLAGS_threads < 0 || FLAGS_threads > 1024) return Fail(2, "--threads must be 0 to 1024");

  const bool to_file = FLAGS_out != "-";
  if (to_file) {
    if (const absl::Status made = ps::MakeParentDirs(FLAGS_out); !made.ok()) return Fail(3, std::string(made.message()));
  }
  const int file = to_file ? open(FLAGS_out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                           : STDOUT_FILENO;
  if (file < 0) return Fail(3, "cannot create " + FLAGS_out + ": " + std::strerror(errno));

  const ps::CriteoTruth truth(
      {.seed = FLAGS_seed, .zipf = FLAGS_zipf, .positive_rate = FLAGS_positive_rate});
  const ps::RowWriter writer(*format, FLAGS_hash_bits);
  const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
  const ps::RowStreamOptions options = {
      .first_row = FLAGS_first_row,
      .rows = FLAGS_rows,
      .threads = FLAGS_threads > 0 ? FLAGS_threads : static_cast<int>(processors),
      .score_truth = FLAGS_truth};
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<ps::RowStreamResult> result = ps::StreamRows(truth, writer, options, file);
  if (!result.ok()) return Fail(3, FLAGS_out + ": " + std::string(result.status().message()));
  if (to_file && close(file) != 0) return Fail(3, FLAGS_out + ": " + std::strerror(errno));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::fprintf(stderr, "%llu rows, %llu positive, %.1f MB in %.2f s (%.2f GB/s)\n",
               static_cast<unsigned long long>(FLAGS_rows),
               static_cast<unsigned long long>(result->positives), result->bytes * 1e-6, seconds,
               result->bytes * 1e-9 / seconds);
  if (FLAGS_truth) {
    std::fprintf(stderr, "truth: AUC %.5f, log loss %.5f\n", result->truth.auc,
                 result->truth.logloss);
  }
  return 0;
}
