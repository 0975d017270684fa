#include "flotilla/gateway/core/router.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/gateway/core/router_data.hpp"

namespace flotilla::gateway {

HostKey::HostKey(std::string_view host) noexcept {
  if (host.starts_with('[')) {
    host = host.substr(0, std::min(host.find(']'), host.size() - 1) + 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  if (host.size() > text_.size()) {
    return;
  }
  std::ranges::transform(host, text_.begin(), ascii_lower);
  size_ = host.size();
}

namespace {

// The position of the first '/' from `from` on, or the end. Segments are short, so eight bytes at a time
// (Hacker's Delight 6-1: the lowest zero byte of the difference) beat the call of a vectorised memchr.
std::size_t segment_end(std::string_view path, std::size_t from) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHighs = 0x8080808080808080ULL;
  if constexpr (std::endian::native == std::endian::little) {
    for (; from + 8 <= path.size(); from += 8) {
      std::uint64_t word;
      std::memcpy(&word, path.data() + from, sizeof word);
      word ^= kOnes * static_cast<unsigned char>('/');
      if (const std::uint64_t zero = (word - kOnes) & ~word & kHighs; zero != 0) {
        return from + static_cast<std::size_t>(std::countr_zero(zero)) / 8;
      }
    }
  }
  while (from < path.size() && path[from] != '/') {
    ++from;
  }
  return from;
}

}  // namespace

// One walk through the index for one request.
class Matching {
 public:
  Matching(const Router::Data& data, const MatchInput& input, Captures& out)
      : data_(data), input_(input), out_(out), method_(data.methods.find(input.method)) {
    out_.count_ = 0;
  }

  MatchResult run() {
    if (!input_.path.starts_with('/')) {
      return {};
    }
    if ((data_.has_hosts && by_host()) || visit_root(data_.any_host)) {
      return {.kind = MatchResult::Kind::route, .route = route_};
    }
    if (allowed_ != 0) {
      return {.kind = MatchResult::Kind::method_not_allowed, .allowed = allowed_};
    }
    return {};
  }

 private:
  bool by_host() {
    const HostKey key(input_.host);
    std::string_view host = key.text();
    if (host.empty()) {
      return false;
    }
    if (const NodeId root = data_.index.find(data_.exact_hosts, host); root != kNoNode && visit_root(root)) {
      return true;
    }
    while (data_.has_wildcards) {
      const std::size_t dot = host.find('.');
      if (dot == std::string_view::npos) {
        break;
      }
      host.remove_prefix(dot + 1);
      if (const NodeId root = data_.index.find(data_.wildcard_hosts, host);
          root != kNoNode && visit_root(root)) {
        return true;
      }
    }
    return false;
  }

  bool visit_root(NodeId root) {
    parameters_ = 0;
    return visit(root, 0);
  }

  // Tries the routes at and below `id` for the path from `at` (its end, or the '/' before a segment), best
  // first. Recursion is bounded by the depth of the index (kMaxPatternSegments), not by the path. When it
  // fails, the caller forgets the parameters captured meanwhile.
  bool visit(NodeId id, std::size_t at) {
    const std::string_view path = input_.path;
    while (true) {
      const RouteNode& node = data_.index.node(id);
      if (at == path.size()) {
        return take(node.end) || take_rest(node, at);
      }
      const std::size_t next = segment_end(path, at + 1);
      const std::string_view segment = path.substr(at + 1, next - at - 1);
      const NodeId child = data_.index.find(id, segment);
      if (node.plain) {
        if (child == kNoNode) {
          return false;
        }
        id = child;
        at = next;
        continue;
      }
      const std::size_t mark = parameters_;
      if (child != kNoNode) {
        if (visit(child, next)) {
          return true;
        }
        parameters_ = mark;
      }
      if (node.parameter != kNoNode && !segment.empty()) {
        out_.values_[parameters_++] = segment;
        if (node.regexes == RouteNode::kNone && node.rest.count == 0) {
          id = node.parameter;
          at = next;
          continue;
        }
        if (visit(node.parameter, next)) {
          return true;
        }
        parameters_ = mark;
      }
      return (node.regexes != RouteNode::kNone && take_regex(data_.groups[node.regexes])) ||
             take_rest(node, at);
    }
  }

  bool take_rest(const RouteNode& node, std::size_t at) {
    if (!take(node.rest)) {
      return false;
    }
    out_.rest_ = input_.path.substr(at);
    return true;
  }

  bool take(CandidateRange range) {
    for (std::uint32_t i = range.begin; i < range.begin + range.count; ++i) {
      if (accepts(data_.candidates[i])) {
        return true;
      }
    }
    return false;
  }

  // Methods and headers; the path is known to match.
  bool accepts(const Candidate& candidate) {
    const bool method = candidate.methods == 0 || (candidate.methods & method_) != 0;
    for (std::uint32_t i = 0; i < candidate.conditions_count; ++i) {
      if (!data_.conditions[candidate.conditions_begin + i].holds(input_.headers)) {
        return false;
      }
    }
    if (!method) {
      allowed_ |= candidate.methods;
      return false;
    }
    route_ = candidate.route;
    out_.names_ = candidate.names;
    out_.count_ = candidate.names_count;
    out_.rest_ = {};
    return true;
  }

  bool take_regex(const RegexGroup& group) {
    if (group.set) {
      std::vector<int> hits;
      re2::RE2::Set::ErrorInfo error{re2::RE2::Set::kNoError};
      if (group.set->Match(input_.path, &hits, &error)) {
        std::ranges::sort(hits);
        return std::ranges::any_of(
            hits, [&](int hit) { return take_regex(group.candidates[static_cast<std::size_t>(hit)]); });
      }
      if (error.kind == re2::RE2::Set::kNoError) {
        return false;
      }
      // The automaton outgrew its memory on this path: what follows is slower and needs less.
    }
    return std::ranges::any_of(group.candidates,
                               [&](const Candidate& candidate) { return take_regex(candidate); });
  }

  bool take_regex(const Candidate& candidate) {
    const RoutePattern& pattern = data_.routes[candidate.route].pattern;
    const int groups = candidate.names_count == 0 ? 0 : pattern.regex()->NumberOfCapturingGroups() + 1;
    std::array<re2::StringPiece, kMaxParameters + 1> found;
    if (!pattern.regex()->Match(input_.path, 0, input_.path.size(), re2::RE2::ANCHOR_BOTH, found.data(),
                                groups) ||
        !accepts(candidate)) {
      return false;
    }
    for (std::size_t i = 0; i < pattern.groups().size(); ++i) {
      out_.values_[i] = found[static_cast<std::size_t>(pattern.groups()[i])];
    }
    return true;
  }

  const Router::Data& data_;
  const MatchInput& input_;
  Captures& out_;
  MethodSet method_;
  MethodSet allowed_ = 0;
  std::uint32_t route_ = 0;
  std::size_t parameters_ = 0;  // captured on the way down
};

Router::Router(std::unique_ptr<const Data> data) : data_(std::move(data)) {}
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

MatchResult Router::match(const MatchInput& input, Captures& out) const {
  return Matching(*data_, input, out).run();
}

std::string Router::allow(const MatchResult& result) const { return data_->methods.names(result.allowed); }

const std::vector<RouteFinding>& Router::findings() const noexcept { return data_->findings; }

std::size_t Router::size() const noexcept { return data_->routes.size(); }

}  // namespace flotilla::gateway
