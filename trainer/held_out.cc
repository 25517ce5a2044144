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

absl::StatusOr<Metrics> EvaluateHeldOut(const HeldOutRows& rows, const RowParser& parser,
                                        const Scorer& scorer, double max_bad_rows, int threads) {
  struct Scored {
    std::vector<float> margins;
    RowBlock rows;
  };
  MetricState metrics;
  InOrder<Scored> in_order(4 * static_cast<std::uint64_t>(threads), [&](Scored& scored) {
    metrics.AddRows(scored.margins, scored.rows.label, scored.rows.weight);
  });
  BadRows bad_rows(rows.files, max_bad_rows);
  const std::unique_ptr<BlockStream> stream = BlockStream::Create(*rows.files, 256 << 10);
  std::mutex mutex;
  absl::Status error;
  const auto work = [&] {
    BlockStream::Block text;
    RowBlock all;
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
      scorer.Score(scored.rows, &scored.margins);
      in_order.Offer(text.sequence, std::move(scored));
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  PS_RETURN_IF_ERROR(error);
  PS_RETURN_IF_ERROR(bad_rows.Check(true));
  return metrics.Finish();
}

}  // namespace ps
