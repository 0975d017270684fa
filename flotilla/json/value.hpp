// json::Value: any JSON value, cheap to move and to share, that keeps every number as it was written.
//
// For: everything that reads, builds or passes on JSON: expressions, APIs, the catalog, admin answers.
// Ownership: a Value is 16 bytes. Null, booleans, and numbers and strings of up to 14 bytes stand in it;
//   longer ones, arrays and objects are shared blocks with an atomic reference count. Copying shares the
//   block; changing a shared block copies it first, so a copy never sees a change.
// Threads: copies of one value may be used by different threads; one Value object by one at a time.
// Limits: nesting of kMaxDepth (asserted; readers and the expression language stop far earlier), 2^32-1
//   elements. Objects keep insertion order, keys are unique (the last value wins, in the first one's place).
// Views (as_string, number_text, items, members) live as long as the Value they came from stays in place
//   and unchanged: a short string stands inside its Value.
#pragma once

#include <atomic>
#include <compare>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::json {

// In jq's order of kinds; false sorts before true, both as `boolean`.
enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

// "null", "boolean", "number", "string", "array", "object".
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;

struct Member;
class Value;

namespace detail {
// The head of a shared block; the text, Values or Members follow it in the same allocation.
struct TextBlock {
  std::atomic<std::uint32_t> references;
  std::uint32_t size;
};
struct ListBlock {
  std::atomic<std::uint32_t> references;
  std::uint32_t count;
  std::uint32_t capacity;
  std::uint32_t depth;
  std::uint64_t text_size;
  std::uint32_t* sorted;  // objects of more than kLinearMembers: positions of the members in key order
};
}  // namespace detail

class Value {
 public:
  static constexpr std::uint32_t kMaxDepth = 1024;

  // NOLINTBEGIN(google-explicit-constructor): builders read like JSON
  Value() noexcept = default;  // null
  Value(std::nullptr_t) noexcept {}
  template <std::same_as<bool> Bool>  // a template, so that no pointer turns into a boolean
  Value(Bool value) noexcept : tag_(value ? Tag::yes : Tag::no) {}
  template <std::integral Int>
    requires(!std::same_as<Int, bool> && !std::same_as<Int, char>)
  Value(Int value) : Value(from_integer(value)) {}
  Value(std::string_view text) { store_text(text, Tag::short_string, Tag::long_string); }
  Value(const char* text) : Value(std::string_view(text)) {}
  Value(const std::string& text) : Value(std::string_view(text)) {}
  // NOLINTEND(google-explicit-constructor)

  Value(const Value& other) noexcept : tag_(other.tag_), size_(other.size_) {
    std::memcpy(text_, other.text_, sizeof text_);
    if (tag_ >= kFirstShared) {
      retain();
    }
  }
  Value(Value&& other) noexcept : tag_(other.tag_), size_(other.size_) {
    std::memcpy(text_, other.text_, sizeof text_);
    other.forget();
  }
  Value& operator=(const Value& other) noexcept { return *this = Value(other); }
  Value& operator=(Value&& other) noexcept {
    Value old(std::move(*this));  // released last: `other` may be inside what this Value held
    std::memcpy(static_cast<void*>(this), &other, sizeof(Value));
    other.forget();
    return *this;
  }
  ~Value() {
    if (tag_ >= kFirstShared) {
      release();
    }
  }

  [[nodiscard]] static Value array() noexcept { return Value(Tag::array); }
  [[nodiscard]] static Value array(std::initializer_list<Value> items);
  [[nodiscard]] static Value object() noexcept { return Value(Tag::object); }
  [[nodiscard]] static Value object(std::initializer_list<std::pair<std::string_view, Value>> members);
  // A number as written. Asserts that `text` is a JSON number (number.hpp: is_number).
  [[nodiscard]] static Value number(std::string_view text);
  // The shortest decimal that reads back as `value`; null for NaN and infinities, which JSON lacks.
  [[nodiscard]] static Value number(double value);

