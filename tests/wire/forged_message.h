// Messages as a hostile peer would send them: sound frames of nonsense. Made from true ones, so that
// they come far before something is wrong with them.
#pragma once

#include <random>

#include "ps/wire/message.h"

namespace ps {

// The message with a few changes to its body's bytes, its fields' numbers or its sections. It may
// come out as it was.
Message Forge(const Message& message, std::mt19937_64& random);

}  // namespace ps
