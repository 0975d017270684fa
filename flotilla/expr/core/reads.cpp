#include "flotilla/expr/core/reads.hpp"

#include <utility>

#include "flotilla/expr/core/code.hpp"

namespace flotilla::expr {
namespace {

// Where in the input a value may stand. A value that stands nowhere is made of literals, of the caller's
// variables, or of places that are in the list of reads already.
using Places = std::set<MemberPath>;

// Walks the nodes as the interpreter does, with Places for values. Recursion is bounded by kMaxLevels.
class Walk {
 public:
  explicit Walk(const Code& code) : code_(code), slots_(code.slots) {}

  std::set<MemberPath> run() {
    use(visit(code_.root, {MemberPath{}}));
    return std::move(reads_);
  }

 private:
  void use(const Places& places) { reads_.insert(places.begin(), places.end()); }

  Places both(Places a, Places b) {
    a.merge(std::move(b));
    if (a.size() > kMaxReadPlaces) {
      use(a);
      return {};
    }
    return a;
  }

  static Places member(const Places& bases, std::string_view key) {
    Places members;
    for (MemberPath path : bases) {
      if (path.size() < kMaxReadDepth) {
        path.emplace_back(key);
      }
      members.insert(std::move(path));
    }
    return members;
  }

  // The member of `bases` that the node `key` names, if that is a literal.
  Places keyed(const Places& bases, NodeId key, const Places& input) {
    const Node& k = code_.nodes[key];
    if (k.op == Op::literal && code_.literals[k.a].is_string()) {
      return member(bases, code_.literals[k.a].as_string());
    }
    use(visit(key, input));
    use(bases);
    return {};
  }

  void use_visited(NodeId id, const Places& input) {
    if (id != kNone) {
      use(visit(id, input));
    }
  }
  void use_list(std::uint32_t first, std::size_t count, const Places& input) {
    for (std::size_t i = 0; i < count; ++i) {
      use(visit(code_.lists[first + i], input));
    }
  }

  Places visit(NodeId id, const Places& input) {
    const Node& n = code_.nodes[id];
    switch (n.op) {
      case Op::identity:
        return input;
      case Op::literal:
      case Op::nothing:
        return {};
      case Op::variable:
        return slots_[n.a];
      case Op::field:
        return member(visit(n.a, input), code_.literals[n.b].as_string());
      case Op::index: {
        const Places bases = visit(n.a, input);
        return keyed(bases, n.b, input);
      }
      case Op::pipe:
        return visit(n.b, visit(n.a, input));
      case Op::alternative:
        return both(visit(n.a, input), visit(n.b, input));
      case Op::comma: {
        Places all;
        for (std::size_t i = 0; i < n.b; ++i) {
          all = both(std::move(all), visit(code_.lists[n.a + i], input));
        }
        return all;
      }
      case Op::branch: {
        use(visit(n.a, input));
        Places yes = visit(n.b, input);
        return both(std::move(yes), visit(n.c, input));
      }
      case Op::attempt: {
        Places tried = visit(n.a, input);
        return n.b == kNone ? tried : both(std::move(tried), visit(n.b, {}));
      }
      case Op::bind:
        bind(n.b, visit(n.a, input));
        return visit(n.c, input);
      case Op::first_of:
      case Op::last_of:
        return visit(n.a, input);
      case Op::limit:
        use(visit(n.a, input));
        return visit(n.b, input);
      default:
        visit_maker(n, input);
        return {};
    }
  }

  // Nodes whose outputs are made anew, of everything they look at.
  void visit_maker(const Node& n, const Places& input) {
    switch (n.op) {
      case Op::object:
        return use_list(n.a, std::size_t{n.b} * 2, input);
      case Op::text:
        return use_list(n.a, n.b, input);
      case Op::call:
        if (n.function != Function::error || n.b == 0) {
          use(input);
        }
        return use_list(n.a, n.b, input);
      case Op::reduce:
        use(visit(n.c, input));
        bind(n.b, visit(n.a, input));
        return use_visited(n.d, {});
      case Op::sort_by:
      case Op::group_by:
      case Op::unique_by:
      case Op::min_by:
      case Op::max_by:
        use(input);
        return use_visited(n.a, {});
      case Op::any_of:
      case Op::all_of: {
        const Places source = visit(n.a, input);
        use(source);
        return use_visited(n.b, source);
      }
      case Op::remove:
        use(input);
        return use_visited(n.a, input);
      default:  // operators, arrays, slices, ranges, .[]
        use_visited(n.a, input);
        use_visited(n.b, input);
        use_visited(n.c, input);
    }
  }

  void bind(NodeId pattern, const Places& value) {
    const Node& n = code_.nodes[pattern];
    if (n.op == Op::bind_name) {
      slots_[n.a] = value;
      return;
    }
    if (n.op == Op::bind_array) {
      use(value);
      for (std::size_t i = 0; i < n.b; ++i) {
        bind(code_.lists[n.a + i], {});
      }
      return;
    }
    for (std::size_t i = 0; i < n.b; ++i) {
      const std::uint32_t slot = code_.lists[n.a + 3 * i + 1];
      const NodeId inner = code_.lists[n.a + 3 * i + 2];
      const Places found = keyed(value, code_.lists[n.a + 3 * i], value);
      if (slot != kNone) {
        slots_[slot] = found;
      }
      if (inner != kNone) {
        bind(inner, found);
      }
    }
  }

  const Code& code_;
  std::vector<Places> slots_;
  std::set<MemberPath> reads_;
};

}  // namespace

std::set<MemberPath> members_read(const Program& program) { return Walk(program.code()).run(); }

}  // namespace flotilla::expr
