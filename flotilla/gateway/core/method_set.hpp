// Methods as bits, so that "is this method among them" is one AND and a 405's Allow one word.
//
// For: the router. A table owns which bit means which method: the nine of RFC 9110 have fixed ones, others
// get theirs when a route names them. Methods are case-sensitive (RFC 9110 9.1). Threads: immutable once the
// router is built. Limits: 64 methods.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flotilla::gateway {

using MethodSet = std::uint64_t;

class MethodTable {
 public:
  static constexpr std::size_t kMaxMethods = 64;
  static constexpr MethodSet kGet = 1;
  static constexpr MethodSet kHead = 2;

  // The method's bit; 0 when no route names it, which then only routes for any method take.
  [[nodiscard]] MethodSet find(std::string_view method) const noexcept {
    for (std::size_t i = 0; i < kStandard.size(); ++i) {
      if (method == kStandard[i]) {
        return MethodSet{1} << i;
      }
    }
    for (std::size_t i = 0; i < extra_.size(); ++i) {
      if (method == extra_[i]) {
        return MethodSet{1} << (kStandard.size() + i);
      }
    }
    return 0;
  }

  // The method's bit, made when it is new; 0 when the table is full.
  [[nodiscard]] MethodSet add(std::string_view method) {
    if (const MethodSet known = find(method); known != 0) {
      return known;
    }
    if (kStandard.size() + extra_.size() == kMaxMethods) {
      return 0;
    }
    extra_.emplace_back(method);
    return find(method);
  }

  // "GET, HEAD, POST": the value of an Allow header.
  [[nodiscard]] std::string names(MethodSet set) const {
    std::string text;
    for (std::size_t i = 0; i < kStandard.size() + extra_.size(); ++i) {
      if ((set >> i & 1U) != 0) {
        text += text.empty() ? "" : ", ";
        text += i < kStandard.size() ? kStandard[i] : std::string_view(extra_[i - kStandard.size()]);
      }
    }
    return text;
  }

 private:
  // The frequent ones first: find() compares in this order.
  static constexpr std::array<std::string_view, 9> kStandard{"GET",   "HEAD",    "POST",  "PUT",    "DELETE",
                                                             "PATCH", "OPTIONS", "TRACE", "CONNECT"};
  std::vector<std::string> extra_;
};

}  // namespace flotilla::gateway
