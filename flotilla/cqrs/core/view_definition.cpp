#include "flotilla/cqrs/core/view_definition.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "flotilla/base/sha256.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

Result<expr::Program> compile(const std::string& text, std::span<const std::string_view> variables) {
  auto program = expr::compile(text, variables);
  if (!program) {
    return std::unexpected(program.error().to_error());
  }
  return std::move(*program);
}

Error of(std::string_view member, Error error) {
  error.message = fmt::format("{}: {}", member, error.message);
  return error;
}

// The first element is the language of all this: another one would build other rows of the same texts.
std::string hash_of(const ViewTexts& texts) {
  std::vector<std::string> from = texts.from;
  std::ranges::sort(from);
  std::string canonical;
  json::Writer out(canonical);
  out.begin_array().value("view 1").begin_array();
  for (const std::string& topic : from) {
    out.value(topic);
  }
  out.end().value(texts.key).value(texts.row).value(texts.fold).end();
  return to_hex(sha256(canonical)).substr(0, 16);
}

}  // namespace

Result<expr::Program> compile_view_key(const std::string& text) {
  static constexpr std::array<std::string_view, 1> kVariables{"event"};
  return compile(text, kVariables);
}

Result<expr::Program> compile_view_fold(const std::string& text) {
  static constexpr std::array<std::string_view, 2> kVariables{"event", "data"};
  return compile(text, kVariables);
}

ViewDefinitionPtr native_view(std::string name, std::vector<std::string> from, std::string text,
                              journal::EventFoldPtr fold) {
  ViewTexts texts{.from = std::move(from), .key = {}, .row = {}, .fold = std::move(text)};
  std::string hash = hash_of(texts);
  ViewDefinition view{.name = std::move(name),
                      .texts = std::move(texts),
                      .hash = std::move(hash),
                      .key = compile_view_key(".").value(),
                      .row = {},
                      .fold = compile_view_fold(".").value(),
                      .native = std::move(fold)};
  return std::make_shared<const ViewDefinition>(std::move(view));
}

Result<ViewDefinitionPtr> compile_version(const ViewDefinition& wanted, ViewTexts texts) {
  if (!texts.key.empty() || wanted.native == nullptr) {
    return compile_view(wanted.name, std::move(texts));
  }
  auto fold = wanted.native->remake(texts.fold);
  if (!fold) {
    return std::unexpected(std::move(fold.error()));
  }
  return native_view(wanted.name, std::move(texts.from), std::move(texts.fold), std::move(*fold));
}

Result<ViewDefinitionPtr> compile_view(std::string name, ViewTexts texts, Duration cache) {
  if (texts.from.empty() || texts.from.size() > kMaxSources) {
    return fail(Errc::limit, fmt::format("from: a view folds 1 to {} topics, this one has {}", kMaxSources,
                                         texts.from.size()));
  }
  if (const std::size_t size = texts.key.size() + texts.row.size() + texts.fold.size(); size > kMaxViewText) {
    return fail(Errc::limit,
                fmt::format("its expressions have {} bytes, the limit is {}", size, kMaxViewText));
  }
  auto key = compile_view_key(texts.key);
  if (!key) {
    return std::unexpected(of("key", std::move(key.error())));
  }
  std::optional<expr::Program> row;
  if (!texts.row.empty()) {
    auto compiled = compile_view_key(texts.row);
    if (!compiled) {
      return std::unexpected(of("row", std::move(compiled.error())));
    }
    row = std::move(*compiled);
  }
  auto fold = compile_view_fold(texts.fold);
  if (!fold) {
    return std::unexpected(of("fold", std::move(fold.error())));
  }
  std::string hash = hash_of(texts);
  return std::make_shared<const ViewDefinition>(ViewDefinition{.name = std::move(name),
                                                               .texts = std::move(texts),
                                                               .hash = std::move(hash),
                                                               .cache = cache,
                                                               .key = std::move(*key),
                                                               .row = std::move(row),
                                                               .fold = std::move(*fold),
                                                               .native = nullptr});
}

}  // namespace flotilla::cqrs
