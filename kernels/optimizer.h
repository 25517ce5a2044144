// Optimisers of a linear model, per coordinate. State is a few floats a key:
//
//   FTRL-Proximal (McMahan et al., KDD 2013)   {z, r}, r = sqrt(n); the weight is derived
//   AdaGrad (Duchi et al., JMLR 2011)          {w, r}
//   SGD                                        {w}
//   Newton-CG                                  {w}: all rows at once (models/linear/), no step here
//
// n is kept as its root, because most uses of it are of the root: a prediction then takes no square root, and an
// update one. n sums squared gradients; where rows are learnt one by one, FTRL sums the curvature of the loss instead
// (RowCurvature), which is what a squared gradient is on average but does not depend on the chance of the label.
//
// The rate of FTRL's weight is 1 / ((beta + sqrt(n)) / alpha + newton n + l2). With n the curvature, newton = 1 and
// alpha infinite would be Newton's step with the diagonal of the Hessian; a part of it lets the rates of frequent
// features fall faster than the root, which alone leaves their weights noisy at the end of a pass.
//
// These are the definitions: every vectorised kernel gives the same bits as they do (tested), because all use the
// same IEEE operations in the same order; multiply-adds are fused exactly where fma is written, and nowhere
// else (-ffp-contract=off). Pure functions, any thread.
#pragma once

#include <math.h>

#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"

namespace ps {

enum class Optimizer : std::uint8_t { kFtrl, kAdaGrad, kSgd, kNewtonCg };

struct OptimizerParams {
  Optimizer type = Optimizer::kFtrl;
  float alpha = 0.1f;
  float beta = 1.0f;
  float l1 = 0.0f;
  float l2 = 0.0f;
  float newton = 0.0f;        // FTRL
  bool l2_evidence = false;   // Newton-CG: l2 is a factor of what the data says of each group
};

PS_HOST_DEVICE constexpr int StateFloats(Optimizer type) {
  return type == Optimizer::kFtrl || type == Optimizer::kAdaGrad ? 2 : 1;
}

// What FTRL divides by: the inverse of the rate.
PS_HOST_DEVICE inline float FtrlDenominator(const OptimizerParams& p, float root) {
  const float inverse_alpha = 1.0f / p.alpha;
  return fmaf(root, fmaf(root, p.newton, inverse_alpha), fmaf(p.beta, inverse_alpha, p.l2));
}

PS_HOST_DEVICE inline float FtrlWeight(const OptimizerParams& p, float z, float root) {
  const float magnitude = fabsf(z);
  if (!(magnitude > p.l1)) return 0.0f;
  const float shrunk = z < 0 ? z + p.l1 : z - p.l1;
  return -shrunk / FtrlDenominator(p, root);
}

// The weight that a state stands for.
PS_HOST_DEVICE inline float WeightOf(const OptimizerParams& p, const float* state) {
  return p.type == Optimizer::kFtrl ? FtrlWeight(p, state[0], state[1]) : state[0];
}

// The second derivative of a row's weighted loss by its margin, which predicted `probability`. Where the gradient is
// far larger than that allows for (a wrong prediction that was nearly certain, a large importance weight), a part of
// its square: so no step is ever much longer than alpha, whatever the scale of the values.
PS_HOST_DEVICE inline float RowCurvature(float probability, float weight, float gradient) {
  const float expected = probability * (1.0f - probability) * weight;
  const float least = gradient * gradient * 0.125f;
  return expected > least ? expected : least;
}

// One step of FTRL with gradient g that adds h to n.
PS_HOST_DEVICE inline void ApplyFtrl(const OptimizerParams& p, float g, float h, float* state) {
  const float w = FtrlWeight(p, state[0], state[1]);
  const float root = sqrtf(fmaf(state[1], state[1], h));
  const float sigma = (root - state[1]) * fmaf(p.newton, root + state[1], 1.0f / p.alpha);
  state[0] = fmaf(-sigma, w, state[0] + g);
  state[1] = root;
}

// One step with the (summed) gradient g.
PS_HOST_DEVICE inline void ApplyGradient(const OptimizerParams& p, float g, float* state) {
  switch (p.type) {
    case Optimizer::kFtrl:
      ApplyFtrl(p, g, g * g, state);
      return;
    case Optimizer::kAdaGrad: {
      const float root = sqrtf(fmaf(state[1], state[1], g * g));
      const float gradient = fmaf(p.l2, state[0], g);
      state[0] = state[0] - p.alpha * gradient / (p.beta + root);
      state[1] = root;
      return;
    }
    case Optimizer::kSgd:
      state[0] = fmaf(-p.alpha, fmaf(p.l2, state[0], g), state[0]);
      return;
    case Optimizer::kNewtonCg:
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
  if (StateFloats(p.type) == 2) state[1] = 0.0f;
}

}  // namespace ps