  [[nodiscard]] Kind kind() const noexcept { return kKinds[static_cast<std::size_t>(tag_)]; }
  [[nodiscard]] bool is_null() const noexcept { return tag_ == Tag::null; }
  [[nodiscard]] bool is_bool() const noexcept { return tag_ == Tag::yes || tag_ == Tag::no; }
  [[nodiscard]] bool is_number() const noexcept { return kind() == Kind::number; }
  [[nodiscard]] bool is_string() const noexcept { return kind() == Kind::string; }
  [[nodiscard]] bool is_array() const noexcept { return tag_ == Tag::array; }
  [[nodiscard]] bool is_object() const noexcept { return tag_ == Tag::object; }
  // jq's truth: everything but null and false.
  [[nodiscard]] bool is_true() const noexcept { return tag_ > Tag::no; }

  // Each asserts the kind; ask first.
  [[nodiscard]] bool as_bool() const noexcept;
  [[nodiscard]] std::string_view as_string() const noexcept;
  [[nodiscard]] std::string_view number_text() const noexcept;

  // The number, where it is integral (also 1.0 and 1e3) and fits in 64 bits; else, and for other kinds,
  // nothing.
  [[nodiscard]] std::optional<std::int64_t> as_int() const noexcept;
  // The nearest double; nothing for other kinds. Beyond the range of double: infinity.
  [[nodiscard]] std::optional<double> as_double() const noexcept;

