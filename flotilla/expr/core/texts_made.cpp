#include "flotilla/expr/core/texts_made.hpp"

#include "flotilla/expr/core/code.hpp"

namespace flotilla::expr {
namespace {

// Recursion is bounded by kMaxLevels, the work by kMaxNodes: a node stands in one place.
class Walk {
 public:
  Walk(const Code& code, std::string_view member) : code_(code), member_(member) {}

  std::set<std::string> run() {
    visit(code_.root);
    return std::move(found_);
  }

 private:
  [[nodiscard]] const json::Value* literal(NodeId id) const {
    const Node& n = code_.nodes[id];
    return n.op == Op::literal && code_.literals[n.a].is_string() ? &code_.literals[n.a] : nullptr;
  }

  // The texts that a node may give, where they stand in it.
  void take(NodeId id) {
    const Node& n = code_.nodes[id];
    switch (n.op) {
      case Op::literal:
        if (const json::Value* const text = literal(id)) {
          found_.emplace(text->as_string());
        }
        return;
      case Op::branch:
        take(n.b);
        return take(n.c);
      case Op::alternative:
        take(n.a);
        return take(n.b);
      case Op::comma:
        for (std::uint32_t i = 0; i < n.b; ++i) {
          take(code_.lists[n.a + i]);
        }
        return;
      case Op::pipe:
        return take(n.b);
      case Op::bind:
        return take(n.c);
      default:
        return;
    }
  }

  void visit_list(std::uint32_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      visit(code_.lists[first + i]);
    }
  }

  void visit(NodeId id) {
    if (id == kNone) {
      return;
    }
    const Node& n = code_.nodes[id];
    switch (n.op) {
      case Op::object:
        for (std::uint32_t i = 0; i < n.b; ++i) {
          const json::Value* const key = literal(code_.lists[n.a + 2 * i]);
          if (key != nullptr && key->as_string() == member_) {
            take(code_.lists[n.a + 2 * i + 1]);
          }
        }
        return;
      case Op::comma:
      case Op::text:
      case Op::call:
        return visit_list(n.a, n.b);
      case Op::bind:  // b: a pattern
        visit(n.a);
        return visit(n.c);
      case Op::reduce:
        visit(n.a);
        visit(n.c);
        return visit(n.d);
      case Op::field:  // b: a literal
        return visit(n.a);
      case Op::identity:
      case Op::literal:
      case Op::variable:
      case Op::nothing:
      case Op::bind_name:
      case Op::bind_array:
      case Op::bind_object:
        return;
      default:
        visit(n.a);
        visit(n.b);
        visit(n.c);
    }
  }

  const Code& code_;
  std::string_view member_;
  std::set<std::string> found_;
};

}  // namespace

std::set<std::string> texts_made(const Program& program, std::string_view member) {
  return Walk(program.code(), member).run();
}

}  // namespace flotilla::expr
