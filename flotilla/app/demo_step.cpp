#include "flotilla/app/demo_step.hpp"

#include <cstdio>

#include <fmt/format.h>

namespace flotilla::app {

bool shown(bool ok, const std::string& step, const std::string& saw) {
  std::printf("  %-6s %s: %s\n", ok ? "ok" : "FAILED", step.c_str(), saw.c_str());
  return ok;
}

std::string text(const DemoAnswer& answer) {
  return fmt::format("{} in {} ms {}", answer.status, to_millis(answer.took),
                     answer.response.body.substr(0, 160));
}

bool has(const DemoAnswer& answer, std::string_view part) { return answer.response.body.contains(part); }

std::size_t count_of(const DemoAnswer& answer, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answer.response.body.find(part, at)) != std::string::npos;
       at += part.size()) {
    ++count;
  }
  return count;
}

}  // namespace flotilla::app
