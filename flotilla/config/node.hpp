// A configuration document as a tree with positions, read from YAML.
//
// Checked while it is read: duplicate keys, depth, number of nodes, size, one document; anchors, aliases and
// tags are refused: they hide what a file says.
// `${NAME}`, `${NAME:-default}` and `${file:PATH}` in scalars are expanded after parsing; `$${` stands for
// `${`. What came from a file is marked secret and never shown in a message.
// Ownership: values. Threads: pure but for the two functions given. Limits: the kMost... below.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flotilla::config {

inline constexpr std::size_t kMostBytes = std::size_t{32} << 20;  // some 100,000 routes
inline constexpr std::size_t kMostDepth = 32;
inline constexpr std::size_t kMostNodes = 1'000'000;                // keys, values, lists, mappings
inline constexpr std::size_t kMostExpanded = std::size_t{4} << 20;  // bytes that all ${...} bring in

// Line and column count from 1.
struct Place {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend constexpr auto operator<=>(const Place&, const Place&) = default;
};

struct Problem {
  Place place;
  std::string message;
};

// What is wrong with a document, at most kMost of it, in order of place.
class Problems {
 public:
  static constexpr std::size_t kMost = 50;
  void add(Place place, std::string message) {
    if (list_.size() < kMost) {
      list_.push_back({place, std::move(message)});
    }
  }
  void append(Problems more);
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  // "FILE:LINE:COLUMN: message", sorted.
  [[nodiscard]] std::vector<std::string> lines(std::string_view file) const;

 private:
  std::vector<Problem> list_;
};

struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  struct Entry;
  Kind kind = Kind::null;
  Place place;
  std::string text;     // of a scalar
  bool quoted = false;  // "5" is text, 5 is a number
  bool secret = false;  // came from ${file:...}
  std::vector<Node> items;
  std::vector<Entry> entries;

  [[nodiscard]] const Node* find(std::string_view key) const noexcept;
};

struct Node::Entry {
  std::string key;
  Place place;
  Node value;
};

// What ${...} may look at; tests give their own.
struct Sources {
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::function<std::optional<std::string>(const std::string& path)> file;
};

// The tree, or nothing when it has problems, which are added to `problems`.
[[nodiscard]] std::optional<Node> parse_document(std::string_view text, const Sources& sources,
                                                 Problems& problems);

// `node` as compact JSON: scalars that look like JSON numbers or booleans and are not quoted stay such.
[[nodiscard]] std::string to_json(const Node& node);

}  // namespace flotilla::config
