#include "flotilla/config/yaml.hpp"

#include <sstream>
#include <unordered_map>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

namespace flotilla::config {
namespace {

Place place_of(const YAML::Mark& mark) {
  return mark.is_null()
             ? Place{1, 1}
             : Place{static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

// Thrown by the builder to stop the parser where going on makes no sense; never leaves this file.
struct Stop {
  Problem problem;
};

// Builds the tree from the parser's events.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Problems& problems) : problems_(problems) {}

  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    Node node;
    node.place = place_of(mark);
    add(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw Stop{{place_of(mark), "aliases (*name) are not supported: write it out"}};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    Node node;
    node.kind = Node::Kind::scalar;
    node.place = place_of(mark);
    node.quoted = tag == "!";
    node.text = value;
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(Node::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(Node::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or mapping whose end has not come yet.
  struct Level {
    Node node;
    std::optional<Node> key;                              // of a mapping: read, its value not yet
    std::unordered_map<std::string, std::uint32_t> seen;  // of a mapping: keys and their lines
  };

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      throw Stop{{place_of(mark), "anchors (&name) are not supported: write it out where it is needed"}};
    }
  }
  // The parser gives "?" to plain and "!" to quoted scalars.
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Stop{{place_of(mark), "tags (!name) are not supported: quote a value to make it text"}};
    }
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (levels_.size() >= kMostDepth) {
      throw Stop{{place_of(mark), fmt::format("nested deeper than {} levels", kMostDepth)}};
    }
    Level level;
    level.node.kind = kind;
    level.node.place = place_of(mark);
    levels_.push_back(std::move(level));
  }
  void close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    add(std::move(node));
  }

  void add(Node node) {
    if (++nodes_ > kMostNodes) {
      throw Stop{{node.place, fmt::format("more than {} keys and values", kMostNodes)}};
    }
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == Node::Kind::list) {
      level.node.items.push_back(std::move(node));
    } else if (!level.key) {
      take_key(level, std::move(node));
    } else {
      add_entry(level, std::move(node));
    }
  }
  void take_key(Level& level, Node node) {
    if (node.kind != Node::Kind::scalar) {
      throw Stop{{node.place, "a key must be plain text"}};
    }
    const auto [first, inserted] = level.seen.emplace(node.text, node.place.line);
    if (!inserted) {
      problems_.add(node.place, fmt::format("'{}' stands twice; first at line {}", node.text, first->second));
    }
    level.key = std::move(node);
  }
  static void add_entry(Level& level, Node value) {
    if (value.kind == Node::Kind::null) {
      value.place = level.key->place;  // nothing is written where the value would be
    }
    level.node.entries.push_back({std::move(level.key->text), level.key->place, std::move(value)});
    level.key.reset();
  }

  Problems& problems_;
  Node root_;
  std::vector<Level> levels_;
  std::size_t nodes_ = 0;
};

// The library would read such a text as UTF-16 or UTF-32, and its places would be wrong.
bool is_wide(std::string_view text) {
  return text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE") || text.substr(0, 4).contains('\0');
}

}  // namespace

std::optional<Node> read_yaml(std::string_view text, Problems& problems) {
  if (is_wide(text)) {
    problems.add({1, 1}, "the file is not UTF-8");
    return std::nullopt;
  }
  Problems own;
  Node root;
  root.place = {1, 1};  // of an empty file
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(own);
    if (parser.HandleNextDocument(builder)) {
      root = builder.take_root();
      Problems ignored;
      if (Builder second(ignored); parser.HandleNextDocument(second)) {
        own.add(second.take_root().place, "a second document begins here; the file holds one");
      }
    }
  } catch (const Stop& stop) {
    own.add(stop.problem.place, stop.problem.message);
  } catch (const YAML::Exception& error) {
    own.add(place_of(error.mark), fmt::format("not YAML: {}", error.msg));
  } catch (const std::exception& error) {
    own.add({1, 1}, fmt::format("cannot be read as YAML: {}", error.what()));
  }
  const bool good = own.empty();
  problems.append(std::move(own));
  return good ? std::optional(std::move(root)) : std::nullopt;
}

}  // namespace flotilla::config
