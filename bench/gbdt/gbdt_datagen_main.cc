// gbdt_datagen: writes rows of bench/gbdt/tree_rows.h.
#include <gflags/gflags.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "bench/gbdt/tree_rows.h"
#include "ps/base/file.h"
#include "ps/base/program_flags.h"

DEFINE_string(shape, "dense", "dense: 28 columns, tab-separated; sparse: libsvm");
DEFINE_uint64(rows, 100000, "how many");
DEFINE_uint64(first_row, 0, "number of the first one");
DEFINE_uint64(seed, 1, "");
DEFINE_int32(classes, 2, "of dense rows, 2 to 26; more than two are called A, B, ...");
DEFINE_uint32(columns, 100000, "of sparse rows");
DEFINE_string(out, "", "file to write");

int main(int argc, char** argv) {
  ps::ParseProgramFlags("gbdt_datagen", "writes rows for trees with a known truth", __FILE__, &argc, &argv);
  const bool known = FLAGS_shape == "dense" || (FLAGS_shape == "sparse" && FLAGS_classes == 2);
  if (FLAGS_out.empty() || !known || FLAGS_classes < 2 || FLAGS_classes > 26) {
    std::cerr << "usage: gbdt_datagen --shape dense|sparse --rows N --out FILE [--first_row N] "
                 "[--seed N] [--classes N]\n";
    return 2;
  }
  ps::MakeParentDirs(FLAGS_out).IgnoreError();  // the file says it, too
  std::FILE* const file = std::fopen(FLAGS_out.c_str(), "wb");
  if (file == nullptr) {
    std::cerr << "gbdt_datagen: cannot write " << FLAGS_out << "\n";
    return 3;
  }
  const ps::DenseTreeRows dense(FLAGS_seed, FLAGS_classes);
  const ps::SparseTreeRows sparse(FLAGS_seed, FLAGS_shape == "sparse" ? FLAGS_columns : 1);
  std::string text;
  bool ok = true;
  for (std::uint64_t i = 0; i < FLAGS_rows; ++i) {
    const std::uint64_t row = FLAGS_first_row + i;
    if (FLAGS_shape == "dense") {
      dense.Append(row, &text);
    } else {
      sparse.Append(row, &text);
    }
    if (text.size() > (1 << 20) || i + 1 == FLAGS_rows) {
      ok = ok && std::fwrite(text.data(), 1, text.size(), file) == text.size();
      text.clear();
    }
  }
  ok = std::fclose(file) == 0 && ok;
  if (!ok) std::cerr << "gbdt_datagen: cannot write " << FLAGS_out << "\n";
  return ok ? 0 : 3;
}
