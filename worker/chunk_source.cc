#include "worker/chunk_source.h"

#include <string>
#include <utility>

#include "ps/base/status_macros.h"

namespace ps {
namespace {

class TextChunkSource : public ChunkSource {
 public:
  TextChunkSource(const DataFiles& files, std::unique_ptr<RowParser> parser, const RowSplit& split)
      : reader_(RangeReader::Create(files)), parser_(std::move(parser)), split_(split) {}

  absl::Status Read(const FileRange& range, ChunkRows* chunk) override {
    *chunk = ChunkRows();
    TextOrigin origin{range.file, 0};
    PS_RETURN_IF_ERROR(reader_->Read(range, &text_, &origin.offset));
    RowBlock& block = chunk->block;
    block.file = range.file;
    parser_->Parse(text_, origin, &block);
    chunk->rows = block.rows();
    if (split_.splits()) TakeTrainPart(chunk);
    return absl::OkStatus();
  }

 private:
  void TakeTrainPart(ChunkRows* chunk);

  std::unique_ptr<RangeReader> reader_;
  std::unique_ptr<RowParser> parser_;
  const RowSplit split_;
  std::string text_;
};

void TextChunkSource::TakeTrainPart(ChunkRows* chunk) {
  RowBlock& all = chunk->block;
  for (std::size_t row = 0; row < all.rows(); ++row) {
    const Part part = split_.PartOf({all.file, all.row_offset[row]}, all.label[row]);
    chunk->held_out += part == Part::kValid || part == Part::kTest;
    chunk->dropped += part == Part::kDropped;
  }
  RowBlock train;
  split_.TakePart(all, Part::kTrain, &train);
  train.lines = all.lines;
  train.bad = std::move(all.bad);
  train.bad_rows = all.bad_rows;
  all = std::move(train);
}

}  // namespace

std::unique_ptr<ChunkSource> MakeTextChunkSource(const DataFiles& files,
                                                 std::unique_ptr<RowParser> parser,
                                                 const RowSplit& split) {
  return std::make_unique<TextChunkSource>(files, std::move(parser), split);
}

}  // namespace ps
