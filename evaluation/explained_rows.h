// Rows with what their features contribute, as text of a format. A row is written without its
// number first: that is known when the rows before it are. A RowWriter is immutable: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "evaluation/explanation.h"
#include "models/data/data_files.h"
#include "models/data/row_block.h"

namespace ps {

struct Contribution {
  std::uint64_t feature = 0;
  double value = 0;
  bool linear = false;  // the feature is a key of the linear model that trees add to
};

// Of one margin.
struct ExplainedMargin {
  float margin = 0;
  double base = 0;
  std::vector<Contribution> contributions;
};

// The rows of a block.
struct ExplainedRows {
  RowBlock rows;
  std::string text;
  std::vector<std::size_t> end;  // of each line's text

  void Clear() {
    rows.Clear();
    text.clear();
    end.clear();
  }
};

class RowWriter {
 public:
  // Appends a feature's name to the text, as a string of JSON.
  using AppendName = std::function<void(const Contribution& feature, std::string* text)>;
  // `classes` are names for the format, none where rows have one margin.
  RowWriter(const ExplanationOptions& options, std::vector<std::string> classes, AppendName name)
      : json_(options.format == ExplanationFormat::kJsonLines),
        top_(options.top),
        classes_(std::move(classes)),
        name_(std::move(name)) {}

  // A margin, or one a class; may reorder contributions. CSV: they are of all columns, in order.
  void Append(float label, std::vector<ExplainedMargin>* margins, ExplainedRows* to) const;
  // The rows with their numbers; `row` is the first one's.
  std::string Number(const ExplainedRows& rows, std::uint64_t row) const;

 private:
  void AppendMargin(ExplainedMargin* margin, std::string* text) const;

  const bool json_;
  const std::uint64_t top_;
  const std::vector<std::string> classes_;
  const AppendName name_;
};

// Explains the rows of a model.
class RowExplainer {
 public:
  virtual ~RowExplainer() = default;
  virtual std::string Heading() const { return ""; }  // before the first row
  // For a RowWriter.
  virtual std::vector<std::string> ClassNames() const { return {}; }
  // From any thread; `to` is empty.
  virtual void Explain(const BlockStream::Block& block, const RowWriter& writer,
                       ExplainedRows* to) const = 0;
  virtual void AppendName(const Contribution& feature, std::string* text) const = 0;
};

}  // namespace ps
