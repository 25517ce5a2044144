// Rows that come with keys: a device finds the ids, and learns what the processor learns with ids
// of its own. Built twice, as linear_model_test.cc.
#include <gtest/gtest.h>

#include <deque>
#include <unordered_map>
#include <vector>

#include "kernels/batch_learner.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/linear_model.h"
#include "ps/base/key.h"
#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

constexpr std::uint32_t kBiasId = 1, kFirstId = 2;

class DeviceKeyedRowsTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) GTEST_SKIP() << device.status().message();
  }
};

// A piece of work, and what is to come of it.
struct Piece {
  Rows rows;
  std::vector<Key> keys, more[2];
  std::vector<std::uint32_t> ids;  // of the processor
  std::vector<float> margins;
  bool with_values = false, with_weights = false, wants_ids = false;
};

struct Shape {
  unsigned pieces = 0, rows = 0;
  std::uint32_t features = 0;  // at first; later pieces have others too
  unsigned widest = 0;
  std::size_t batch_rows = 0;
  bool bias = true;
};

// The processor's index: ids in order of appearance.
class Index {
 public:
  std::uint32_t Find(Key key) {
    return ids_.emplace(key, kFirstId + static_cast<std::uint32_t>(ids_.size())).first->second;
  }
  const std::unordered_map<Key, std::uint32_t>& ids() const { return ids_; }
  std::size_t end_id() const { return kFirstId + ids_.size(); }

 private:
  std::unordered_map<Key, std::uint32_t> ids_;
};

Piece MakePiece(const Shape& shape, unsigned number, Index* index) {
  Piece piece;
  piece.rows = RandomRows(number + 1, shape.rows, shape.features << number / 2, shape.widest);
  Rows& rows = piece.rows;
  for (const std::uint32_t id : rows.ids)
    piece.keys.push_back(id == kPaddingId ? kEmptyKey : IndexKey(id));
  if (shape.bias) {
    // A group of its own before each row, as wide as a group has to be.
    Rows wider = rows;
    wider.ids.clear(), wider.values.clear(), wider.row_begin = {0}, piece.keys.clear();
    for (std::size_t r = 0; r < rows.labels.size(); ++r) {
      for (std::size_t i = 0; i < kGroup; ++i) {
        wider.ids.push_back(i == 0 ? kBiasId : kPaddingId);
        wider.values.push_back(i == 0 ? 1.0f : 0.0f);
        piece.keys.push_back(kEmptyKey);
      }
      for (std::uint32_t at = rows.row_begin[r]; at < rows.row_begin[r + 1]; ++at) {
        wider.ids.push_back(rows.ids[at]);
        wider.values.push_back(rows.values[at]);
        piece.keys.push_back(rows.ids[at] == kPaddingId ? kEmptyKey : IndexKey(rows.ids[at]));
      }
      wider.row_begin.push_back(static_cast<std::uint32_t>(wider.ids.size()));
    }
    rows = wider;
  }
  for (std::size_t at = 0; at < piece.keys.size(); ++at) {
    if (piece.keys[at] != kEmptyKey) rows.ids[at] = index->Find(piece.keys[at]);
  }
  piece.ids = rows.ids;
  for (unsigned i = 0; i < 2 && number % 3 != 0; ++i) {
    for (unsigned k = 0; k < 5 * number; ++k)
      piece.more[i].push_back(IndexKey(20 * number + 3 * k + i));
    for (const Key key : piece.more[i]) index->Find(key);
  }
  piece.with_values = number % 2 == 0;
  piece.with_weights = number % 4 == 1;
  piece.wants_ids = number % 3 != 2;
  return piece;
}

// Keys of the device by their ids.
std::unordered_map<Key, std::uint32_t> KeysOf(DeviceLinearModel* device) {
  std::vector<KeyBucket> buckets(device->key_buckets());
  EXPECT_TRUE(device->ReadKeys(0, absl::MakeSpan(buckets)).ok());
  std::unordered_map<Key, std::uint32_t> ids;
  for (const KeyBucket& bucket : buckets)
    for (unsigned c = 0; c < KeyBucket::kCells; ++c)
      if (bucket.keys[c] != kEmptyKey) ids.emplace(bucket.keys[c], bucket.ids[c]);
  return ids;
}

void ExpectAnswer(const DeviceAnswer& answer, const Piece& piece,
                  std::unordered_map<Key, std::uint32_t>* seen) {
  EXPECT_EQ(std::vector<float>(answer.margins.begin(), answer.margins.end()), piece.margins);
  ASSERT_EQ(answer.ids.size(), piece.wants_ids ? piece.keys.size() : 0);
  const auto same = [&](Key key, std::uint32_t id) {
    if (key == kEmptyKey) return;
    ASSERT_EQ(seen->emplace(key, id).first->second, id);
  };
  for (std::size_t at = 0; at < answer.ids.size(); ++at) {
    same(piece.keys[at], answer.ids[at]);
    if (piece.keys[at] == kEmptyKey) {
      ASSERT_EQ(answer.ids[at], piece.ids[at]) << "padding, or the bias";
    }
  }
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(answer.more_ids[i].size(), piece.more[i].size());
    for (std::size_t at = 0; at < piece.more[i].size(); ++at)
      same(piece.more[i][at], answer.more_ids[i][at]);
  }
}

