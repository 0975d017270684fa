// Stub services for a definition: what each of its services promises, what it is sent and what it answers.
//
// For: the simulated world. A service promises what the step declares: `barrier` and `idempotent: key`, else
// what its method means (RFC 9110, 9.2): a GET changes nothing, a PUT or DELETE may be repeated, and every
// POST that arrives is another effect. Inputs follow the input's schema, or are made of the members that the
// definition's expressions read; answers have the members that later steps read. All of it numbers, small
// ones often, so that comparisons go both ways and locks collide.
// Ownership: a value; needs the definition only while it is made. Threads: immutable once made.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/saga/core/definition.hpp"

namespace flotilla::saga::simulation {

enum class Grade : std::uint8_t {
  reads,    // has no effect
  naive,    // knows nothing of keys: every arrival is an effect. Nothing is promised for these
  natural,  // one effect, however often it is sent, because of what it is; forgets what it answered
  honest,   // takes a key once; an action that comes after its undo works
  barrier,  // honest, and refuses an action whose undo came first
};
[[nodiscard]] std::string_view to_string(Grade grade) noexcept;

// What the step declares of its action and of its undo.
[[nodiscard]] Grade declared_grade(const Step& step, Op op) noexcept;

// The members that somebody reads of a value; one without members is a number.
struct Shape {
  std::map<std::string, Shape> members;
  [[nodiscard]] json::Value draw(Random& random) const;
};

class Stubs {
 public:
  // `given`: every saga is started with it, `{n}` in its strings replaced by a number below 6.
  explicit Stubs(const Definition& definition, std::optional<json::Value> given = std::nullopt);

  [[nodiscard]] json::Value input(Random& random) const;
  // The body of a step's success, JSON text; the same for the same `seed`.
  [[nodiscard]] std::string answer(StepIndex step, std::uint64_t seed) const;
  // Successors read something of it.
  [[nodiscard]] bool is_read(StepIndex step) const noexcept { return !answers_[step].members.empty(); }

 private:
  void read(const call::Expression& text);
  void read(const std::vector<call::TemplatePart>& parts);
  void read(const Request& request);
  void read(const expr::Program& program);

  const Definition* definition_;  // while it is made
  std::optional<json::Value> given_;
  json::Value schema_;
  Shape input_;
  std::vector<Shape> answers_;
};

}  // namespace flotilla::saga::simulation
