#include "trainer/held_out.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "models/data/bad_rows.h"
#include "ps/base/status_macros.h"
#include "trainer/front_check.h"
#include "trainer/in_order.h"

namespace ps {

absl::Status ScoreHeldOut(const HeldOutRows& rows, const RowParser& parser, absl::Span<const Scorer* const> scorers,
                          double max_bad_rows, int threads, const TakeScored& take, std::string* malformed,
                          const std::atomic<bool>* stop) {
  struct Scored {
    std::vector<float> margins;
    RowBlock rows;
    // Of the whole block, all parts.
    std::uint64_t good_rows = 0, bad_rows = 0;
    std::vector<BadRow> bad;
  };
  BadRows bad_rows(rows.files, max_bad_rows);
  const std::unique_ptr<BlockStream> stream = BlockStream::Create(*rows.files, kLinearBlockBytes);
  std::mutex mutex;
  absl::Status error;
  std::atomic<bool> ended = false;
  const auto end_with = [&](const absl::Status& status) {
    std::lock_guard<std::mutex> lock(mutex);
    error.Update(status);
    ended = true;
  };
  InOrder<Scored> in_order(4 * static_cast<std::uint64_t>(threads), [&](Scored& scored) {
    if (ended) return;
    bad_rows.Add(scored.good_rows, scored.bad_rows, scored.bad);
    const absl::Status verdict = scored.bad_rows > 0 ? bad_rows.Check(false) : absl::OkStatus();
    if (!verdict.ok()) return end_with(verdict);
    take(scored.margins, scored.rows);
  });
  const auto work = [&] {
    BlockStream::Block text;
    RowBlock all;
    std::vector<float> of_one;
    while (!ended) {
      if (stop != nullptr && stop->load()) return end_with(absl::CancelledError("stopped"));
      const absl::StatusOr<bool> more = stream->Next(&text);
      if (!more.ok()) {
        end_with(more.status());
        in_order.Abandon();
      }
      if (!more.ok() || !*more) return;
      Scored scored = in_order.Spare();
      all.Clear();
      parser.Parse(text.text, {text.file, text.offset}, &all);
      scored.good_rows = all.rows();
      scored.bad_rows = all.bad_rows;
      scored.bad = all.bad;
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
  if (malformed != nullptr) *malformed = bad_rows.Describe(kMostDescribedBytes);
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
