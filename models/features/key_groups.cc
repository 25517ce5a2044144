#include "models/features/key_groups.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/features/plan.h"

namespace ps {
namespace {

constexpr std::size_t kMostGroups = 0xfffe;

std::string NameOf(const features::Plan& plan, const features::Feature& feature) {
  if (feature.op() != features::Feature::CROSS) return plan.column(static_cast<int>(feature.column())).name();
  return absl::StrJoin(feature.member(), " x ", [&](std::string* out, const features::Feature& member) {
    absl::StrAppend(out, plan.column(static_cast<int>(member.column())).name());
  });
}

}  // namespace

std::unique_ptr<KeyGroups> KeyGroups::Of(const features::Plan& plan) {
  if (plan.column_size() == 0) return nullptr;
  auto groups = std::make_unique<KeyGroups>();
  for (const features::Feature& feature : plan.feature()) {
    Part part;
    part.first_group = static_cast<std::uint16_t>(groups->names_.size());
    const std::string name = NameOf(plan, feature);
    const int levels = feature.level_size();
    if (levels > 1) {
      part.keys = static_cast<std::uint16_t>(levels);
      const std::uint64_t seed = FieldSeed(LevelName(FeatureName(plan, feature), 0));
      for (int bucket = 0; bucket < feature.level(0).first_leaf_size(); ++bucket)
        part.first_level.insert(BucketKey(seed, static_cast<std::uint64_t>(bucket)));
      for (int level = 0; level < levels; ++level) groups->names_.push_back(absl::StrCat(name, ", level ", level + 1));
    } else {
      groups->names_.push_back(absl::StrCat(name, feature.op() == features::Feature::RAW ? ", value" : ""));
    }
    groups->parts_.push_back(std::move(part));
  }
  if (!plan.trees().empty()) {
    groups->further_ = static_cast<std::uint16_t>(groups->names_.size());
    groups->names_.push_back("leaves of trees");
  }
  if (groups->names_.empty() || groups->names_.size() > kMostGroups) return nullptr;
  return groups;
}

void KeyGroups::Find(const RowBlock& rows, std::vector<std::uint16_t>* groups) const {
  groups->resize(rows.features());
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    std::size_t at = rows.row_begin[r];
    const std::size_t end = rows.row_begin[r + 1];
    for (const Part& part : parts_) {
      if (at == end) break;  // not of this plan's parser
      const std::size_t keys = part.keys > 1 && part.first_level.contains(rows.key[at]) ? part.keys : 1;
      for (std::size_t i = 0; i < keys && at < end; ++i, ++at) (*groups)[at] = static_cast<std::uint16_t>(part.first_group + i);
    }
    for (; at < end; ++at) (*groups)[at] = further_;
  }
}

}  // namespace ps
