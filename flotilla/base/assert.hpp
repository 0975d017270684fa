// FLOTILLA_ASSERT: for what cannot happen unless our own code is wrong. On in every build: a wrong
// program that stops is better than one that answers wrongly. Never for input or for the network.
#pragma once

namespace flotilla::detail {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define FLOTILLA_ASSERT(expression)                   \
  (__builtin_expect(static_cast<bool>(expression), 1) \
       ? static_cast<void>(0)                         \
       : ::flotilla::detail::assertion_failed(#expression, __FILE__, __LINE__))
