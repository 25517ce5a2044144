// Checks objects against the fields of Kubernetes 1.32 that we use: a field that is not listed, or of another type, is
// an error, as it is to the API server with strict field validation. The list is derived by hand from the API reference.
#pragma once

#include <string>
#include <vector>

namespace ps {

// Of all documents in the text; empty when everything fits.
std::vector<std::string> KubernetesErrors(const std::string& yaml);

}  // namespace ps
