// Prints docs/job_reference.md: ps_config_reference > docs/job_reference.md
#include <cstdio>
#include <cstring>

#include "models/config/reference.h"
#include "ps/base/version.h"

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("ps_config_reference version %s\n", ps::kVersion);
    return 0;
  }
  if (argc > 1) {
    const bool help = std::strcmp(argv[1], "--help") == 0;
    std::fputs("usage: ps_config_reference [--version]\n\nPrints docs/job_reference.md: all keys of a job.\n", help ? stdout : stderr);
    return help ? 0 : 2;
  }
  const std::string page = ps::JobReference();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
