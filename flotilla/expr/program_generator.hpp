// Random programs of the language and inputs for them, for tests against the real jq.
//
// What the two are meant to do differently (docs/expressions.md) is never generated: decimals that binary
// fractions cannot hold, offsets in non-ASCII text, limit(0), error(null), `try` whose outputs go on into
// something that may fail, `index("")`, and words of error messages. Nor is what jq 1.6 does with an error
// that follows an output on the left of `//` or inside `any` and `all`: it may swallow it. Ownership: none.
// Only tests use it.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/base/random.hpp"

namespace flotilla::expr {

class ProgramGenerator {
 public:
  static constexpr int kInputDepth = 3;

  explicit ProgramGenerator(std::uint64_t seed) : random_(seed) {}

  // A program of at most `depth` levels of operators.
  std::string program(int depth);
  // A JSON input with the keys the programs look for.
  std::string input(int depth = kInputDepth);

 private:
  template <std::size_t N>
  std::string_view one_of(const std::string_view (&choices)[N]) {
    return choices[random_.below(N)];
  }
  std::string expression(int depth);
  std::string operation(int depth);
  std::string function(int depth);
  std::string structure(int depth);
  std::string binding(int depth);
  std::string term();
  std::string path();
  std::string deletion(int depth);
  std::string chain();

  Random random_;
  int variables_ = 0;  // $v0 .. in scope
};

}  // namespace flotilla::expr
