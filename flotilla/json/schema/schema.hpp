// A JSON Schema, compiled once and asked often: draft 7, and the common part of 2020-12.
//
// For: request bodies, commands, events and saga inputs. docs/json-schema.md says which keywords, formats
// and dialects; the official suite of draft 7 judges them.
// Ownership: a Schema shares its immutable program and keeps nothing of the document alive but its numbers
// and texts; copying is cheap. Threads: any number may validate with one Schema at once.
// Limits: those of SchemaLimits when compiling, of ValidationLimits when validating. Nothing is ever fetched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::json {

namespace schema {
struct Program;
}

struct SchemaLimits {
  static constexpr std::size_t kSubschemas = 10'000;
  static constexpr std::size_t kDepth = 128;     // subschemas inside one another
  static constexpr std::size_t kChain = 128;     // subschemas that apply to one value through one another
  static constexpr std::size_t kPatterns = 256;  // pattern, and keys of patternProperties
  static constexpr std::size_t kPatternBytes = 4096;
  static constexpr std::size_t kUriBytes = 2048;  // of a resolved `$id`
};

struct ValidationLimits {
  // Subschemas inside one another, counting each reference and combination: it bounds the stack.
  static constexpr std::size_t kLevels = 1000;
  // A step is a subschema applied to a value, or some 64 bytes read: tens of nanoseconds.
  std::uint64_t steps = 1'000'000;
  std::size_t violations = 16;  // those that are described; all are counted
};

struct Violation {
  std::string instance_path;  // JSON pointer into the value; "" is the whole
  std::string schema_path;    // JSON pointer into the schema's document, to the keyword
  std::string message;        // "must be integer, is string"; quotes the schema, never the value

  friend bool operator==(const Violation&, const Violation&) = default;
};

struct Violations {
  // `invalid`, or `limit` where judging took too many steps or levels: then nothing is known of the value,
  // and the one violation says where the bound was met.
  Errc code = Errc::invalid;
  std::vector<Violation> first;  // in the value's order within a keyword; never empty
  std::size_t total = 0;         // of all; at least first.size()
  // False where the steps ended while counting, so that there may be more than `total`.
  bool complete = true;

  // One line for people: "/items/0/price: must be at least 0; and 3 more".
  [[nodiscard]] std::string summary() const;
};

class Schema {
 public:
  // Errors: invalid (no schema, a pattern that RE2 does not know, a reference to nothing, one that comes back
  // to itself), unsupported (`$schema`, a remote reference, a keyword of 2020-12 that is not here), limit.
  // The message begins with where: "#/properties/a/minLength: must be ...".
  [[nodiscard]] static Result<Schema> compile(const Value& document);

  // Allocates nothing where the value is valid, but for arrays over 32 elements under uniqueItems and where a
  // pattern meets a text unlike those before (RE2 keeps what it learns, within the pattern's memory).
  [[nodiscard]] std::expected<void, Violations> validate(const Value& value,
                                                         const ValidationLimits& limits = {}) const;

 private:
  explicit Schema(std::shared_ptr<const schema::Program> program) noexcept : program_(std::move(program)) {}
  std::shared_ptr<const schema::Program> program_;
};

}  // namespace flotilla::json
