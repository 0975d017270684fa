// SHA-256 (FIPS 180-4): the name of a content.
//
// For: identities of definitions and of request bodies. Not for passwords.
// Ownership, threads: a pure function. Limits: 2^61 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace flotilla {

using Sha256 = std::array<std::uint8_t, 32>;

[[nodiscard]] Sha256 sha256(std::string_view bytes) noexcept;

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string to_hex(const Sha256& digest);

}  // namespace flotilla
