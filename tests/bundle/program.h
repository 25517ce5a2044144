// Runs a program of PS_BIN_DIR and keeps what it printed.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace ps {

inline std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

struct ProgramResult {
  int exit_code = -1;
  std::string out, err;
};

// `arguments` goes through the shell; `scratch` is a prefix of paths for the outputs.
inline ProgramResult RunProgram(const std::string& name, const std::string& arguments,
                                const std::string& scratch) {
  const char* bin = std::getenv("PS_BIN_DIR");
  EXPECT_NE(bin, nullptr) << "run by ctest, or set PS_BIN_DIR to the folder of the programs";
  const std::string command = std::string(bin == nullptr ? "." : bin) + "/" + name + " " +
                              arguments + " >" + scratch + ".out 2>" + scratch + ".err";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadText(scratch + ".out"),
          ReadText(scratch + ".err")};
}

}  // namespace ps
