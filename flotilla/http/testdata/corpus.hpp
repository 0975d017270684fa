// Reading the corpora smuggling.txt and responses.txt (their heads describe the format). Tests only.
//
// Ownership: values. Threads: none. Limits: the files are ours; a broken one gives an empty list or text.
#pragma once

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace flotilla::http::testdata {

// Undoes \r \n \t \0 \\ \" \xNN and \{COUNT*TEXT}. `text` is moved behind what was read; `nested` stops at
// '}'.
inline std::string unescape(std::string_view& text, bool nested = false) {
  const auto take = [&text](std::size_t count) {
    const std::string_view taken = text.substr(0, count);
    text.remove_prefix(taken.size());
    return taken;
  };
  std::string out;
  while (!text.empty() && !(nested && text.front() == '}')) {
    const char c = take(1).front();
    if (c != '\\' || text.empty()) {
      out += c;
      continue;
    }
    switch (const char escape = take(1).front()) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case 'x': {
        unsigned value = 0;
        const std::string_view digits = take(2);
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        out += static_cast<char>(value);
        break;
      }
      case '{': {
        std::size_t count = 0;
        const std::string_view digits = take(text.find('*'));
        std::from_chars(digits.data(), digits.data() + digits.size(), count);
        take(1);
        const std::string repeated = unescape(text, true);
        take(1);
        for (std::size_t i = 0; i < count; ++i) {
          out += repeated;
        }
        break;
      }
      default:
        out += escape;
        break;
    }
  }
  return out;
}

// The columns of each case; the last one is unescaped.
inline std::vector<std::vector<std::string>> read_cases(const std::string& path, std::size_t columns) {
  std::vector<std::vector<std::string>> cases;
  std::ifstream file(path, std::ios::binary);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') {
      continue;
    }
    std::string_view rest = line;
    std::vector<std::string> row;
    while (row.size() + 1 < columns) {
      const std::size_t bar = rest.find(" | ");
      row.emplace_back(rest.substr(0, bar));
      rest = bar == std::string_view::npos ? std::string_view{} : rest.substr(bar + 3);
    }
    row.push_back(unescape(rest));
    cases.push_back(std::move(row));
  }
  return cases;
}

}  // namespace flotilla::http::testdata
