#include "flotilla/base/log.hpp"

#include <atomic>
#include <cstdio>

namespace flotilla::log {
namespace {

constexpr std::size_t kLongestLine = 4096;

void to_stderr(Level level, std::string_view line) {
  constexpr std::string_view names[] = {"debug", "info", "warning", "error"};
  fmt::print(stderr, "flotilla: {}: {}\n", names[static_cast<std::size_t>(level)], line);
}

std::atomic<Sink> sink{&to_stderr};
std::atomic<Level> threshold{Level::info};

}  // namespace

void set_sink(Sink replacement) noexcept { sink.store(replacement, std::memory_order_release); }
void set_threshold(Level level) noexcept { threshold.store(level, std::memory_order_relaxed); }
bool enabled(Level level) noexcept { return level >= threshold.load(std::memory_order_relaxed); }

void write(Level level, std::string_view line) {
  sink.load(std::memory_order_acquire)(level, line.substr(0, kLongestLine));
}

}  // namespace flotilla::log
