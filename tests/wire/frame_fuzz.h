// What is tried on bytes of any kind: nothing may crash, and what is accepted must be sound.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ps {

// Decodes `bytes` as a frame, its sections with the codecs, and checks what comes out. Aborts where
// an accepted frame does not survive being encoded again. True when the frame itself was accepted.
bool TryFrame(std::string_view bytes);

// The same for a frame whose two checksums are first made to fit, so that mutations reach what lies
// behind them. Bytes too short for a header are tried as they are.
bool TryFrameWithChecksums(std::string bytes);

// Small valid frames of every shape, to start from.
std::vector<std::string> FrameExamples();

}  // namespace ps
