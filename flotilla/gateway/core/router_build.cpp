// Building a Router: compiling each route, placing it in the index, ordering what stands at one place, and
// finding what can never be reached.
#include <algorithm>
#include <bit>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/gateway/core/router_data.hpp"

namespace flotilla::gateway {
namespace {

constexpr std::size_t kMaxPlaces = 4'000'000;  // routes times hosts
constexpr std::size_t kMaxHostBytes = 253;     // RFC 1035 2.3.4, without the final dot
constexpr std::int64_t kSetMemory = 8 << 20;

enum class Place : std::uint8_t { end, rest, regex };

struct Placed {
  NodeId node;
  Place place;
  Candidate candidate;
};

bool before(const Placed& a, const Placed& b) {
  const auto key = [](const Placed& p) {
    return std::tuple(p.node, p.place, -static_cast<int>(p.candidate.conditions_count), p.candidate.rank,
                      p.candidate.route);
  };
  return key(a) < key(b);
}

bool is_token(std::string_view text) {
  // RFC 9110 5.6.2.
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

// Who takes which method among the routes of one place with the same conditions.
struct Covered {
  MethodSet methods = 0;
  std::array<std::uint32_t, MethodTable::kMaxMethods> owner{};
  std::optional<std::uint32_t> any_owner;
};

struct Shadow {
  std::uint32_t total = 0;  // (place, method) pairs the route asks for
  std::uint32_t lost = 0;   // those that an earlier route takes
  std::uint32_t by = 0;
};

}  // namespace

class RouterBuilder {
 public:
  RouterBuilder(Router::Data& data, std::span<const RouteMatch> routes) : data_(data), routes_(routes) {}

  Result<> run() {
    if (routes_.size() > kMaxRoutes) {
      return fail(Errc::limit, fmt::format("{}: {} routes; at most {} are taken", name_of(kMaxRoutes),
                                           routes_.size(), kMaxRoutes));
    }
    data_.routes.reserve(routes_.size());
    for (const RouteMatch& route : routes_) {
      if (auto ok = compile(route); !ok) {
        return fail(ok.error().code, fmt::format("{}: {}", name_of(data_.routes.size()), ok.error().message));
      }
    }
    data_.exact_hosts = data_.index.add_root();
    data_.wildcard_hosts = data_.index.add_root();
    data_.any_host = data_.index.add_root();
    for (std::uint32_t i = 0; i < data_.routes.size(); ++i) {
      place(i);
      if (placed_.size() > kMaxPlaces) {
        return fail(Errc::limit,
                    fmt::format("{}: more than {} pairs of route and host", name_of(i), kMaxPlaces));
      }
    }
    const std::vector<NodeId> renamed = data_.index.freeze();
    for (Placed& placed : placed_) {
      placed.node = renamed[placed.node];
    }
    std::ranges::sort(placed_, before);
    lay_out();
    find_shadowed();
    return {};
  }

 private:
  [[nodiscard]] std::string name_of(std::size_t route) const {
    return routes_[route].where.empty() ? fmt::format("route {}", route) : routes_[route].where;
  }

  Result<> compile(const RouteMatch& route) {
    auto pattern = RoutePattern::parse(route.path);
    if (!pattern) {
      return std::unexpected(pattern.error());
    }
    CompiledRoute compiled{.pattern = *std::move(pattern), .where = name_of(data_.routes.size())};
    for (const std::string& method : route.methods) {
      if (!is_token(method)) {
        return fail(Errc::invalid, fmt::format("'{}' is not a method", method));
      }
      const MethodSet bit = data_.methods.add(method);
      if (bit == 0) {
        return fail(Errc::limit, fmt::format("more than {} different methods", MethodTable::kMaxMethods));
      }
      compiled.methods |= bit;
    }
    if (auto ok = compile_hosts(route, compiled); !ok) {
      return ok;
    }
    if (auto ok = compile_headers(route, compiled); !ok) {
      return ok;
    }
    data_.routes.push_back(std::move(compiled));
    return {};
  }

