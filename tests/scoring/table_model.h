// A small linear model of a table: amount (a number), colour and text (categories), in that order behind a
// label; `weighted`: and a weight behind them. Its margin tells rows apart.
#pragma once

#include <string>

#include "gtest/gtest.h"
#include "models/bundle/bundle.h"
#include "models/features/extractor.h"
#include "models/scoring/model_scorer.h"
#include "tests/bundle/program.h"

namespace ps {

inline std::unique_ptr<ModelScorer> TableModel(const std::string& place, DataFormat format, bool weighted, bool header = true) {
  const char delimiter = format == DataFormat::kCsv ? ',' : '\t';
  std::string rows;
  for (int r = 0; r < 50; ++r) {
    for (const std::string& field : {std::to_string(r % 2), std::to_string(r) + ".5", "c" + std::to_string(r % 5), "t" + std::to_string(r % 3)}) {
      rows += field;
      rows.push_back(delimiter);
    }
    if (weighted) {
      rows += "1\n";
    } else {
      rows.back() = '\n';
    }
  }
  JobConfig config;
  config.data.format = format;
  config.data.header = header;
  const std::vector<std::string> names = {"label", "amount", "colour", "text"};
  for (const char* name : {"amount", "colour", "text"}) {
    FeatureConfig feature;
    feature.op = name == names[1] ? FeatureOp::kNumeric : FeatureOp::kHash;
    feature.column.name = name;
    config.features.push_back(feature);
  }
  std::string line;
  for (const std::string& name : names) line += (line.empty() ? "" : std::string(1, delimiter)) + name;
  if (weighted) line += std::string(1, delimiter) + "weight";
  config.data.weight.name = weighted ? "weight" : "";
  if (!header) {
    config.data.columns = names;
    if (weighted) config.data.columns.push_back("weight");
  }
  WriteText(place + ".text", (header ? line + "\n" : "") + rows);
  const auto files = DataFiles::Open({place + ".text"});
  EXPECT_TRUE(files.ok()) << files.status();
  const auto extractor = Extractor::Compile(config, *files);
  EXPECT_TRUE(extractor.ok()) << extractor.status();
  RowBlock block;
  (*extractor)->MakeParser()->Parse(ReadText(place + ".text"), {}, &block);
  std::map<Key, float> weights;
  for (const Key key : block.key) weights[key] = static_cast<float>(key % 1000) / 64;
  auto writer = BundleWriter::Create(place);
  for (const auto& [key, weight] : weights) EXPECT_TRUE((*writer)->AppendWeights({key}, {weight}).ok());
  EXPECT_TRUE((*writer)->AddFile("extractor.pb", (*extractor)->Serialize()).ok());
  EXPECT_TRUE((*writer)->Finish(BundleInfo{}).ok());
  auto bundle = Bundle::Open(place);
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  auto model = ModelScorer::FromBundle(*std::move(bundle));
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

}  // namespace ps
