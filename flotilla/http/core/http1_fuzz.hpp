// Fuzz targets of the HTTP core: tests/fuzz gives them an entry, and ctest replays
// tests/fuzz/corpus/http_*/ through them.
//
// Each checks properties and asserts on a breach: how bytes are split does not matter, forwarding
// keeps the framing, normal forms are stable. Only tests and fuzzers call them.
// Ownership: none. Threads: pure functions. Limits: those of the parsers.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::http::fuzz {

void request(std::span<const std::byte> input);
void response(std::span<const std::byte> input);
void chunked(std::span<const std::byte> input);
void uri(std::span<const std::byte> input);

}  // namespace flotilla::http::fuzz
