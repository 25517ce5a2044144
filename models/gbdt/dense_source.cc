#include <algorithm>
#include <array>
#include <cstring>

#include "models/gbdt/histogram_source.h"

namespace ps {
namespace {

// Rows that are parted, then summed while their bins are in the first-level cache. Also the most
// that narrow sums may take.
constexpr std::size_t kPieceRows = 1024;
static_assert(kPieceRows % PlacedRows::kWordBits == 0);
static_assert(kPieceRows * kGradientSteps < (1 << 15));
static_assert(kPieceRows * (kHessianSteps + 1) < (1 << 16));

// Nodes of fewer rows are parted by one thread: waking the others takes longer.
constexpr std::uint64_t kFewRows = 6000;

class DenseSource final : public HistogramSource {
 public:
  DenseSource(const BinnedRows* rows, const std::vector<BinColumn>* columns, NodeRows* node_rows,
              Crew* crew)
      : matrix_(rows->dense()),
        columns_(*columns),
        rows_(*node_rows),
        crew_(*crew),
        cells_(columns->size() * kBinsPerColumn),
        threads_(static_cast<std::size_t>(crew->threads())) {
    for (Thread& thread : threads_) {
      thread.narrow = HugeArray<std::uint32_t>(cells_);
      thread.wide = HugeArray<WideSum>(cells_);
      thread.right.resize(node_rows->block_rows());
    }
    const int threads = crew->threads();
    const auto count = static_cast<std::uint32_t>(columns->size());
    stretch_ = std::max<std::uint32_t>(1, count / static_cast<std::uint32_t>(4 * threads));
  }

  std::size_t cells() const override { return cells_; }
  std::size_t first_cell(std::uint32_t column) const override {
    return std::size_t{column} * kBinsPerColumn;
  }

  void AddRootRows(int thread, const RowGradient* rows, std::size_t count) override {
    Thread& mine = threads_[static_cast<std::size_t>(thread)];
    for (std::size_t i = 0; i < count; i += kPieceRows)
      AddPiece(rows + i, std::min(kPieceRows, count - i), &mine);
  }

  void BeginTree(const NodeRows::Node&) override {}  // summed by AddRootRows already

  void Place(const SplitChoice& choice, const NodeRows::Node& node, PlacedRows* placed) override {
    const Sides goes_left = SidesOf(choice);
    placed->Fit(node);
    ForEachBlock(node, [&](int, std::size_t block) {
      PlaceDense(matrix_.bins + choice.column, matrix_.stride, goes_left.data(),
                 rows_.entries(block) + node[block].begin, node[block].size(),
                 placed->block(block));
    });
  }

  void Split(const SplitWork& work) override {
    const Sides goes_left = work.placed != nullptr ? Sides() : SidesOf(*work.choice);
    work.left->resize(rows_.blocks());
    work.right->resize(rows_.blocks());
    ForEachBlock(*work.parent, [&](int thread, std::size_t block) {
      SplitBlock(work, goes_left.data(), thread, block);
    });
  }

  void Sum(const NodeRows::Node& node) override {
    ForEachBlock(node, [&](int thread, std::size_t block) {
      AddRootRows(thread, rows_.entries(block) + node[block].begin, node[block].size());
    });
  }

  void Collect(WideSum* histogram, const std::function<void(const ColumnStretch&)>& done) override {
    Visit([&](const ColumnStretch& stretch) {
      for (std::uint32_t c = stretch.first; c < stretch.end; ++c) {
        WideSum* const out = histogram + first_cell(c);
        const std::size_t used = (static_cast<std::size_t>(columns_[c].bins()) + 1 + 7) / 8 * 8;
        std::memset(out, 0, used * sizeof(WideSum));
        for (Thread& thread : threads_) {
          if (thread.since_wide > 0)
            WidenHistogram(thread.narrow.data() + first_cell(c), used, out);
          if (!thread.used_wide) continue;
          WideSum* const wide = thread.wide.data() + first_cell(c);
          for (std::size_t i = 0; i < used; ++i) out[i] += wide[i];
          std::memset(wide, 0, used * sizeof(WideSum));
        }
      }
      done(stretch);
    });
    for (Thread& thread : threads_) {
      thread.since_wide = 0;
      thread.used_wide = false;
    }
  }

