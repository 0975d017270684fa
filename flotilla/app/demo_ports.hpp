// Where the demo's programs listen, all on 127.0.0.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace flotilla::app {

// The sample services; every one listens on the port `services` + its place here.
constexpr std::string_view kDemoRoles[] = {"user",         "order",          "payment", "shipping",
                                           "notification", "recommendation", "monolith"};

struct DemoPorts {
  // The ports of the design.
  std::uint16_t gateway = 8000;
  std::uint16_t mobile = 8010;
  std::uint16_t registry = 8500;
  std::uint16_t admin = 9900;
  std::uint16_t api = 9901;
  std::uint16_t services = 9101;
  std::uint16_t redis = 9108;  // where there is a redis-server

  static constexpr std::uint16_t kSpan = 13;  // how many ports the demo takes

  // kSpan ports in a row, for a demo beside a running platform.
  [[nodiscard]] static constexpr DemoPorts from(std::uint16_t first) {
    const auto at = [&](int offset) { return static_cast<std::uint16_t>(first + offset); };
    return {.gateway = at(0),
            .mobile = at(1),
            .registry = at(2),
            .admin = at(3),
            .api = at(4),
            .services = at(5),
            .redis = at(12)};
  }
  [[nodiscard]] constexpr std::uint16_t service(std::size_t role) const {
    return static_cast<std::uint16_t>(services + role);
  }
};
static_assert(DemoPorts::kSpan == 6 + std::size(kDemoRoles));

}  // namespace flotilla::app