void ExpectSameModel(const Shape& shape, const std::vector<OptimizerParams>& lanes) {
  const std::size_t each = 2 * lanes.size();
  Index index;
  std::vector<float> state((kFirstId + 100'000) * each);
  BatchLearner processor;
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok()) << device.status();
  ASSERT_TRUE((*device)->Load(lanes, state.data(), kFirstId).ok());
  ASSERT_TRUE((*device)->StartKeys(kFirstId).ok());
  std::deque<Piece> under_way;
  std::unordered_map<Key, std::uint32_t> seen;
  const auto end = [&] {
    const absl::StatusOr<DeviceAnswer> answer = (*device)->End();
    ASSERT_TRUE(answer.ok()) << answer.status();
    ExpectAnswer(*answer, under_way.front(), &seen);
    under_way.pop_front();
  };
  for (unsigned number = 0; number < shape.pieces; ++number) {
    under_way.push_back(MakePiece(shape, number, &index));
    Piece& piece = under_way.back();
    const ResolvedRows view = piece.rows.View(piece.with_values, piece.with_weights);
    piece.margins.resize(view.rows * lanes.size());
    processor.Learn(lanes, view, shape.batch_rows, state.data(), piece.margins.data());
    DeviceWork work;
    work.rows = view;
    work.rows.ids = nullptr;
    work.batch_rows = shape.batch_rows;
    work.keys = piece.keys.data();
    work.bias_id = shape.bias ? kBiasId : kPaddingId;
    work.more_keys[0] = piece.more[0];
    work.more_keys[1] = piece.more[1];
    work.wants_ids = piece.wants_ids;
    ASSERT_TRUE((*device)->Begin(work).ok());
    ASSERT_EQ((*device)->under_way(), under_way.size());
    if (under_way.size() == DeviceLinearModel::kMostUnderWay) end();
  }
  while (!under_way.empty()) end();
  const std::unordered_map<Key, std::uint32_t> there = KeysOf(device->get());
  ASSERT_EQ(there.size(), index.ids().size());
  for (const auto& [key, id] : seen) ASSERT_EQ(there.at(key), id);
  std::vector<float> of_device(index.end_id() * each);
  ASSERT_TRUE((*device)->Copy(index.end_id(), of_device.data()).ok());
  const auto entry = [each](const std::vector<float>& of, std::uint32_t id) {
    return std::vector<float>(of.begin() + id * each, of.begin() + (id + 1) * each);
  };
  EXPECT_EQ(entry(of_device, kBiasId), entry(state, kBiasId));
  for (const auto& [key, id] : index.ids())
    ASSERT_EQ(entry(of_device, there.at(key)), entry(state, id));
}

TEST_F(DeviceKeyedRowsTest, LearnsWhatTheProcessorLearns) {
  for (const Shape& shape : {Shape{6, 60, 400, 12, 16}, Shape{7, 33, 20, 9, 7, false},
                             Shape{12, 40, 900, 30, 1000}, Shape{3, 0, 10, 3, 4}}) {
    SCOPED_TRACE(testing::Message() << shape.pieces << " of " << shape.rows << " rows");
    ExpectSameModel(shape, std::vector<OptimizerParams>(1));
  }
}

TEST_F(DeviceKeyedRowsTest, InSeveralLanes) {
  std::vector<OptimizerParams> lanes(4);
  for (std::size_t k = 0; k < lanes.size(); ++k) lanes[k].alpha = 0.1f * static_cast<float>(k + 1);
  ExpectSameModel({5, 50, 200, 10, 16}, lanes);
}

TEST_F(DeviceKeyedRowsTest, KnowsKeysThatWereThereBefore) {
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok());
  const std::vector<OptimizerParams> lanes(1);
  const std::vector<float> state = {0, 0, 0, 0, -3, 1, -2, 1};
  ASSERT_TRUE((*device)->Load(lanes, state.data(), 4).ok());
  KeyBucket known = {};
  known.keys[0] = IndexKey(50), known.ids[0] = 3;
  known.keys[1] = IndexKey(60), known.ids[1] = 2;
  ASSERT_TRUE((*device)->StartKeys(4).ok());
  ASSERT_TRUE((*device)->AddKeys({&known, 1}).ok());
  const std::vector<Key> keys = {IndexKey(60), IndexKey(70), IndexKey(50)};
  DeviceWork work;
  work.more_keys[1] = keys;
  ASSERT_TRUE((*device)->Begin(work).ok());
  const absl::StatusOr<DeviceAnswer> answer = (*device)->End();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(std::vector<std::uint32_t>(answer->more_ids[1].begin(), answer->more_ids[1].end()),
            (std::vector<std::uint32_t>{2, 4, 3}));
  EXPECT_EQ(answer->end_id, 5u);
  (*device)->EndKeys();
  EXPECT_EQ((*device)->key_buckets(), 0u);
}

}  // namespace
}  // namespace ps
