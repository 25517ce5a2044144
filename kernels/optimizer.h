// Optimisers of a linear model, per coordinate. State is a few floats a key:
//
//   FTRL-Proximal (McMahan et al., KDD 2013)   {z, r}, r = sqrt(n); the weight is derived
//   AdaGrad (Duchi et al., JMLR 2011)          {w, r}
//   SGD                                        {w}
//
// n, the sum of squared gradients, is kept as its root, because every use of it is of the root: a prediction then
// takes no square root, and an update one.
//
// These are the definitions: every vectorised kernel gives the same bits as they do (tested), because all use the
// same IEEE operations in the same order; multiply-adds are fused exactly where std::fma is written, and nowhere
// else (-ffp-contract=off). Pure functions, any thread.
#pragma once

#include <cmath>
#include <cstdint>

namespace ps {

enum class Optimizer : std::uint8_t { kFtrl, kAdaGrad, kSgd };

struct OptimizerParams {
  Optimizer type = Optimizer::kFtrl;
  float alpha = 0.1f;
  float beta = 1.0f;
  float l1 = 0.0f;
  float l2 = 0.0f;
};

constexpr int StateFloats(Optimizer type) { return type == Optimizer::kSgd ? 1 : 2; }

inline float FtrlWeight(const OptimizerParams& p, float z, float root) {
  const float magnitude = std::fabs(z);
  if (!(magnitude > p.l1)) return 0.0f;
  const float shrunk = z < 0 ? z + p.l1 : z - p.l1;
  return -shrunk / std::fma(p.beta + root, 1.0f / p.alpha, p.l2);
}

// The weight that a state stands for.
inline float WeightOf(const OptimizerParams& p, const float* state) {
  return p.type == Optimizer::kFtrl ? FtrlWeight(p, state[0], state[1]) : state[0];
}

// One step with the (summed) gradient g.
inline void ApplyGradient(const OptimizerParams& p, float g, float* state) {
  switch (p.type) {
    case Optimizer::kFtrl: {
      const float w = FtrlWeight(p, state[0], state[1]);
      const float root = std::sqrt(std::fma(state[1], state[1], g * g));
      const float sigma = (root - state[1]) * (1.0f / p.alpha);
      state[0] = std::fma(-sigma, w, state[0] + g);
      state[1] = root;
      return;
    }
    case Optimizer::kAdaGrad: {
      const float root = std::sqrt(std::fma(state[1], state[1], g * g));
      const float gradient = std::fma(p.l2, state[0], g);
      state[0] = state[0] - p.alpha * gradient / (p.beta + root);
      state[1] = root;
      return;
    }
    case Optimizer::kSgd:
      state[0] = std::fma(-p.alpha, std::fma(p.l2, state[0], g), state[0]);
      return;
  }
}

// Sets the state that stands for a weight with no evidence behind it: a warm start.
inline void SetStateToWeight(const OptimizerParams& p, float weight, float* state) {
  if (p.type == Optimizer::kFtrl) {
    const float sign = weight < 0 ? -1.0f : 1.0f;
    state[0] = weight == 0 ? 0.0f : -weight * (p.beta * (1.0f / p.alpha) + p.l2) - sign * p.l1;
  } else {
    state[0] = weight;
  }
  if (p.type != Optimizer::kSgd) state[1] = 0.0f;
}

}  // namespace ps
