// Strong types: a type says what a value is, so that a ServiceName is never passed for a host.
//
// Construction and reading are explicit; there is no way back by conversion.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace flotilla {

template <class Tag, class Rep>
class Strong {
 public:
  Strong() = default;
  explicit Strong(Rep value) : value_(std::move(value)) {}
  [[nodiscard]] const Rep& value() const noexcept { return value_; }
  friend auto operator<=>(const Strong&, const Strong&) = default;
  friend bool operator==(const Strong&, const Strong&) = default;

 private:
  Rep value_{};
};

using ServiceName = Strong<struct ServiceNameTag, std::string>;
using RouteName = Strong<struct RouteNameTag, std::string>;

}  // namespace flotilla

template <class Tag, class Rep>
struct std::hash<flotilla::Strong<Tag, Rep>> {
  std::size_t operator()(const flotilla::Strong<Tag, Rep>& s) const noexcept {
    return std::hash<Rep>{}(s.value());
  }
};
