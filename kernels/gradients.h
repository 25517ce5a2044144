// First and second derivatives of a loss by the margin, and their quantisation. Pure functions, any
// thread.
//
// Rounding is stochastic: a number is rounded up with the probability of its fraction, by bits that
// depend on (key, global row) only, so on no thread, worker or order (Shi et al., NeurIPS 2022).
// Vector and plain code give the same bits: everything is fused or rounded where it is written so.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/histogram.h"

namespace ps {

// What gradients are of: log loss of two classes, squared errors, or log loss of a class of several
// (softmax.h).
enum class GradientKind : std::uint8_t { kLogistic, kSquared, kSoftmax };

// Gradients of a stretch of rows: gradient[i] = w (p - y), hessian[i] = w p (1 - p), p = 1 / (1 +
// e^-margin). `weights` may be null: all 1.
void LogisticGradients(const float* margins, const float* labels, const float* weights,
                       std::size_t count, float* gradient, float* hessian);
void LogisticGradientsPlain(const float* margins, const float* labels, const float* weights,
                            std::size_t count, float* gradient, float* hessian);

// gradient[i] = w (margin - y), hessian[i] = w.
void SquaredGradients(const float* margins, const float* labels, const float* weights,
                      std::size_t count, float* gradient, float* hessian);

// Fixed-point numbers fine enough that their sums stand for exact ones, and sum to the same in any
// order.
struct FixedGradient {
  std::int32_t g = 0, h = 0;
};

struct Quantisation {
  std::uint32_t key = 0;     // of the tree
  float gradient_steps = 1;  // quantised gradient = gradient * this, rounded
  float hessian_steps = 1;
  float gradient_fixed = 1;  // a power of two
  float hessian_fixed = 1;
};

// rows[i] = {first_row + i, packed}; fixed[i] beside it. `first_global` is the global number of the
// first row, whose low 32 bits enter the hash.
void QuantiseGradients(const Quantisation& q, const float* gradient, const float* hessian,
                       std::size_t count, std::uint32_t first_row, std::uint64_t first_global,
                       RowGradient* rows, FixedGradient* fixed);
void QuantiseGradientsPlain(const Quantisation& q, const float* gradient, const float* hessian,
                            std::size_t count, std::uint32_t first_row, std::uint64_t first_global,
                            RowGradient* rows, FixedGradient* fixed);

// 32 mixed bits of a row (the finaliser of MurmurHash3, public domain).
constexpr std::uint32_t RowBits(std::uint32_t key, std::uint64_t global_row) {
  std::uint32_t x = (static_cast<std::uint32_t>(global_row) ^ key) +
                    static_cast<std::uint32_t>(global_row >> 32) * 0x9e3779b9u;
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

}  // namespace ps
