#include "flotilla/config/node.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::config {
namespace {

Place place_of(const YAML::Mark& mark) {
  return mark.is_null()
             ? Place{1, 1}
             : Place{static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

// Replaces ${...} in one scalar.
class Expansion {
 public:
  Expansion(const Sources& sources, Problems& problems) : sources_(sources), problems_(problems) {}

  void expand(Node& node) {
    std::string out;
    std::string_view rest = node.text;
    for (std::size_t at = rest.find('$'); at != std::string_view::npos; at = rest.find('$')) {
      out.append(rest.substr(0, at));
      rest.remove_prefix(at);
      if (rest.starts_with("$${")) {
        out.append("${");
        rest.remove_prefix(3);
      } else if (rest.starts_with("${")) {
        const std::size_t end = rest.find('}');
        if (end == std::string_view::npos) {
          problems_.add(node.place, "'${' without '}'; write $${ for the characters themselves");
          return;
        }
        out.append(value_of(rest.substr(2, end - 2), node));
        rest.remove_prefix(end + 1);
      } else {
        out.push_back('$');
        rest.remove_prefix(1);
      }
    }
    out.append(rest);
    node.text = std::move(out);
  }

 private:
  std::string value_of(std::string_view name, Node& node) {
    if (name.starts_with("file:")) {
      node.secret = true;
      node.quoted = true;
      const std::string path(name.substr(5));
      auto content = sources_.file(path);
      if (!content) {
        problems_.add(node.place, fmt::format("cannot read the file '{}'", path));
        return {};
      }
      while (content->ends_with('\n') || content->ends_with('\r')) {
        content->pop_back();  // editors end files with a newline, secrets have none
      }
      return *content;
    }
    const std::size_t otherwise = name.find(":-");
    const std::string variable(name.substr(0, otherwise));
    if (const auto value = sources_.environment(variable)) {
      return *value;
    }
    if (otherwise != std::string_view::npos) {
      return std::string(name.substr(otherwise + 2));
    }
    problems_.add(node.place,
                  fmt::format("the environment variable {0} is not set; write ${{{0}:-DEFAULT}} if it may "
                              "be missing",
                              variable));
    return {};
  }

  const Sources& sources_;
  Problems& problems_;
};

class Conversion {
 public:
  Conversion(const Sources& sources, Problems& problems)
      : expansion_(sources, problems), problems_(problems) {}

  Node convert(const YAML::Node& from, std::size_t depth) {
    Node node;
    node.place = place_of(from.Mark());
    if (depth > kMostDepth) {
      problems_.add(node.place, fmt::format("nested deeper than {} levels", kMostDepth));
      return node;
    }
    if (from.IsScalar()) {
      node.kind = Node::Kind::scalar;
      node.text = from.Scalar();
      node.quoted = from.Tag() == "!";
      expansion_.expand(node);
    } else if (from.IsSequence()) {
      node.kind = Node::Kind::list;
      for (const YAML::Node& item : from) {
        node.items.push_back(convert(item, depth + 1));
      }
    } else if (from.IsMap()) {
      node.kind = Node::Kind::map;
      for (const auto& entry : from) {
        add(node, entry.first, entry.second, depth);
      }
    }
    return node;
  }

 private:
  void add(Node& node, const YAML::Node& key, const YAML::Node& value, std::size_t depth) {
    const Place place = place_of(key.Mark());
    if (!key.IsScalar()) {
      problems_.add(place, "a key must be plain text");
      return;
    }
    if (const Node* const before = node.find(key.Scalar())) {
      problems_.add(place,
                    fmt::format("'{}' stands twice; first at line {}", key.Scalar(), before->place.line));
      return;
    }
    node.entries.push_back({key.Scalar(), place, convert(value, depth + 1)});
    if (node.entries.back().value.kind == Node::Kind::null) {
      node.entries.back().value.place = place;
    }
  }

  Expansion expansion_;
  Problems& problems_;
};

// An alias makes the same mapping appear in two places, and a chain of them makes a small file huge.
bool uses_aliases(std::string_view text, Problems& problems) {
  std::uint32_t line = 1;
  bool found = false;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view content = text.substr(at, end - at);
    const std::size_t colon = content.find(": *");
    const std::size_t dash = content.find("- *");
    const std::size_t alias = std::min(colon, dash);
    if (alias != std::string_view::npos && content.find('#') > alias) {
      problems.add({line, static_cast<std::uint32_t>(alias) + 3},
                   "aliases (*name) are not supported: write it out");
      found = true;
    }
    at = end + 1;
  }
  return found;
}

bool is_json_scalar(std::string_view text) {
  if (text == "true" || text == "false" || text == "null") {
    return true;
  }
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool starts = !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
  const bool zero_led = text.size() > 1 && text[0] == '0' && text[1] != '.';
  return error == std::errc{} && end == text.data() + text.size() && starts && !zero_led &&
         !text.ends_with('.');
}

void write_json(const Node& node, std::string& out) {
  switch (node.kind) {
    case Node::Kind::null:
      out.append("null");
      break;
    case Node::Kind::scalar:
      if (!node.quoted && is_json_scalar(node.text)) {
        out.append(node.text);
      } else {
        json::append_quoted(out, node.text);
      }
      break;
    case Node::Kind::list:
      out.push_back('[');
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        out.append(i == 0 ? "" : ",");
        write_json(node.items[i], out);
      }
      out.push_back(']');
      break;
    case Node::Kind::map:
      out.push_back('{');
      for (std::size_t i = 0; i < node.entries.size(); ++i) {
        out.append(i == 0 ? "" : ",");
        json::append_quoted(out, node.entries[i].key);
        out.push_back(':');
        write_json(node.entries[i].value, out);
      }
      out.push_back('}');
      break;
  }
}

}  // namespace

std::vector<std::string> Problems::lines(std::string_view file) const {
  std::vector<Problem> sorted = list_;
  std::ranges::sort(sorted, {}, &Problem::place);
  std::vector<std::string> lines;
  lines.reserve(sorted.size());
  for (const Problem& problem : sorted) {
    lines.push_back(
        fmt::format("{}:{}:{}: {}", file, problem.place.line, problem.place.column, problem.message));
  }
  return lines;
}

const Node* Node::find(std::string_view key) const noexcept {
  const auto found = std::ranges::find(entries, key, &Entry::key);
  return found == entries.end() ? nullptr : &found->value;
}

std::optional<Node> parse_document(std::string_view text, const Sources& sources, Problems& problems) {
  if (text.size() > kMostBytes) {
    problems.add({1, 1}, fmt::format("the file is larger than {} MiB", kMostBytes >> 20));
    return std::nullopt;
  }
  if (uses_aliases(text, problems)) {
    return std::nullopt;
  }
  try {
    Conversion conversion(sources, problems);
    Node node = conversion.convert(YAML::Load(std::string(text)), 1);
    if (!problems.empty()) {
      return std::nullopt;
    }
    return node;
  } catch (const YAML::Exception& error) {
    problems.add(place_of(error.mark), fmt::format("not YAML: {}", error.msg));
    return std::nullopt;
  }
}

std::string to_json(const Node& node) {
  std::string out;
  write_json(node, out);
  return out;
}

}  // namespace flotilla::config
