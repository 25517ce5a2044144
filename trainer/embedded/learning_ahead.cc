// Blocks on a device: while it learns one, the one before is logged and kept, and the next is copied to it.
// What is logged, kept and decided is the same, a block later. A race of lanes, which decides by what was
// predicted, learns one block at a time; so does the processor.
#include <utility>

#include "ps/base/status_macros.h"
#include "trainer/embedded/embedded_run.h"

namespace ps {

absl::Status EmbeddedTrainer::Run::StartKeys() {
  if (model_.steps() == nullptr || model_.steps()->device() == nullptr) return absl::OkStatus();
  if (job_.config.model.min_count > 1) {
    log_.Say("keys are found on the processor, which counts them for model.min_count");
  } else if (groups_ != nullptr) {
    log_.Say("keys are found on the processor, which may solve over all rows in the end");
  } else {
    PS_RETURN_IF_ERROR(model_.StartKeys());
    if (model_.keys_on_device()) log_.Say("keys are found on the device");
  }
  SayNews();
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::KeepRows(const PassBlock& block) {
  if (keeps_rows()) PS_RETURN_IF_ERROR(rows_.Append(block.train));
  PS_RETURN_IF_ERROR(valid_.Append(block.valid));
  return test_.Append(block.test);
}

absl::Status EmbeddedTrainer::Run::LearnNew(PassBlock* block, const Progress& progress) {
  if (model_.learns_ahead()) {
    UnderWay next = SpareBlock();
    std::swap(next.block, *block);
    next.progress = progress;
    next.is_new = true;
    PS_RETURN_IF_ERROR(BeginBlock(std::move(next), {}));
  } else {
    PS_RETURN_IF_ERROR(model_.GiveIds({&block->train, &block->valid, &block->test, true}));
    PS_RETURN_IF_ERROR(KeepRows(*block));
    PS_RETURN_IF_ERROR(LearnBlock(block->train, progress));
  }
  return ReportIfDue();
}

absl::Status EmbeddedTrainer::Run::LearnAgain(const ResolvedBlock& block, const Progress& progress) {
  if (model_.learns_ahead()) {
    UnderWay next = SpareBlock();
    next.block.train.Clear();
    next.block.train.labels = block.labels;
    next.block.train.weights = block.weights;
    next.progress = progress;
    next.is_new = false;
    PS_RETURN_IF_ERROR(BeginBlock(std::move(next), block.View()));
  } else {
    PS_RETURN_IF_ERROR(LearnBlock(block, progress));
  }
  return ReportIfDue();
}

EmbeddedTrainer::Run::UnderWay EmbeddedTrainer::Run::SpareBlock() {
  if (spare_.empty()) return {};
  UnderWay spare = std::move(spare_.back());
  spare_.pop_back();
  return spare;
}

absl::Status EmbeddedTrainer::Run::BeginBlock(UnderWay block, const ResolvedRows& known_rows) {
  while (under_way_.size() >= DenseModel::kMostUnderWay) PS_RETURN_IF_ERROR(EndBlock());
  under_way_.push_back(std::move(block));
  UnderWay& begun = under_way_.back();
  PS_RETURN_IF_ERROR(begun.is_new ? model_.Begin(begun.Parts(keeps_rows())) : model_.Begin(known_rows));
  // Where the device had no room for it, it is done: by the processor.
  return model_.learns_ahead() ? absl::OkStatus() : EndBlocks();
}

absl::Status EmbeddedTrainer::Run::EndBlocks() {
  while (!under_way_.empty()) PS_RETURN_IF_ERROR(EndBlock());
  return absl::OkStatus();
}

absl::Status EmbeddedTrainer::Run::ReportIfDue() {
  SayNews();  // the device's memory may have become full
  if (!log_.IsDue()) return absl::OkStatus();
  PS_RETURN_IF_ERROR(EndBlocks());
  return ReportLine();
}

absl::Status EmbeddedTrainer::Run::EndBlock() {
  UnderWay ended = std::move(under_way_.front());
  under_way_.pop_front();
  PassBlock& block = ended.block;
  if (ended.is_new) {
    const DenseModel::Parts parts = ended.Parts(keeps_rows());
    PS_RETURN_IF_ERROR(model_.End(&parts, &margins_));
    PS_RETURN_IF_ERROR(KeepRows(block));
  } else {
    PS_RETURN_IF_ERROR(model_.End(nullptr, &margins_));
  }
  PS_RETURN_IF_ERROR(LogRows(block.train.View(), ended.progress));
  spare_.push_back(std::move(ended));
  return absl::OkStatus();
}

}  // namespace ps
