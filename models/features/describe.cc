#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/features/plan.h"

namespace ps {
namespace {

using features::Feature;
using features::Plan;

std::string DescribeOp(const Feature& feature) {
  std::string text(OpName(feature.op()));
  if (feature.level_size() > 0) {
    absl::StrAppend(&text, " (");
    for (int i = 0; i < feature.level_size(); ++i) {
      absl::StrAppend(&text, i == 0 ? "" : " + ", feature.level(i).first_leaf_size());
    }
    absl::StrAppend(&text, " buckets)");
  }
  if (feature.op() == Feature::LOG) {
    absl::StrAppendFormat(&text, " (grid of x / %.6g)", feature.scale());
  }
  if (feature.op() == Feature::RAW) {
    absl::StrAppendFormat(&text, " (mean %.6g, deviation %.6g)", feature.mean(),
                          feature.deviation());
  }
  return text;
}

// The operations on one column, as a person would list them.
std::string OpsOfColumn(const Plan& plan, std::uint32_t column,
                        const std::function<std::string(std::uint32_t)>& use_of) {
  std::string ops;
  if (column == plan.label_column()) {
    if (use_of) ops = use_of(column);
    if (ops.empty()) {
      ops = plan.positive().empty() ? "label (of two classes 1 is positive)"
                                    : absl::StrCat("label (\"", plan.positive(), "\" is positive)");
    }
  }
  if (plan.weighted() && column == plan.weight_column()) {
    absl::StrAppend(&ops, ops.empty() ? "" : "; ", "weight");
  }
  for (const Feature& feature : plan.feature()) {
    if (feature.op() == Feature::CROSS || feature.column() != column) continue;
    absl::StrAppend(&ops, ops.empty() ? "" : "; ", use_of ? use_of(column) : DescribeOp(feature));
    if (use_of) break;  // whatever the number of its features
  }
  return ops.empty() ? "ignored" : ops;
}

}  // namespace

std::string DescribePlan(const Plan& plan,
                         const std::function<std::string(std::uint32_t column)>& use_of) {
  std::string text = absl::StrCat("format ", plan.format());
  if (plan.column_size() == 0) {
    if (plan.format() == "libsvm") absl::StrAppend(&text, ", indices from ", plan.index_base());
    return text + "\n";
  }
  absl::StrAppend(&text, plan.header() ? ", header" : ", no header", ", ", plan.column_size(),
                  use_of ? " columns; types from a sample of " : " columns; types and cuts from a sample of ", plan.sample_rows(), " rows\n");
  std::size_t width = 6;
  for (const features::Column& column : plan.column()) {
    width = std::max(width, std::min<std::size_t>(column.name().size(), 40));
  }
  absl::StrAppendFormat(&text, "  %-*s  %-8s  %9s  %8s  %s\n", static_cast<int>(width), "column",
                        "type", "distinct", "missing", "use");
  for (int i = 0; i < plan.column_size(); ++i) {
    const features::Column& column = plan.column(i);
    const double missing =
        plan.sample_rows() == 0 ? 0 : 100.0 * column.missing() / plan.sample_rows();
    absl::StrAppendFormat(&text, "  %-*s  %-8s  %9d  %7.2f%%  %s\n", static_cast<int>(width),
                          column.name(), column.numeric() ? "number" : "category",
                          column.distinct(), missing, OpsOfColumn(plan, static_cast<std::uint32_t>(i), use_of));
  }
  for (const Feature& feature : plan.feature()) {
    if (feature.op() != Feature::CROSS) continue;
    absl::StrAppend(&text, "  cross of ");
    for (int i = 0; i < feature.member_size(); ++i) {
      const Feature& member = feature.member(i);
      absl::StrAppend(&text, i == 0 ? "" : " x ",
                      plan.column(static_cast<int>(member.column())).name(), " ",
                      DescribeOp(member));
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

}  // namespace ps
