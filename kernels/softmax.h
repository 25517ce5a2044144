// Probabilities and gradients of a softmax over classes. Pure functions, any thread.
//
// Margins are kept by class: those of class c begin at margins + c * stride. Vector and plain code give
// the same bits, on every processor.
#pragma once

#include <cstddef>

namespace ps {

// What makes probabilities of the margins of a row: its largest margin, and 1 / the sum over classes of
// e^(margin - largest). p of a class is e^(its margin - largest) * inverse.
void FindSoftmaxNorms(const float* margins, std::size_t stride, std::size_t classes, std::size_t count,
                      float* largest, float* inverse);
void FindSoftmaxNormsPlain(const float* margins, std::size_t stride, std::size_t classes, std::size_t count,
                           float* largest, float* inverse);

// Of one class: gradient[i] = w (p - y), hessian[i] = 2 w p (1 - p), where y says whether the row is of
// the class. Twice the second derivative, for the margins of all classes move at once: the matrix of their
// derivatives is at most twice its diagonal (each row's others sum to it), so that a step never goes too
// far, and two classes take the steps of logistic regression. `labels` are numbers of classes; `weights` may be null: all 1.
struct SoftmaxClass {
  const float* margins = nullptr;  // of the class
  const float* largest = nullptr;  // norms
  const float* inverse = nullptr;
  float number = 0;                // as labels have it
};
void SoftmaxGradients(const SoftmaxClass& of, const float* labels, const float* weights, std::size_t count,
                      float* gradient, float* hessian);
void SoftmaxGradientsPlain(const SoftmaxClass& of, const float* labels, const float* weights, std::size_t count,
                           float* gradient, float* hessian);

}  // namespace ps
