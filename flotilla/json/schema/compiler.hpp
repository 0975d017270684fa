// From a schema's document to its program.
//
// For: Schema::compile; nobody else. keywords.cpp turns the keywords of one subschema into rules,
// references.cpp gives identifiers and follows references, compiler.cpp goes through the document.
// The first fault wins and ends the work; what follows a fault may be half made and is thrown away.
// Ownership: keeps views into the document while it runs. Threads: one.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/json/schema/program.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::json::schema {

// Which standard the document follows. Without `$schema` it is draft 7, and the keywords of 2020-12 that are
// known here work too: an ignored constraint would help nobody.
enum class Dialect : std::uint8_t { draft7 = 1, v2020 = 2, unnamed = 3 };

class Compiler {
 public:
  // `document` must stay where it is while this works.
  explicit Compiler(const Value& document) : document_(document) {}

  [[nodiscard]] Result<Program> compile();

 private:
  // One subschema while its keywords are read.
  struct Subschema {
    const Value& object;
    NodeIndex node;
  };
  // What a node was made of.
  struct Origin {
    const Value* value;
    std::uint32_t resource;
    std::size_t depth;
    std::vector<Rule> rules;
  };
  // A part of the document with a URI of its own, to which its references are relative.
  struct Resource {
    std::string uri;
    NodeIndex root;
  };
  struct Reference {
    NodeIndex from;
    std::size_t rule;
  };

  // compiler.cpp
  void choose_dialect();
  [[nodiscard]] bool has_2020() const noexcept { return dialect_ != Dialect::draft7; }
  // The node of `value`, made if there is none; kNone after a fault.
  NodeIndex visit(const Value& value, NodeIndex parent, std::string from_parent, std::uint32_t resource);
  NodeIndex child(const Subschema& s, std::string_view keyword, const Value& value);
  NodeIndex child(const Subschema& s, std::string_view keyword, std::string_view key, const Value& value);
  std::vector<NodeIndex> children(const Subschema& s, std::string_view keyword, const Value& list);
  void add_rule(const Subschema& s, std::string_view keyword, Kinds kinds, decltype(Rule::check) check);
  void refuse(NodeIndex node, std::string_view keyword, Errc code, std::string_view message);
  [[nodiscard]] Program flatten();

  // keywords.cpp
  void read_keywords(const Subschema& s);
  void read_annotations(const Subschema& s);
  void read_any_value(const Subschema& s);
  void read_numbers(const Subschema& s);
  void read_strings(const Subschema& s);
  void read_sizes(const Subschema& s);
  void read_arrays(const Subschema& s);
  void read_contains(const Subschema& s);
  void read_objects(const Subschema& s);
  void read_properties(const Subschema& s);
  void read_dependencies(const Subschema& s);
  void read_combinations(const Subschema& s);
  void read_if(const Subschema& s);
  [[nodiscard]] std::optional<std::uint64_t> count(const Subschema& s, std::string_view keyword);
  [[nodiscard]] std::vector<std::string> names(const Subschema& s, std::string_view keyword,
                                               const Value& list);
  [[nodiscard]] std::optional<Pattern> pattern(const Subschema& s, std::string_view keyword,
                                               std::string_view text);
  // The keyword's value, if it is there; refused where it is not of that kind.
  [[nodiscard]] const Value* get(const Subschema& s, std::string_view keyword, Kind kind);

  // references.cpp
  void read_identifiers(const Subschema& s);
  void add_anchor(const Subschema& s, std::string_view keyword, std::string_view name);
  void read_reference(const Subschema& s);
  void follow_references();
  [[nodiscard]] NodeIndex target_of(const Reference& reference);
  [[nodiscard]] NodeIndex target_in(NodeIndex from, const Resource& resource, std::string_view pointer);
  void refuse_endless();
  std::size_t chain_length(NodeIndex node, std::vector<std::uint8_t>& lengths, std::size_t above);

  const Value& document_;
  Dialect dialect_ = Dialect::unnamed;
  Program program_;
  std::vector<Origin> origins_;  // beside program_.nodes
  std::unordered_map<const Value*, NodeIndex> node_of_;
  std::vector<Resource> resources_;
  std::map<std::string, std::uint32_t, std::less<>> resource_of_;  // by URI
  std::map<std::string, NodeIndex, std::less<>> anchors_;          // by URI#NAME
  std::vector<Reference> references_;
  std::size_t patterns_ = 0;
  std::optional<Error> fault_;
};

}  // namespace flotilla::json::schema
