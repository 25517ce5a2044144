#include "trainer/gbdt/split_forecast.h"

namespace ps {

std::vector<WantedSplit> ForecastSplits(TreeBuilder builder, std::vector<std::uint32_t> nodes,
                                        const std::map<std::uint32_t, KnownChildren>& known) {
  std::vector<WantedSplit> wanted;
  // The last split of all needs no histograms.
  const auto left = static_cast<std::size_t>(builder.SplitsLeft());
  for (std::size_t rank = 0; rank + 1 < left; ++rank) {
    const std::size_t leaf = builder.NextToSplit();
    if (leaf == TreeBuilder::kNone) break;
    const auto children = known.find(nodes[leaf]);
    if (children == known.end()) {
      if (builder.ChildrenMayGrow(leaf))
        wanted.push_back({nodes[leaf], builder.leaves()[leaf], rank});
      builder.SkipNext();
      continue;
    }
    builder.SplitNext();
    nodes[leaf] = children->second.left;
    nodes.push_back(children->second.left + 1);
    if (!children->second.summed) continue;
    builder.SetBest(leaf, children->second.best[0]);
    builder.SetBest(nodes.size() - 1, children->second.best[1]);
  }
  return wanted;
}

}  // namespace ps
