#include "models/scoring/table_layout.h"

#include <algorithm>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "models/features/header_check.h"

namespace ps {

std::string PlaceholderLabel(const ModelScorer& model) {
  return model.classes().empty() ? "0" : model.classes().front();
}

TableLayout::TableLayout(const ModelScorer& model)
    : text_(LayoutOf(model.plan())), read_(model.FeatureColumns()) {
  for (const char c : {'\n', '\r', text_.delimiter}) special_[static_cast<unsigned char>(c)] = true;
  if (text_.trim) special_[' '] = true;
  if (text_.quote != 0) special_[static_cast<unsigned char>(text_.quote)] = true;
  const features::Plan& plan = model.plan();
  for (const features::Column& column : plan.column()) names_.push_back(column.name());
  filler_.resize(names_.size());
  for (const features::Plan* part : {&model.base_plan(), &plan}) {
    if (part->column_size() == 0) continue;
    std::string& label = filler_[part->label_column()];
    label.clear();
    Quoted(PlaceholderLabel(model), &label);  // it came from such a file: it can be written
    if (!part->weighted()) continue;
    filler_[part->weight_column()].clear();
    filler_[part->weight_column()].push_back('1');
  }
  for (const std::uint32_t column : read_) filler_[column].clear();

  const auto without = [&](auto&& left_out) {
    Sources sources;
    int field = 0;
    for (std::uint32_t column = 0; column < names_.size(); ++column)
      sources.push_back(left_out(column) ? kFiller : field++);
    by_number_.push_back(std::move(sources));
  };
  const auto is_label = [&](std::uint32_t column) { return column == plan.label_column(); };
  const auto is_weight = [&](std::uint32_t column) { return plan.weighted() && column == plan.weight_column(); };
  without([](std::uint32_t) { return false; });
  without(is_label);
  if (plan.weighted()) without([&](std::uint32_t column) { return is_label(column) || is_weight(column); });
  // What a label or a weight says there is not looked at.
  for (Sources& sources : by_number_) {
    for (std::uint32_t column = 0; column < names_.size(); ++column)
      if (!filler_[column].empty()) sources[column] = kFiller;
  }
}

absl::StatusOr<TableLayout::Sources> TableLayout::ByName(absl::Span<const std::string> names) const {
  std::unordered_map<std::string_view, int> place;
  std::vector<std::string_view> twice;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!place.emplace(names[i], static_cast<int>(i)).second) twice.push_back(names[i]);
  }
  Sources sources(names_.size(), kFiller);
  std::vector<std::string> lacking;
  for (const std::uint32_t column : read_) {
    const auto found = place.find(names_[column]);
    if (found == place.end()) {
      lacking.push_back(names_[column]);
      continue;
    }
    for (const std::string_view name : twice) {
      if (name == names_[column])
        return absl::InvalidArgumentError(absl::StrCat("the column ", ListNames({std::string(name)}), " is there twice"));
    }
    sources[column] = found->second;
  }
  if (lacking.empty()) return sources;
  return absl::InvalidArgumentError(absl::StrCat("there is no column ", ListNames(lacking), ", which the model reads, but ",
                                                 ListNames({names.begin(), names.end()})));
}

const TableLayout::Sources* TableLayout::ByNumber(std::size_t fields) const {
  const std::size_t less = names_.size() - fields;  // wraps where there are more
  return less < by_number_.size() ? &by_number_[less] : nullptr;
}

std::string TableLayout::DescribeNumbers() const {
  std::string text = absl::StrCat(names_.size(), ", or ", names_.size() - 1, " without the label");
  if (by_number_.size() > 2) absl::StrAppend(&text, ", or ", names_.size() - 2, " without label and weight");
  return text;
}

void TableLayout::AppendLine(const Sources& sources, absl::Span<const std::string_view> fields,
                             std::string* text) const {
  for (std::size_t column = 0; column < sources.size(); ++column) {
    if (column > 0) text->push_back(text_.delimiter);
    if (sources[column] == kFiller) {
      text->append(filler_[column]);
    } else {
      text->append(fields[static_cast<std::size_t>(sources[column])]);
    }
  }
  text->push_back('\n');
}

bool TableLayout::Quoted(std::string_view field, std::string* text) const {
  const auto special = [&](char c) { return special_[static_cast<unsigned char>(c)]; };
  if (std::none_of(field.begin(), field.end(), special)) {
    text->append(field);
    return true;
  }
  if (field.find('\n') != std::string_view::npos || field.find('\r') != std::string_view::npos) return false;
  const bool spaces = text_.trim && !field.empty() && (field.front() == ' ' || field.back() == ' ');
  const bool odd = spaces || field.find(text_.delimiter) != std::string_view::npos ||
                   (text_.quote != 0 && field.find(text_.quote) != std::string_view::npos);
  if (!odd) {
    text->append(field);
    return true;
  }
  if (text_.quote == 0) return false;
  text->push_back(text_.quote);
  for (const char c : field) {
    if (c == text_.quote) text->push_back(c);
    text->push_back(c);
  }
  text->push_back(text_.quote);
  return true;
}

bool TableLayout::AppendMeanings(const Sources& sources, absl::Span<const std::string_view> fields,
                                 std::string* text) const {
  const std::size_t before = text->size();
  for (std::size_t column = 0; column < sources.size(); ++column) {
    if (column > 0) text->push_back(text_.delimiter);
    if (sources[column] == kFiller) {
      text->append(filler_[column]);
    } else if (!Quoted(fields[static_cast<std::size_t>(sources[column])], text)) {
      text->resize(before);
      return false;
    }
  }
  text->push_back('\n');
  return true;
}

}  // namespace ps
