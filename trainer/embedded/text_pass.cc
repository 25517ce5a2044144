#include "trainer/embedded/text_pass.h"

#include <thread>

#include "ps/base/status_macros.h"
#include "trainer/first_error.h"
#include "trainer/in_order.h"

namespace ps {
absl::Status TextPass::Run(const DataFiles& files, const RowParser& parser, const RowSplit* split,
                           BadRows* bad_rows, const Options& options, const Resolve& resolve_train,
                           const Resolve& resolve_held_out, const Consume& consume) {
  FirstError error;
  DenseModel::Scratch in_order_scratch;
  InOrder<PassBlock> in_order(16 * static_cast<std::uint64_t>(options.threads), [&](PassBlock& block) {
    if (error.failed()) return;
    bad_rows->Add(block.good_rows, block.bad_rows, block.bad);
    if (block.bad_rows > 0) {
      if (absl::Status status = bad_rows->Check(false); !status.ok()) return error.Set(std::move(status));
    }
    if (options.resolve_in_order) resolve_train(block.unresolved_train, &in_order_scratch, &block.train);
    if (absl::Status status = consume(block); !status.ok()) error.Set(std::move(status));
  });
  const std::unique_ptr<BlockStream> stream = BlockStream::Create(files, options.block_bytes);
  const bool parted = split != nullptr && split->splits();

  const auto work = [&] {
    BlockStream::Block text;
    RowBlock rows, part;
    DenseModel::Scratch scratch;
    while (!error.failed() && (options.stop == nullptr || !options.stop->load())) {
      absl::StatusOr<bool> more = stream->Next(&text);
      if (!more.ok()) {
        error.Set(more.status());
        in_order.Abandon();  // the block that could not be read may have had a number
        return;
      }
      if (!*more) return;
      rows.Clear();
      parser.Parse(text.text, {text.file, text.offset}, &rows);
      PassBlock block = in_order.Spare();
      block.stored_bytes_read = stream->stored_bytes_read();
      block.dropped_rows = 0;
      block.good_rows = rows.rows();
      block.bad_rows = rows.bad_rows;
      std::swap(block.bad, rows.bad);
      RowBlock* train = &rows;
      block.valid.Clear();
      block.test.Clear();
      if (parted) {
        split->TakePart(rows, Part::kValid, &part);
        resolve_held_out(part, &scratch, &block.valid);
        split->TakePart(rows, Part::kTest, &part);
        resolve_held_out(part, &scratch, &block.test);
        split->TakePart(rows, Part::kTrain, &part);
        train = &part;
        block.dropped_rows = rows.rows() - part.rows() - block.valid.rows() - block.test.rows();
      }
      if (options.resolve_in_order) {
        std::swap(block.unresolved_train, *train);
      } else {
        resolve_train(*train, &scratch, &block.train);
      }
      // Every number taken is offered, also after an error: others may wait for it.
      in_order.Offer(text.sequence, std::move(block));
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < options.threads; ++t) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  PS_RETURN_IF_ERROR(error.Get());
  return bad_rows->Check(true);
}

}  // namespace ps
