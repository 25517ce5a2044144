#include "evaluation/tree_inspection.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "evaluation/inspection_text.h"
#include "evaluation/metrics_table.h"
#include "models/gbdt/class_names.h"
#include "models/gbdt/bundle_trees.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// "< 0.5", or the categories that go left.
std::string Rule(const TreeModel& model, const Tree& tree, const TreeNode& node) {
  if (node.kind == ColumnKind::kNumber) {
    const bool mean = model.columns[node.column].target != nullptr;
    return absl::StrCat(mean ? "mean label < " : "< ", Shortest(node.threshold), node.missing_left ? " or missing" : "");
  }
  std::string rule = "in {";
  const BinSet& set = tree.left_sets[node.left_set];
  const std::vector<std::string>& categories = model.columns[node.column].categories;
  bool first = true;
  for (std::size_t i = 0; i < categories.size(); ++i) {
    if (!Contains(set, static_cast<std::uint8_t>(i + 1))) continue;
    absl::StrAppend(&rule, first ? "" : ", ", categories[i]);
    first = false;
  }
  return absl::StrCat(rule, "}", Contains(set, 0) ? " or missing" : "");
}

std::string Child(std::int32_t child) {
  return child < 0 ? absl::StrCat("L", ~child) : absl::StrCat(child);
}

int DepthOf(const Tree& tree) {
  std::vector<int> depth(tree.nodes.size(), 1);
  int deepest = 0;
  for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
    for (const std::int32_t child : {tree.nodes[n].left, tree.nodes[n].right}) {
      if (child >= 0) depth[static_cast<std::size_t>(child)] = depth[n] + 1;
    }
    deepest = std::max(deepest, depth[n]);
  }
  return deepest;
}

}  // namespace

absl::Status InspectTrees(const Bundle& bundle, std::uint64_t top, std::ostream& out) {
  PS_ASSIGN_OR_RETURN(const TreeModel model, ReadTrees(bundle));
  const BundleInfo& info = bundle.info();
  std::uint64_t leaves = 0;
  int deepest = 0;
  for (const Tree& tree : model.trees) {
    leaves += tree.leaf_value.size();
    deepest = std::max(deepest, DepthOf(tree));
  }
  Line(out, "job", info.job_name);
  Line(out, "model type", info.model_type);
  Line(out, "training", info.complete ? "complete" : "stopped early");
  Line(out, "rows learnt", GroupedDigits(info.rows_learnt));
  Line(out, "settings", info.optimizer);
  if (!model.classes.empty()) Line(out, "classes", DescribeClasses(model.classes));
  Line(out, "trees", GroupedDigits(model.trees.size()));
  Line(out, "leaves", GroupedDigits(leaves));
  Line(out, "deepest", absl::StrCat(deepest));
  Line(out, "columns used", GroupedDigits(model.columns.size()));
  if (model.classes.empty()) Line(out, "base score", Shortest(model.base_score));
  for (const TreeColumn& column : model.columns) {
    if (column.target == nullptr) continue;
    Line(out, "mean label", absl::StrCat(column.name, ", ", GroupedDigits(column.target->categories()), " categories"));
  }
  if (model.absent_is_zero) Line(out, "absent", "zero");
  if (HasBaseModel(bundle))
    Line(out, "base model", absl::StrCat("linear, ", GroupedDigits(info.features), " weights"));
  Line(out, "margin offset", Shortest(info.margin_offset));
  Line(out, "extractor digest", info.extractor_digest);
  if (!model.classes.empty()) out << "\nclass\tbase score\n";
  for (std::size_t c = 0; c < model.classes.size(); ++c)
    out << model.classes[c] << '\t' << Shortest(model.class_scores[c]) << '\n';
  const std::vector<ColumnImportance> columns = Importance(model);
  if (columns.empty()) return absl::OkStatus();
  out << "\ncolumn\tgain\tcover\tsplits\n";
  const std::size_t shown = std::min<std::size_t>(columns.size(), top == 0 ? 20 : top);
  for (std::size_t i = 0; i < shown; ++i) {
    out << columns[i].name << absl::StrFormat("\t%.6g\t%.6g\t", columns[i].gain, columns[i].cover)
        << columns[i].splits << '\n';
  }
  return absl::OkStatus();
}

absl::Status DumpTrees(const Bundle& bundle, std::uint64_t top, std::ostream& out) {
  PS_ASSIGN_OR_RETURN(const TreeModel model, ReadTrees(bundle));
  const bool classes = !model.classes.empty();
  out << "tree\tnode\tcolumn\trule\tleft\tright\tgain\tcover\tvalue" << (classes ? "\tclass\n" : "\n");
  const std::size_t shown = top == 0 ? model.trees.size() : std::min<std::size_t>(top, model.trees.size());
  for (std::size_t t = 0; t < shown; ++t) {
    const Tree& tree = model.trees[t];
    const std::string end = classes ? absl::StrCat("\t", model.classes[t % model.classes.size()], "\n") : "\n";
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
      const TreeNode& node = tree.nodes[n];
      out << t << '\t' << n << '\t' << model.columns[node.column].name << '\t'
          << Rule(model, tree, node) << '\t' << Child(node.left) << '\t' << Child(node.right)
          << '\t' << Shortest(node.gain) << '\t' << Shortest(node.cover) << '\t' << end;
    }
    for (std::size_t leaf = 0; leaf < tree.leaf_value.size(); ++leaf) {
      out << t << "\tL" << leaf << "\t\t\t\t\t\t" << Shortest(tree.leaf_cover[leaf]) << '\t'
          << Shortest(tree.leaf_value[leaf]) << end;
    }
  }
  out.flush();
  return out.good() ? absl::OkStatus() : absl::UnavailableError("cannot write the dump");
}

}  // namespace ps
