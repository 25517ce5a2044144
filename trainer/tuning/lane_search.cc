#include "trainer/tuning/lane_search.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ps {
namespace {

constexpr float kNewton = 0.2f;  // the default of model.optimizer.newton

OptimizerParams Setting(float alpha, float beta, float l1, float l2 = 0) {
  return {Optimizer::kFtrl, alpha, beta, l1, l2, kNewton};
}

// Two significant digits.
float Round(double value) {
  return static_cast<float>(std::strtod(absl::StrFormat("%.2g", value).c_str(), nullptr));
}

// Up and down a scale that ends at 0 below `least`.
float Raise(float value, float least, float factor) {
  return value == 0 ? least : Round(double{value} * factor);
}
float Lower(float value, float least, float factor) {
  return value <= least ? 0 : Round(double{value} / factor);
}

}  // namespace

std::vector<OptimizerParams> StartingSettings(bool several_passes, int most) {
  std::vector<OptimizerParams> settings;
  if (several_passes) {
    for (const float alpha : {.02f, .05f, .1f, .2f, .4f, .8f}) {
      settings.push_back(Setting(alpha, .5f, 0));
      settings.push_back(Setting(alpha, .5f, 0, 10));
    }
    for (const float alpha : {.1f, .4f}) {
      settings.push_back(Setting(alpha, .5f, 0, 1));
      settings.push_back(Setting(alpha, .5f, 1));
    }
  } else {
    for (const float alpha : {.05f, .08f, .13f, .2f, .32f, .5f, .8f, 1.3f}) {
      settings.push_back(Setting(alpha, .15f, .05f));
      settings.push_back(Setting(alpha, .5f, 1));
    }
  }
  if (most >= static_cast<int>(settings.size())) return settings;
  // One out of each stretch, near its middle, of the two kinds in turn.
  const std::size_t stretch = settings.size() / most;
  std::vector<OptimizerParams> some;
  for (int i = 0; i < most; ++i) some.push_back(settings[i * stretch + (stretch / 2 & ~std::size_t{1}) + i % 2]);
  return some;
}

std::string DescribeSetting(const OptimizerParams& setting) {
  if (setting.type == Optimizer::kNewtonCg) return absl::StrCat("newton_cg l2 ", setting.l2, setting.l2_evidence ? " of the evidence" : "");
  return absl::StrCat("alpha ", setting.alpha, " beta ", setting.beta, " l1 ", setting.l1, " l2 ",
                      setting.l2);
}

std::string SettingYaml(const OptimizerParams& setting) {
  if (setting.type == Optimizer::kNewtonCg) {
    return absl::StrCat("{type: newton_cg, l2: ", setting.l2, setting.l2_evidence ? ", l2_evidence: true}" : "}");
  }
  return absl::StrCat("{type: ftrl, alpha: ", setting.alpha, ", beta: ", setting.beta,
                      ", newton: ", setting.newton, ", l1: ", setting.l1, ", l2: ", setting.l2,
                      "}");
}

void LaneSearch::Note(const OptimizerParams& setting, std::uint64_t rows) {
  noted_[DescribeSetting(setting)] = rows;
}

std::vector<OptimizerParams> LaneSearch::Challengers(const OptimizerParams& parent,
                                                     const std::vector<OptimizerParams>& live,
                                                     int count, std::uint64_t rows) const {
  const auto with = [&parent](float OptimizerParams::*member, float value) {
    OptimizerParams changed = parent;
    changed.*member = value;
    return changed;
  };
  using P = OptimizerParams;
  const OptimizerParams neighbours[] = {
      with(&P::alpha, Round(parent.alpha * M_SQRT2)),
      with(&P::alpha, Round(parent.alpha * M_SQRT1_2)),
      with(&P::beta, Raise(parent.beta, .05f, 2)),
      with(&P::beta, Round(std::max(.02, parent.beta / 2.0))),
      with(&P::l1, Raise(parent.l1, .05f, 4)),
      with(&P::l1, Lower(parent.l1, .05f, 4)),
      with(&P::l2, Raise(parent.l2, 1, 4)),
      with(&P::l2, Lower(parent.l2, 1, 4)),
  };
  std::vector<OptimizerParams> challengers;
  for (const OptimizerParams& one : neighbours) {
    if (static_cast<int>(challengers.size()) == count) break;
    const std::string name = DescribeSetting(one);
    const auto named_so = [&name](const OptimizerParams& other) {
      return DescribeSetting(other) == name;
    };
    if (std::any_of(live.begin(), live.end(), named_so)) continue;
    const auto noted = noted_.find(name);
    if (noted != noted_.end() && noted->second > rows / 4) continue;
    challengers.push_back(one);
  }
  return challengers;
}

}  // namespace ps
