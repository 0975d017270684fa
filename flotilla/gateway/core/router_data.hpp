// What a Router consists of. For router.cpp (building, matching) and route_explain.cpp only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <re2/re2.h>
#include <re2/set.h>

#include "flotilla/gateway/core/route_index.hpp"
#include "flotilla/gateway/core/router.hpp"

namespace flotilla::gateway {

// One header condition, compiled.
struct Condition {
  std::string name;
  std::string value;
  std::unique_ptr<const re2::RE2> regex;  // null: the exact value

  [[nodiscard]] bool holds(const HeaderLookup& headers) const {
    for (std::size_t n = 0; headers.nth != nullptr; ++n) {
      const auto found = headers.nth(headers.head, name, n);
      if (!found) {
        break;
      }
      if (regex ? re2::RE2::FullMatch(*found, *regex) : *found == value) {
        return true;
      }
    }
    return false;
  }
};

// How a route takes a method, better first.
enum class MethodRank : std::uint8_t { named, head_by_get, any };

// A route at the place of the index where its path ends. A GET route stands there twice, once for HEAD.
struct Candidate {
  MethodSet methods = 0;  // 0: any
  const std::string* names = nullptr;
  std::uint32_t route = 0;
  std::uint32_t conditions_begin = 0;
  std::uint16_t conditions_count = 0;
  std::uint8_t names_count = 0;
  MethodRank rank = MethodRank::named;
};

// The regex routes behind one literal beginning, in order of precedence.
struct RegexGroup {
  // From this many on, one pass of an RE2::Set finds those that match instead of trying one after the other.
  static constexpr std::size_t kSetFrom = 4;
  std::vector<Candidate> candidates;
  std::unique_ptr<re2::RE2::Set> set;
};

// One route, compiled.
struct CompiledRoute {
  RoutePattern pattern;
  std::vector<std::string> hosts = {};  // lower-case, each once; "*.x" kept as written
  MethodSet methods = 0;                // as named; 0: any
  std::uint32_t conditions_begin = 0;
  std::uint16_t conditions_count = 0;
  std::string where = {};
};

struct Router::Data {
  // Roots of the index. Hosts are children of the first two, with a trie of their own below.
  NodeId exact_hosts = kNoNode;
  NodeId wildcard_hosts = kNoNode;  // by suffix, without "*."
  NodeId any_host = kNoNode;
  bool has_hosts = false;
  bool has_wildcards = false;
  RouteIndex index;
  std::vector<Candidate> candidates;
  std::vector<RegexGroup> groups;
  std::vector<Condition> conditions;
  std::vector<CompiledRoute> routes;
  MethodTable methods;
  std::vector<RouteFinding> findings;
};

// The host without port and final dot, lower-case; empty when it is longer than a name can be (253 bytes).
class HostKey {
 public:
  explicit HostKey(std::string_view host) noexcept;
  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, 256> text_;
  std::size_t size_ = 0;
};

}  // namespace flotilla::gateway
