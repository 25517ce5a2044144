// Prints docs/job_reference.md: ps_config_reference > docs/job_reference.md
#include <cstdio>

#include "models/config/reference.h"

int main() {
  const std::string page = ps::JobReference();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
