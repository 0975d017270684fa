// The record decoder given arbitrary bytes: whatever it accepts it must write back unchanged.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::journal::fuzz {

void record(std::span<const std::byte> data);

}  // namespace flotilla::journal::fuzz
