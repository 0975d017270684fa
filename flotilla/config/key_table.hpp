// The keys of one mapping of the file: how each is written and documented, and how it is read into an object
// whose type only Spec<T> knows. All that does not depend on that type is here, compiled once.
//
// Ownership: values. Threads: const use from any. Limits: none; a table is as long as the source says.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/config/node.hpp"

namespace flotilla::config {

class KeyTable {
 public:
  struct Key {
    std::string name;
    std::string form;    // for people: "a duration such as 5s"
    std::string schema;  // a JSON Schema, as JSON text
    std::string doc;
    std::string shown;  // the default for the reference; empty for none
    // Reads the value into the object that the table is read for.
    std::function<void(const Node&, void* object, Problems&)> read;
    // Of a mapping: the reference of its keys, each with `prefix` before it.
    std::function<std::string(const std::string& prefix)> reference;
    bool later = false;  // of the design, refused by this build
  };

  explicit KeyTable(std::string about);

  void add(Key key);
  void require(std::string name);

  // Reads into `object`, which holds the defaults and is of the type that every key's `read` expects.
  void read(const Node& node, void* object, Problems& problems) const;
  // "a mapping (limits of a listener)"
  [[nodiscard]] std::string form() const;
  [[nodiscard]] std::string schema() const;
  // Rows of a Markdown table: key, form with its bounds, default, meaning; the keys of mappings below theirs.
  [[nodiscard]] std::string reference(const std::string& prefix) const;
  [[nodiscard]] const std::string& about() const noexcept { return about_; }

 private:
  [[nodiscard]] const Key* find(std::string_view name) const;
  [[nodiscard]] std::string unknown(const std::string& name) const;
  void check_required(const Node& node, Problems& problems) const;

  std::string about_;
  std::vector<Key> keys_;
  std::vector<std::string> required_;
};

}  // namespace flotilla::config
