// The log port: how any folder says something to the operator. `app` wires spdlog behind it.
//
// Ownership: the sink is a process-wide function set once at start, before threads.
// Threads: any. Limits: a line over 4 KiB is cut. Secrets never reach it: callers log names, not values.
// Cores do not log: they return what happened.
#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace flotilla::log {

enum class Level : unsigned char { debug, info, warning, error };

using Sink = void (*)(Level level, std::string_view line);

// Replaces the sink (default: stderr). Call before starting threads.
void set_sink(Sink sink) noexcept;
void set_threshold(Level level) noexcept;
[[nodiscard]] bool enabled(Level level) noexcept;

void write(Level level, std::string_view line);

template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) {
    write(Level::info, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning)) {
    write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) {
    write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace flotilla::log