  // Elements of an array or members of an object; 0 for other kinds.
  [[nodiscard]] std::size_t size() const noexcept {
    return is_list() && block() != nullptr ? list()->count : 0;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  // The elements of an array, the members of an object in their order; empty for other kinds.
  [[nodiscard]] std::span<const Value> items() const noexcept;
  [[nodiscard]] std::span<const Member> members() const noexcept;
  // Null where there is no such element, or this is no array (object).
  [[nodiscard]] const Value& operator[](std::size_t index) const noexcept;
  [[nodiscard]] const Value& operator[](std::string_view key) const noexcept;
  // The member's value, or nullptr. O(1) compares up to 16 members, then O(log n).
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;

  // Arrays (asserted). A null becomes an array first.
  void push_back(Value value);
  // Asserts index < size().
  void set(std::size_t index, Value value);
  // Objects (asserted). A null becomes an object first. The number of members beyond 16 costs a move of
  // the index, so building one of 100,000 members key by key is slow: parse it, or use an array.
  void set(std::string_view key, Value value) { set_member(Value(key), std::move(value)); }
  void set_member(Value key, Value value);
  // Whether there was one. O(n).
  bool erase(std::string_view key);
  // Room for `count` elements in one allocation; arrays and objects only (asserted).
  void reserve(std::size_t count);

  // 0 for scalars, else 1 + that of the deepest element (after removals perhaps more).
  [[nodiscard]] std::uint32_t depth() const noexcept {
    return is_list() && block() != nullptr ? list()->depth : is_list();
  }
  // Length of the compact JSON text if no character needed an escape. O(1): the cost of walking a value.
  [[nodiscard]] std::uint64_t text_size() const noexcept;
  // Whether others hold the same block, so that a change would copy it first. False for what stands in place.
  [[nodiscard]] bool is_shared() const noexcept;
  // Whether both are the same block, or equal scalars that stand in place: a cheap "surely equal".
  [[nodiscard]] bool same_as(const Value& other) const noexcept {
    return std::memcmp(this, &other, sizeof(Value)) == 0;
  }

  // jq's equality: numbers by value (1 == 1.0), objects without order.
  friend bool operator==(const Value& a, const Value& b) noexcept;

 private:
  friend class ListBuilder;
  enum class Tag : std::uint8_t {
    null,
    no,
    yes,
    short_number,
    short_string,
    long_number,
    long_string,
    array,
    object
  };
  static constexpr Tag kFirstShared = Tag::long_number;
  static constexpr Kind kKinds[] = {Kind::null,   Kind::boolean, Kind::boolean, Kind::number, Kind::string,
                                    Kind::number, Kind::string,  Kind::array,   Kind::object};

  explicit Value(Tag tag) noexcept : tag_(tag) {}
  static Value from_integer(std::int64_t value);
  static Value from_integer(std::uint64_t value);
  template <std::signed_integral Int>
  static Value from_integer(Int value) {
    return from_integer(static_cast<std::int64_t>(value));
  }
  template <std::unsigned_integral Int>
  static Value from_integer(Int value) {
    return from_integer(static_cast<std::uint64_t>(value));
  }

  [[nodiscard]] bool is_list() const noexcept { return tag_ >= Tag::array; }
  // The block pointer stands at offset 8; null for an empty array or object.
  [[nodiscard]] void* block() const noexcept {
    void* p = nullptr;
    std::memcpy(static_cast<void*>(&p), text_ + 6, sizeof p);
    return p;
  }
  void set_block(void* p) noexcept { std::memcpy(text_ + 6, static_cast<void*>(&p), sizeof p); }
  [[nodiscard]] detail::ListBlock* list() const noexcept { return static_cast<detail::ListBlock*>(block()); }
  [[nodiscard]] std::string_view text() const noexcept {
    if (tag_ < kFirstShared) {
      return {text_, size_};
    }
    const auto* b = static_cast<const detail::TextBlock*>(block());
    return {reinterpret_cast<const char*>(b + 1), b->size};
  }
  void store_text(std::string_view text, Tag small, Tag big);
  void forget() noexcept {
    tag_ = Tag::null;
    size_ = 0;
    std::memset(text_, 0, sizeof text_);
  }
  void retain() const noexcept;
  void release() noexcept;
  void make_unique(std::size_t capacity);
  [[nodiscard]] std::size_t position_of(const Value& key, std::size_t* insert_at) const noexcept;

  alignas(8) Tag tag_ = Tag::null;
  std::uint8_t size_ = 0;
  char text_[14] = {};
};
static_assert(sizeof(Value) == 16);

struct Member {
  Value name;  // always a string
  Value value;
  [[nodiscard]] std::string_view key() const noexcept { return name.as_string(); }
};

// jq's total order: null < false < true < numbers < strings (by code point) < arrays < objects (by sorted
// keys, then by values). Numbers compare exactly, whatever their length.
[[nodiscard]] std::strong_ordering compare(const Value& a, const Value& b) noexcept;

// Makes an array or object of elements collected elsewhere, in one allocation; for readers. Equal keys are
// resolved once, in O(n log n) however many there are: the last value wins, in the first one's place.
class ListBuilder {
 public:
  // Both move the elements out of the span.
  [[nodiscard]] static Value make_array(std::span<Value> items);
  [[nodiscard]] static Value make_object(std::span<Member> members);
};

inline bool Value::is_shared() const noexcept {
  return tag_ >= kFirstShared && block() != nullptr &&
         static_cast<const std::atomic<std::uint32_t>*>(block())->load(std::memory_order_acquire) != 1;
}
inline bool Value::as_bool() const noexcept {
  FLOTILLA_ASSERT(is_bool());
  return tag_ == Tag::yes;
}
inline std::string_view Value::as_string() const noexcept {
  FLOTILLA_ASSERT(is_string());
  return text();
}
inline std::string_view Value::number_text() const noexcept {
  FLOTILLA_ASSERT(is_number());
  return text();
}
inline std::span<const Value> Value::items() const noexcept {
  if (tag_ != Tag::array || block() == nullptr) {
    return {};
  }
  return {reinterpret_cast<const Value*>(list() + 1), list()->count};
}
inline std::span<const Member> Value::members() const noexcept {
  if (tag_ != Tag::object || block() == nullptr) {
    return {};
  }
  return {reinterpret_cast<const Member*>(list() + 1), list()->count};
}

}  // namespace flotilla::json
