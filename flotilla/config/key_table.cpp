#include "flotilla/config/key_table.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/config/values.hpp"

namespace flotilla::config {

KeyTable::KeyTable(std::string about) : about_(std::move(about)) {}

void KeyTable::add(Key key) { keys_.push_back(std::move(key)); }

void KeyTable::require(std::string name) { required_.push_back(std::move(name)); }

void KeyTable::read(const Node& node, void* object, Problems& problems) const {
  if (node.kind == Node::Kind::null) {
    check_required(node, problems);  // `service: ` without anything takes the defaults
    return;
  }
  if (node.kind != Node::Kind::map) {
    problems.add(node.place, "must be " + form());
    return;
  }
  for (const Node::Entry& entry : node.entries) {
    const Key* const key = find(entry.key);
    if (key == nullptr) {
      problems.add(entry.place, unknown(entry.key));
    } else if (key->later) {
      problems.add(entry.place, fmt::format("'{}' is not in this build yet", entry.key));
    } else {
      key->read(entry.value, object, problems);
    }
  }
  check_required(node, problems);
}

std::string KeyTable::form() const { return "a mapping (" + about_ + ")"; }

std::string KeyTable::schema() const {
  // Nothing at all stands for the defaults, unless a key is required.
  std::string out = fmt::format(R"({{"type":{},"additionalProperties":false,"properties":{{)",
                                required_.empty() ? R"(["object","null"])" : R"("object")");
  for (const Key& key : keys_) {
    if (!key.later) {
      out += fmt::format("{}\"{}\":{}", out.ends_with('{') ? "" : ",", key.name, key.schema);
    }
  }
  out += "}";
  for (std::size_t i = 0; i < required_.size(); ++i) {
    out += fmt::format("{}\"{}\"", i == 0 ? R"(,"required":[)" : ",", required_[i]);
  }
  return out + (required_.empty() ? "}" : "]}");
}

std::string KeyTable::reference(const std::string& prefix) const {
  std::string out;
  for (const Key& key : keys_) {
    if (key.later) {
      out += fmt::format("| `{}{}` | | | not in this build yet |\n", prefix, key.name);
      continue;
    }
    const bool required = std::ranges::find(required_, key.name) != required_.end();
    out += fmt::format("| `{}{}` | {} | {} | {} |\n", prefix, key.name, key.form,
                       required ? "required" : key.shown, key.doc);
    if (key.reference) {
      out += key.reference(prefix + key.name + ".");
    }
  }
  return out;
}

const KeyTable::Key* KeyTable::find(std::string_view name) const {
  const auto found = std::ranges::find(keys_, name, &Key::name);
  return found == keys_.end() ? nullptr : &*found;
}

std::string KeyTable::unknown(const std::string& name) const {
  std::vector<std::string_view> known;
  for (const Key& key : keys_) {
    known.push_back(key.name);
  }
  const auto hint = nearest(name, known);
  return hint ? fmt::format("unknown key '{}'; did you mean '{}'?", name, *hint)
              : fmt::format("unknown key '{}' ({})", name, about_);
}

void KeyTable::check_required(const Node& node, Problems& problems) const {
  for (const std::string& name : required_) {
    if (node.find(name) == nullptr) {
      problems.add(node.place, fmt::format("'{}' is missing ({})", name, about_));
    }
  }
}

}  // namespace flotilla::config
