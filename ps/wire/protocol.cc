#include "ps/wire/protocol.h"

#include "absl/strings/str_cat.h"
#include "ps/wire/frame.h"

namespace ps {

// PS_PROTOCOL is made by CMake of the program's version and the text of the message definitions.
std::uint64_t ProtocolDigest() { return (PS_PROTOCOL ^ (std::uint64_t{kFrameVersion} << 56)) | 1; }

std::optional<Message> RefuseOtherProtocol(const wire::Hello& hello) {
  if (hello.protocol() == ProtocolDigest()) return std::nullopt;
  Message reply;
  wire::Error& error = *reply.body.mutable_error();
  error.set_code(wire::Error::REFUSED);
  error.set_message(absl::StrCat("the scheduler speaks protocol ", absl::Hex(ProtocolDigest(), absl::kZeroPad16),
                                 ", this process ", absl::Hex(hello.protocol(), absl::kZeroPad16),
                                 ": all processes of a job must be of one version"));
  return reply;
}

}  // namespace ps