  Result<> compile_hosts(const RouteMatch& route, CompiledRoute& compiled) {
    if (route.hosts.size() > kMaxHostsPerRoute) {
      return fail(Errc::limit, fmt::format("more than {} hosts", kMaxHostsPerRoute));
    }
    for (const std::string& host : route.hosts) {
      std::string key = to_lower(host);
      if (key.ends_with('.')) {
        key.pop_back();
      }
      const std::string_view name = std::string_view(key).substr(key.starts_with("*.") ? 2 : 0);
      const bool bracketed = name.starts_with('[') && name.ends_with(']');
      if (name.empty() || name.size() > kMaxHostBytes || name.contains('*') ||
          (name.contains(':') && !bracketed)) {
        return fail(
            Errc::invalid,
            fmt::format("host '{}': write a name without port, as in ops.example.com or *.example.com",
                        host));
      }
      if (std::ranges::find(compiled.hosts, key) == compiled.hosts.end()) {
        compiled.hosts.push_back(std::move(key));
      }
    }
    return {};
  }

  Result<> compile_headers(const RouteMatch& route, CompiledRoute& compiled) {
    if (route.headers.size() > kMaxHeadersPerRoute) {
      return fail(Errc::limit, fmt::format("more than {} header conditions", kMaxHeadersPerRoute));
    }
    compiled.conditions_begin = static_cast<std::uint32_t>(data_.conditions.size());
    compiled.conditions_count = static_cast<std::uint16_t>(route.headers.size());
    for (const HeaderCondition& header : route.headers) {
      if (!is_token(header.name)) {
        return fail(Errc::invalid, fmt::format("'{}' is not a header name", header.name));
      }
      Condition condition{.name = to_lower(header.name), .value = header.value, .regex = nullptr};
      if (header.value.starts_with('~')) {
        re2::RE2::Options options(re2::RE2::Quiet);
        auto regex = std::make_unique<re2::RE2>(std::string_view(header.value).substr(1), options);
        if (!regex->ok()) {
          return fail(Errc::invalid, fmt::format("header {}: '{}' is not an RE2 expression: {}", header.name,
                                                 header.value, regex->error()));
        }
        condition.regex = std::move(regex);
      }
      data_.conditions.push_back(std::move(condition));
    }
    return {};
  }

  // Puts a route where its path ends, once for each host.
  void place(std::uint32_t id) {
    const CompiledRoute& route = data_.routes[id];
    if (route.hosts.empty()) {
      place_below(data_.any_host, id);
    }
    for (const std::string_view host : route.hosts) {
      data_.has_hosts = true;
      const bool wildcard = host.starts_with("*.");
      data_.has_wildcards |= wildcard;
      place_below(data_.index.add_child(wildcard ? data_.wildcard_hosts : data_.exact_hosts,
                                        host.substr(wildcard ? 2 : 0)),
                  id);
    }
  }

  void place_below(NodeId node, std::uint32_t id) {
    const CompiledRoute& route = data_.routes[id];
    for (const PatternSegment& segment : route.pattern.segments()) {
      node = segment.kind == PatternSegment::Kind::parameter ? data_.index.add_parameter(node)
                                                             : data_.index.add_child(node, segment.text);
    }
    const Place place = route.pattern.tail() == RoutePattern::Tail::none   ? Place::end
                        : route.pattern.tail() == RoutePattern::Tail::rest ? Place::rest
                                                                           : Place::regex;
    Candidate candidate{.methods = route.methods,
                        .names = route.pattern.parameters().data(),
                        .route = id,
                        .conditions_begin = route.conditions_begin,
                        .conditions_count = route.conditions_count,
                        .names_count = static_cast<std::uint8_t>(route.pattern.parameters().size()),
                        .rank = route.methods == 0 ? MethodRank::any : MethodRank::named};
    placed_.push_back({node, place, candidate});
    if ((route.methods & MethodTable::kGet) != 0 && (route.methods & MethodTable::kHead) == 0) {
      candidate.methods = MethodTable::kHead;
      candidate.rank = MethodRank::head_by_get;
      placed_.push_back({node, place, candidate});
    }
  }

  // Hands each node its candidates; `placed_` is sorted.
  void lay_out() {
    data_.candidates.reserve(placed_.size());
    for_each_place([this](std::span<const Placed> here) {
      RouteNode& node = data_.index.node(here.front().node);
      const Place place = here.front().place;
      node.plain = node.plain && place == Place::end;
      if (place == Place::regex) {
        node.regexes = static_cast<std::uint32_t>(data_.groups.size());
        data_.groups.push_back(regex_group(here));
        return;
      }
      CandidateRange& range = place == Place::end ? node.end : node.rest;
      range.begin = static_cast<std::uint32_t>(data_.candidates.size());
      for (const Placed& placed : here) {
        data_.candidates.push_back(placed.candidate);
      }
      if (here.size() == 2 && here[0].candidate.route == here[1].candidate.route) {
        data_.candidates.pop_back();  // a GET route alone: nothing can come between it and its HEAD
        data_.candidates.back().methods |= MethodTable::kHead;
      }
      range.count = static_cast<std::uint32_t>(data_.candidates.size()) - range.begin;
    });
  }

