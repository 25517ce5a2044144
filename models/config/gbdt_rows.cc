// The settings of trees.
#include "models/config/schema.h"

namespace ps {
namespace {

using V = Value;

GbdtConfig& Gbdt(JobConfig* config) { return config->model.gbdt; }

RefitConfig& Refit(JobConfig* config) {
  if (!Gbdt(config).refit) Gbdt(config).refit.emplace();
  return *Gbdt(config).refit;
}

}  // namespace

std::vector<SchemaRow> GbdtRows() {
  constexpr Bounds kFraction = {.min = 0, .max = 1, .min_included = false};
  return {
      {"model.gbdt.objective",
       ValueType::kWord,
       "logistic",
       "logistic: log loss of labels 0 and 1; squared: squared error of any number (csv, tsv); softmax: log loss of "
       "two or more classes (csv, tsv, libsvm).",
       [](JobConfig* c, const V& v) {
         Gbdt(c).objective = v.integer == 2 ? "softmax" : v.integer == 1 ? "squared" : "logistic";
       },
       {},
       {{"logistic", 0}, {"squared", 1}, {"softmax", 2}}},
      {"model.gbdt.trees", ValueType::kInteger, "100",
       "How many trees, at most; softmax: how many rounds of a tree for each class.",
       [](JobConfig* c, const V& v) { Gbdt(c).trees = static_cast<int>(v.integer); }, Between(1, 1e6)},
      {"model.gbdt.learning_rate", ValueType::kReal, "0.1", "Leaf values are multiplied by it.",
       [](JobConfig* c, const V& v) { Gbdt(c).learning_rate = v.real; }, kFraction},
      {"model.gbdt.growth",
       ValueType::kWord,
       "leaf",
       "leaf: the leaf of largest gain is split next; level: the shallowest ones first.",
       [](JobConfig* c, const V& v) { Gbdt(c).level_wise = v.integer == 1; },
       {},
       {{"leaf", 0}, {"level", 1}}},
      {"model.gbdt.max_leaves", ValueType::kInteger, "31", "Leaves of a tree, at most.",
       [](JobConfig* c, const V& v) { Gbdt(c).max_leaves = static_cast<int>(v.integer); }, Between(2, 65536)},
      {"model.gbdt.max_depth",
       ValueType::kInteger,
       "none",
       "Splits between the root and a leaf, at most.",
       [](JobConfig* c, const V& v) { Gbdt(c).max_depth = static_cast<int>(v.integer); },
       Between(1, 1000),
       {{"none", 0}}},
      {"model.gbdt.max_bins", ValueType::kInteger, "255",
       "Bins of a column's values, and categories of a column; a missing value has a bin of its own.",
       [](JobConfig* c, const V& v) { Gbdt(c).max_bins = static_cast<int>(v.integer); }, Between(2, 255)},
      {"model.gbdt.min_hessian", ValueType::kReal, "1", "Sum of hessians of a leaf, at least; rows of a leaf are 4 times that at least, of squared errors as many (docs/gbdt.md).",
       [](JobConfig* c, const V& v) { Gbdt(c).min_hessian = v.real; }, AtLeast(0)},
      {"model.gbdt.l1", ValueType::kReal, "0", "L1 penalty on leaf values.",
       [](JobConfig* c, const V& v) { Gbdt(c).l1 = v.real; }, AtLeast(0)},
      {"model.gbdt.l2", ValueType::kReal, "1", "L2 penalty on leaf values.",
       [](JobConfig* c, const V& v) { Gbdt(c).l2 = v.real; }, AtLeast(0)},
      {"model.gbdt.min_gain", ValueType::kReal, "0", "Gain below which nothing is split.",
       [](JobConfig* c, const V& v) { Gbdt(c).min_gain = v.real; }, AtLeast(0)},
      {"model.gbdt.row_sample", ValueType::kReal, "1", "Fraction of the rows that a tree learns from.",
       [](JobConfig* c, const V& v) { Gbdt(c).row_sample = v.real; }, kFraction},
      {"model.gbdt.column_sample", ValueType::kReal, "1", "Fraction of the columns that a tree may use.",
       [](JobConfig* c, const V& v) { Gbdt(c).column_sample = v.real; }, kFraction},
      {"model.gbdt.category_smooth", ValueType::kReal, "10",
       "Added to the hessians of a category where categories are put in order, and to l2 for such splits.",
       [](JobConfig* c, const V& v) { Gbdt(c).category_smooth = v.real; }, AtLeast(0)},
      {"model.gbdt.target_encoding",
       ValueType::kWord,
       "auto",
       "Categories as numbers, the mean label of their training rows (docs/gbdt.md): auto: columns that have more "
       "categories than max_bins, of five rows or more each in the mean, as far as their tables fit; none: only those of target_columns, and beyond the commonest categories are missing.",
       [](JobConfig* c, const V& v) { Gbdt(c).target_encoding = v.integer == 1; },
       {},
       {{"none", 0}, {"auto", 1}}},
      {"model.gbdt.target_columns", ValueType::kColumnList, "[]",
       "Columns that become the mean label of their texts, however many there are.",
       [](JobConfig* c, const V& v) { Gbdt(c).target_columns = v.columns; }},
      {"model.gbdt.target_smooth", ValueType::kReal, "10",
       "Rows of the mean of all rows that enter the mean label of a category.",
       [](JobConfig* c, const V& v) { Gbdt(c).target_smooth = v.real; }, Above(0)},
      {"model.gbdt.absent",
       ValueType::kWord,
       "missing",
       "libsvm: what an index that a row does not have is: missing (its side is learnt), or the number 0.",
       [](JobConfig* c, const V& v) { Gbdt(c).absent_is_zero = v.integer == 1; },
       {},
       {{"missing", 0}, {"zero", 1}}},
      {"model.gbdt.monotone.increasing", ValueType::kColumnList, "[]",
       "Numeric columns in whose values predictions never fall; of libsvm text the index.",
       [](JobConfig* c, const V& v) { Gbdt(c).increasing = v.columns; }},
      {"model.gbdt.monotone.decreasing", ValueType::kColumnList, "[]",
       "Numeric columns in whose values predictions never rise; of libsvm text the index.",
       [](JobConfig* c, const V& v) { Gbdt(c).decreasing = v.columns; }},
      {"model.gbdt.distribution",
       ValueType::kWord,
       "auto",
       "On a cluster, what workers share: the rows (histograms go over the wire), or the columns of all rows (where rows go does, and every worker reads all of the text). The model is the same; auto takes what costs less (docs/gbdt.md).",
       [](JobConfig* c, const V& v) {
         Gbdt(c).distribution = v.integer == 0 ? "auto" : v.integer == 1 ? "rows" : "columns";
       },
       {},
       {{"auto", 0}, {"rows", 1}, {"columns", 2}}},
      {"model.gbdt.base_model", ValueType::kText, "''",
       "Directory of a model of type lr whose margins trees begin with: they learn what it leaves. It becomes part of this model.",
       [](JobConfig* c, const V& v) { Gbdt(c).base_model = v.text; }},
      {"model.gbdt.refit", ValueType::kSection, nullptr,
       "Grow no trees: those of model.warm_start keep their splits, and their leaves are fitted to data.train.",
       [](JobConfig* c, const V&) { Refit(c); }},
      {"model.gbdt.refit.decay", ValueType::kReal, "0.9", "What of a leaf's value stays; the rest is what the rows say.",
       [](JobConfig* c, const V& v) { Refit(c).decay = v.real; }, Between(0, 1)},
  };
}

}  // namespace ps
