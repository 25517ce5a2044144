// Which protocol a process speaks, and the refusal of nodes that speak another: a field that one side does not know
// would be dropped in silence, and what came of it would be a wrong model, not an error. Any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "ps/wire/message.h"

namespace ps {

// Of the program's version, the frame's version and the text of the message definitions. Never 0.
std::uint64_t ProtocolDigest();

// The answer to a node of another protocol; nothing for one of this.
std::optional<Message> RefuseOtherProtocol(const wire::Hello& hello);

}  // namespace ps