  ColumnHistogram Column(const WideSum* histogram, std::uint32_t column,
                         WideSum total) const override {
    const WideSum* const cells = histogram + first_cell(column);
    return {{cells + 1, columns_[column].bins(), cells[0], total}, cells};
  }

 private:
  using Sides = std::array<std::uint8_t, kBinsPerColumn>;  // by bin: whether it goes left
  static Sides SidesOf(const SplitChoice& choice) {
    Sides goes_left;
    for (std::size_t bin = 0; bin < goes_left.size(); ++bin)
      goes_left[bin] = GoesLeft(choice, static_cast<std::uint8_t>(bin));
    return goes_left;
  }

  struct Thread {
    HugeArray<std::uint32_t> narrow;
    HugeArray<WideSum> wide;
    std::vector<RowGradient> right;
    std::size_t since_wide = 0;  // rows in narrow
    bool used_wide = false;
  };

  void Visit(const std::function<void(const ColumnStretch&)>& done) {
    const auto count = static_cast<std::uint32_t>(columns_.size());
    crew_.ForEach((count + stretch_ - 1) / stretch_, [&](int thread, std::size_t i) {
      const auto first = static_cast<std::uint32_t>(i) * stretch_;
      done({thread, first, std::min(first + stretch_, count)});
    });
  }

  template <typename Work>
  void ForEachBlock(const NodeRows::Node& node, const Work& work) {
    if (NodeRows::RowsOf(node) < kFewRows) {
      for (std::size_t b = 0; b < rows_.blocks(); ++b) work(0, b);
    } else {
      crew_.ForEach(rows_.blocks(), work);
    }
  }

  void AddPiece(const RowGradient* rows, std::size_t count, Thread* thread) {
    if (thread->since_wide + count > kPieceRows) {
      WidenHistogram(thread->narrow.data(), cells_, thread->wide.data());
      thread->used_wide = true;
      thread->since_wide = 0;
    }
    AddDenseRows(matrix_, rows, count, thread->narrow.data());
    thread->since_wide += count;
  }

  void SplitBlock(const SplitWork& work, const std::uint8_t* goes_left, int thread,
                  std::size_t block) {
    Thread& mine = threads_[static_cast<std::size_t>(thread)];
    const NodeRows::Range range = (*work.parent)[block];
    RowGradient* const rows = rows_.entries(block) + range.begin;
    const std::uint8_t* const bins =
        work.placed != nullptr ? nullptr : matrix_.bins + work.choice->column;
    std::size_t lefts = 0, rights = 0;
    for (std::size_t i = 0; i < range.size(); i += kPieceRows) {
      const std::size_t count = std::min<std::size_t>(kPieceRows, range.size() - i);
      RowGradient* const right = mine.right.data() + rights;
      const std::size_t left =
          work.placed != nullptr
              ? PartitionByBits(work.placed->block(block) + i / PlacedRows::kWordBits, rows + i,
                                count, rows + lefts, right)
              : PartitionDense(bins, matrix_.stride, goes_left, rows + i, count, rows + lefts,
                               right);
      if (work.sum_left) AddPiece(rows + lefts, left, &mine);
      if (work.sum_right) AddPiece(right, count - left, &mine);
      lefts += left;
      rights += count - left;
    }
    std::copy_n(mine.right.data(), rights, rows + lefts);
    const auto middle = range.begin + static_cast<std::uint32_t>(lefts);
    (*work.left)[block] = {range.begin, middle};
    (*work.right)[block] = {middle, range.end};
  }

  const DenseBins matrix_;
  const std::vector<BinColumn>& columns_;
  NodeRows& rows_;
  Crew& crew_;
  const std::size_t cells_;
  std::vector<Thread> threads_;
  std::uint32_t stretch_ = 1;
};

}  // namespace

std::unique_ptr<HistogramSource> MakeDenseSource(const BinnedRows* rows,
                                                 const std::vector<BinColumn>* columns,
                                                 NodeRows* node_rows, Crew* crew) {
  return std::make_unique<DenseSource>(rows, columns, node_rows, crew);
}

}  // namespace ps