  RegexGroup regex_group(std::span<const Placed> here) const {
    RegexGroup group;
    for (const Placed& placed : here) {
      group.candidates.push_back(placed.candidate);
    }
    if (here.size() < RegexGroup::kSetFrom) {
      return group;
    }
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(kSetMemory);
    auto set = std::make_unique<re2::RE2::Set>(options, re2::RE2::ANCHOR_BOTH);
    for (const Candidate& candidate : group.candidates) {
      set->Add(data_.routes[candidate.route].pattern.regex()->pattern(), nullptr);
    }
    if (set->Compile()) {  // too large together: they are tried one after the other
      group.set = std::move(set);
    }
    return group;
  }

  template <class Visit>
  void for_each_place(Visit&& visit) const {
    for (auto begin = placed_.begin(); begin != placed_.end();) {
      const auto end = std::find_if(begin, placed_.end(), [begin](const Placed& p) {
        return p.node != begin->node || p.place != begin->place;
      });
      visit(std::span<const Placed>(begin, end));
      begin = end;
    }
  }

  // What tells the routes of one place apart besides their methods.
  [[nodiscard]] std::string requirements(const Placed& placed) const {
    const CompiledRoute& route = data_.routes[placed.candidate.route];
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < route.conditions_count; ++i) {
      const Condition& condition = data_.conditions[route.conditions_begin + i];
      parts.push_back(condition.name + ':' + condition.value);
    }
    std::ranges::sort(parts);
    parts.erase(std::ranges::unique(parts).begin(), parts.end());
    std::string text = placed.place == Place::regex ? route.pattern.text() : std::string();
    for (const std::string& part : parts) {
      text += '\n' + part;
    }
    return text;
  }

  void find_shadowed() {
    std::vector<Shadow> shadows(data_.routes.size());
    for_each_place([&](std::span<const Placed> here) {
      std::map<std::string, Covered> covered;
      for (const Placed& placed : here) {
        if (placed.candidate.rank != MethodRank::head_by_get) {
          count(placed.candidate, covered[requirements(placed)], shadows[placed.candidate.route]);
        }
      }
    });
    for (std::uint32_t i = 0; i < shadows.size(); ++i) {
      if (shadows[i].lost == 0) {
        continue;
      }
      const bool all = shadows[i].lost == shadows[i].total;
      data_.findings.push_back(
          {all ? RouteFinding::Kind::unreachable : RouteFinding::Kind::shadowed, i, shadows[i].by,
           fmt::format("{}: {} the same requests as {}, which comes first", name_of(i),
                       all ? "is never reached: it matches" : "is reached only in part: it matches some of",
                       name_of(shadows[i].by))});
    }
  }

  static void count(const Candidate& candidate, Covered& covered, Shadow& shadow) {
    if (candidate.methods == 0) {
      shadow.total += 1;
      if (covered.any_owner) {
        shadow.lost += 1;
        shadow.by = *covered.any_owner;
      } else {
        covered.any_owner = candidate.route;
      }
      return;
    }
    const MethodSet lost = candidate.methods & covered.methods;
    shadow.total += static_cast<std::uint32_t>(std::popcount(candidate.methods));
    shadow.lost += static_cast<std::uint32_t>(std::popcount(lost));
    if (lost != 0) {
      shadow.by = covered.owner[static_cast<std::size_t>(std::countr_zero(lost))];
    }
    for (MethodSet fresh = candidate.methods & ~lost; fresh != 0; fresh &= fresh - 1) {
      covered.owner[static_cast<std::size_t>(std::countr_zero(fresh))] = candidate.route;
    }
    covered.methods |= candidate.methods;
  }

  Router::Data& data_;
  std::span<const RouteMatch> routes_;
  std::vector<Placed> placed_;
};

Result<Router> Router::build(std::span<const RouteMatch> routes) {
  auto data = std::make_unique<Data>();
  if (auto ok = RouterBuilder(*data, routes).run(); !ok) {
    return std::unexpected(ok.error());
  }
  return Router(std::move(data));
}

}  // namespace flotilla::gateway
