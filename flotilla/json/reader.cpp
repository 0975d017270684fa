#include "flotilla/json/reader.hpp"

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "flotilla/json/number.hpp"
#include "flotilla/json/scan.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::json {
namespace {

// Above this a text gets scratch space of its own, so that one large body does not stay with the thread.
constexpr std::size_t kKeptSize = 256U << 10;

// What one parse needs beside its result, kept between parses.
struct Scratch {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> scanner;
  std::vector<Value> items;     // elements of the arrays that are open, outermost first
  std::vector<Member> members;  // members of the objects that are open
  std::string unescaped;

  // The positions of brackets, commas, colons and first bytes of strings and words; nothing if simdjson
  // objects: bad UTF-8, an unclosed string, a bare control character in a string, or no text at all.
  std::span<const std::uint32_t> structure(std::string_view text) {
    if (scanner == nullptr || scanner->capacity() < text.size()) {
      const std::size_t capacity = std::max<std::size_t>(text.size(), 4096);
      scanner.reset();
      if (simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, scanner) !=
          simdjson::SUCCESS) {
        return {};
      }
    }
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    if (scanner->stage1(bytes, text.size(), simdjson::stage1_mode::regular) != simdjson::SUCCESS) {
      return {};
    }
    return {scanner->structural_indexes.get(), scanner->n_structural_indexes};
  }
};

// Builds the value along the structure. It only says whether that went well: the checker finds the words.
class Builder {
 public:
  Builder(std::string_view text, std::span<const std::uint32_t> structure, std::size_t depth,
          Scratch& scratch)
      : text_(text), structure_(structure), depth_(depth), scratch_(scratch) {}

  bool run(Value& out) { return value(out, 0) && next_ == structure_.size(); }

 private:
  [[nodiscard]] char peek() const { return next_ < structure_.size() ? text_[structure_[next_]] : '\0'; }

  // Takes the current token, which ends before `end`: only blanks may stand between it and the next one.
  bool take_until(std::size_t end) {
    ++next_;
    const std::size_t following = next_ < structure_.size() ? structure_[next_] : text_.size();
    return end <= following && skip_whitespace(text_, end) >= following;
  }

  // Recursion is bounded by depth_.
  bool value(Value& out, std::size_t level) {
    if (next_ == structure_.size()) {
      return false;
    }
    const std::size_t at = structure_[next_];
    switch (text_[at]) {
      case '"':
        return string(out);
      case '{':
        return level < depth_ && object(out, level);
      case '[':
        return level < depth_ && array(out, level);
      case 't':
        out = true;
        return word(at, "true");
      case 'f':
        out = false;
        return word(at, "false");
      case 'n':
        out = nullptr;
        return word(at, "null");
      default:
        break;
    }
    const std::size_t length = scan_number(text_.substr(at));
    if (length == 0) {
      return false;
    }
    out = Value::number(text_.substr(at, length));
    return take_until(at + length);
  }

  bool word(std::size_t at, std::string_view expected) {
    return text_.substr(at, expected.size()) == expected && take_until(at + expected.size());
  }

  bool string(Value& out) {
    const std::size_t start = structure_[next_] + 1;
    std::size_t at = skip_string_bytes(start);
    if (text_[at] == '"') {
      out = Value(text_.substr(start, at - start));
      return take_until(at + 1);
    }
    std::string& plain = scratch_.unescaped;
    plain.assign(text_.substr(start, at - start));
    while (text_[at] != '"') {
      const Escape escape = scan_escape(text_, at);
      if (escape.length == 0) {
        return false;
      }
      append_utf8(plain, escape.code);
      const std::size_t run = at + escape.length;
      at = skip_string_bytes(run);
      plain.append(text_.substr(run, at - run));
    }
    out = Value(plain);
    return take_until(at + 1);
  }

  // To the next quote or backslash. simdjson has seen that the string is closed and its bytes are right.
  [[nodiscard]] std::size_t skip_string_bytes(std::size_t at) const {
    at = skip_plain(text_, at);
    while (text_[at] != '"' && text_[at] != '\\') {
      at = skip_plain(text_, at + 1);
    }
    return at;
  }

  bool array(Value& out, std::size_t level) {
    ++next_;
    const std::size_t first = scratch_.items.size();
    if (peek() == ']') {
      ++next_;
      out = Value::array();
      return true;
    }
    while (true) {
      Value item;
      if (!value(item, level + 1)) {
        return false;
      }
      scratch_.items.push_back(std::move(item));
      const char after = peek();
      ++next_;
      if (after == ']') {
        break;
      }
      if (after != ',') {
        return false;
      }
    }
    out = ListBuilder::make_array(std::span(scratch_.items).subspan(first));
    scratch_.items.resize(first);
    return true;
  }

  bool object(Value& out, std::size_t level) {
    ++next_;
    const std::size_t first = scratch_.members.size();
    if (peek() == '}') {
      ++next_;
      out = Value::object();
      return true;
    }
    while (true) {
      Member member;
      if (peek() != '"' || !string(member.name) || peek() != ':') {
        return false;
      }
      ++next_;
      if (!value(member.value, level + 1)) {
        return false;
      }
      scratch_.members.push_back(std::move(member));
      const char after = peek();
      ++next_;
      if (after == '}') {
        break;
      }
      if (after != ',') {
        return false;
      }
    }
    out = ListBuilder::make_object(std::span(scratch_.members).subspan(first));
    scratch_.members.resize(first);
    return true;
  }

  std::string_view text_;
  std::span<const std::uint32_t> structure_;
  std::size_t depth_;
  Scratch& scratch_;
  std::size_t next_ = 0;
};

std::unexpected<Error> explain(std::string_view text, Limits limits) {
  const Fault fault = find_fault(text, limits.depth).value_or(Fault{0, "not a JSON text"});
  const bool deep = fault.what == kTooDeep;
  return fail(deep ? Errc::limit : Errc::invalid,
              deep ? fmt::format("byte {}: nested more than {} levels deep", fault.offset, limits.depth)
                   : fmt::format("byte {}: {}", fault.offset, fault.what));
}

Result<Value> parse_with(Scratch& scratch, std::string_view text, Limits limits) {
  Value out;
  const auto structure = scratch.structure(text);
  const bool good = !structure.empty() && Builder(text, structure, limits.depth, scratch).run(out);
  scratch.items.clear();  // what a failed parse left
  scratch.members.clear();
  if (!good) {
    return explain(text, limits);
  }
  return out;
}

}  // namespace

Result<Value> parse(std::string_view text, Limits limits) {
  FLOTILLA_ASSERT(limits.depth <= Value::kMaxDepth);
  if (text.size() > limits.size || text.size() >= UINT32_MAX) {
    return fail(Errc::limit,
                fmt::format("a JSON text of {} bytes is over the limit of {}", text.size(), limits.size));
  }
  if (text.size() > kKeptSize) {
    Scratch own;
    return parse_with(own, text, limits);
  }
  thread_local Scratch kept;
  return parse_with(kept, text, limits);
}

}  // namespace flotilla::json
