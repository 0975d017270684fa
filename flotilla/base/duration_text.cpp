#include "flotilla/base/duration_text.hpp"

#include <utility>

#include <fmt/format.h>

namespace flotilla {

std::string show_duration(Duration value) {
  using namespace std::chrono_literals;
  constexpr std::pair<Duration, const char*> units[] = {{24h, "d"}, {1h, "h"},   {1min, "m"},
                                                        {1s, "s"},  {1ms, "ms"}, {1us, "us"}};
  for (const auto& [unit, name] : units) {
    if (value != 0ns && value % unit == 0ns) {
      return fmt::format("{}{}", value / unit, name);
    }
  }
  return value == 0ns ? "0us" : fmt::format("{}ns", value.count());
}

}  // namespace flotilla
