#include "flotilla/config/node.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "flotilla/config/yaml.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::config {
namespace {

// Replaces ${...} in the scalars of a tree.
class Expansion {
 public:
  Expansion(const Sources& sources, Problems& problems) : sources_(sources), problems_(problems) {}

  // As deep as the document, which is bounded.
  void expand(Node& node) {
    if (node.kind == Node::Kind::scalar) {
      expand_scalar(node);
    }
    for (Node& item : node.items) {
      expand(item);
    }
    for (Node::Entry& entry : node.entries) {
      expand(entry.value);
    }
  }

 private:
  void expand_scalar(Node& node) {
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
        const std::string value = value_of(rest.substr(2, end - 2), node);
        if (value.size() > left_) {
          problems_.add(node.place, fmt::format("the values of all ${{...}} together are larger than {} MiB",
                                                kMostExpanded >> 20));
          left_ = 0;
          return;
        }
        left_ -= value.size();
        out.append(value);
        rest.remove_prefix(end + 1);
      } else {
        out.push_back('$');
        rest.remove_prefix(1);
      }
    }
    out.append(rest);
    node.text = std::move(out);
  }

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
  std::size_t left_ = kMostExpanded;  // bytes that may still come in for ${...}
};

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

void Problems::append(Problems more) {
  for (Problem& problem : more.list_) {
    add(problem.place, std::move(problem.message));
  }
}

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
  auto node = read_yaml(text, problems);
  if (!node) {
    return std::nullopt;
  }
  Problems own;
  Expansion(sources, own).expand(*node);
  const bool good = own.empty();
  problems.append(std::move(own));
  return good ? std::move(node) : std::nullopt;
}

std::string to_json(const Node& node) {
  std::string out;
  write_json(node, out);
  return out;
}

}  // namespace flotilla::config
