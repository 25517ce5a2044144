#include "worker/chunk_source.h"

#include <string>
#include <utility>

#include "ps/base/status_macros.h"

namespace ps {
namespace {

class TextChunkSource : public ChunkSource {
 public:
  TextChunkSource(const DataFiles& files, std::unique_ptr<RowParser> parser, RowSelector select)
      : reader_(RangeReader::Create(files)), parser_(std::move(parser)), select_(std::move(select)) {}

  absl::Status Read(const FileRange& range, ChunkRows* chunk) override {
    *chunk = ChunkRows();
    TextOrigin origin{range.file, 0};
    PS_RETURN_IF_ERROR(reader_->Read(range, &text_, &origin.offset));
    RowBlock& block = chunk->block;
    block.file = range.file;
    parser_->Parse(text_, origin, &block);
    chunk->rows = block.rows();
    if (select_) Select(chunk);
    return absl::OkStatus();
  }

 private:
  void Select(ChunkRows* chunk);

  std::unique_ptr<RangeReader> reader_;
  std::unique_ptr<RowParser> parser_;
  RowSelector select_;
  std::string text_;
};

// Keeps the rows to be learnt, moved together in place.
void TextChunkSource::Select(ChunkRows* chunk) {
  RowBlock& block = chunk->block;
  std::size_t kept = 0;
  std::uint32_t features = 0;
  std::uint32_t begin = 0;  // of the row's features, read before row_begin is overwritten
  for (std::size_t row = 0; row < chunk->rows; ++row) {
    const std::uint32_t end = block.row_begin[row + 1];
    const RowUse use = select_(block.file, block.row_offset[row], block.label[row]);
    if (use == RowUse::kLearn) {
      block.label[kept] = block.label[row];
      if (!block.weight.empty()) block.weight[kept] = block.weight[row];
      block.row_offset[kept] = block.row_offset[row];
      for (std::uint32_t i = begin; i < end; ++i, ++features) {
        block.key[features] = block.key[i];
        if (!block.value.empty()) block.value[features] = block.value[i];
      }
      block.row_begin[++kept] = features;
    } else {
      ++(use == RowUse::kHeldOut ? chunk->held_out : chunk->dropped);
    }
    begin = end;
  }
  block.label.resize(kept);
  if (!block.weight.empty()) block.weight.resize(kept);
  block.row_offset.resize(kept);
  block.row_begin.resize(kept + 1);
  block.key.resize(features);
  if (!block.value.empty()) block.value.resize(features);
}

}  // namespace

std::unique_ptr<ChunkSource> MakeTextChunkSource(const DataFiles& files,
                                                 std::unique_ptr<RowParser> parser,
                                                 RowSelector select) {
  return std::make_unique<TextChunkSource>(files, std::move(parser), std::move(select));
}

}  // namespace ps
