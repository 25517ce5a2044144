#include "trainer/held_out.h"

#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "models/data/bad_rows.h"
#include "ps/base/status_macros.h"
#include "trainer/in_order.h"

namespace ps {

absl::Status ScoreHeldOut(const HeldOutRows& rows, const RowParser& parser, absl::Span<const Scorer* const> scorers,
                          double max_bad_rows, int threads, const TakeScored& take, std::string* malformed) {
  struct Scored {
    std::vector<float> margins;
    RowBlock rows;
  };
  InOrder<Scored> in_order(4 * static_cast<std::uint64_t>(threads), [&](Scored& scored) { take(scored.margins, scored.rows); });
  BadRows bad_rows(rows.files, max_bad_rows);
  const std::unique_ptr<BlockStream> stream = BlockStream::Create(*rows.files, 256 << 10);
  std::mutex mutex;
  absl::Status error;
  const auto work = [&] {
    BlockStream::Block text;
    RowBlock all;
    std::vector<float> of_one;
    while (true) {
      const absl::StatusOr<bool> more = stream->Next(&text);
      if (!more.ok()) {
        std::lock_guard<std::mutex> lock(mutex);
        error.Update(more.status());
        in_order.Abandon();
      }
      if (!more.ok() || !*more) return;
      Scored scored = in_order.Spare();
      all.Clear();
      parser.Parse(text.text, {text.file, text.offset}, &all);
      bad_rows.Add(all);
      if (rows.split != nullptr) {
        rows.split->TakePart(all, rows.part, &scored.rows);
      } else {
        std::swap(scored.rows, all);
      }
      const std::size_t count = scorers.size();
      scored.margins.resize(scored.rows.rows() * count);
      for (std::size_t k = 0; k < count; ++k) {
        scorers[k]->Score(scored.rows, &of_one);
        for (std::size_t r = 0; r < of_one.size(); ++r) scored.margins[r * count + k] = of_one[r];
      }
      in_order.Offer(text.sequence, std::move(scored));
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  PS_RETURN_IF_ERROR(error);
  PS_RETURN_IF_ERROR(bad_rows.Check(true));
  if (malformed != nullptr) *malformed = bad_rows.Describe();
  return absl::OkStatus();
}

absl::StatusOr<Metrics> EvaluateHeldOut(const HeldOutRows& rows, const RowParser& parser,
                                        const Scorer& scorer, double max_bad_rows, int threads,
                                        std::string* malformed) {
  MetricState metrics;
  const Scorer* const scorers[] = {&scorer};
  PS_RETURN_IF_ERROR(ScoreHeldOut(rows, parser, scorers, max_bad_rows, threads,
                                  [&](absl::Span<const float> margins, const RowBlock& scored) {
                                    metrics.AddRows(margins, scored.label, scored.weight);
                                  }, malformed));
  return metrics.Finish();
}

}  // namespace ps
