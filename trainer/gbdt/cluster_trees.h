// Trees on servers and workers: processes that are started here, or nodes that come by themselves.
// The coordinator runs in the calling thread, whenever it is asked for something.
#pragma once

#include <memory>
#include <string>

#include "trainer/cluster/cluster_run.h"
#include "trainer/gbdt/tree_maker.h"

namespace ps {

struct TreeClusterOptions {
  ClusterShape shape;
  std::string
      listen;  // tcp://HOST:PORT, where nodes come by themselves; empty: they are started here
};

std::unique_ptr<TreeMaker> MakeClusterTrees(const TreeJob& job, const TreeClusterOptions& options);

}  // namespace ps
