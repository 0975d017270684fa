// The idempotency key of a saga's request: `sg1-<ULID>-<step>-<a|c|q>-<mac>`.
//
// For: the engine, which sends the same key with every attempt of one operation, from whichever process and
// version; and for callbacks, which name the operation they answer by its key. `step` is the step's index in
// base 36; a is the action, c its undo (compensation), q a status query. The mac is SipHash-2-4 (Aumasson and
// Bernstein 2012) over what stands before it, in base 32: without the key material nobody can make one up.
// Ownership: plain values. Threads: pure functions. Limits: under 64 bytes of ASCII.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/saga/core/saga_id.hpp"
#include "flotilla/saga/core/verdict.hpp"

namespace flotilla::saga {

// Secret, the same for all processes that share a journal, for as long as sagas live there.
struct KeyMaterial {
  std::array<std::uint64_t, 2> words{};
};

struct Operation {
  SagaId saga;
  std::uint8_t step = 0;
  Op op = Op::action;
  friend bool operator==(const Operation&, const Operation&) = default;
};

[[nodiscard]] std::string make_key(const KeyMaterial& material, const Operation& operation);
// Nothing for a key that make_key did not make of this material. Takes the same time wherever a mac differs.
[[nodiscard]] std::optional<Operation> read_key(const KeyMaterial& material, std::string_view key);

// Exposed for its test vectors.
[[nodiscard]] std::uint64_t siphash(const KeyMaterial& material, std::string_view bytes) noexcept;

}  // namespace flotilla::saga
