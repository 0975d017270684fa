#include "flotilla/gateway/core/compose_plan.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/check.hpp"

namespace flotilla::gateway {
namespace {

constexpr std::size_t kMaxNameBytes = 64;

bool is_letter(char c) noexcept { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }

// A name goes unquoted into the Flotilla-Missing header and, mostly, into expressions.
bool is_branch_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && (is_letter(name.front()) || name.front() == '_') &&
         std::ranges::all_of(name,
                             [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return is_letter(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

}  // namespace

std::unexpected<Error> ComposePlan::error(const BranchConfig& branch, std::string_view where,
                                          std::string_view what) const {
  return fail(Errc::invalid, fmt::format("{}{}composition '{}', branch '{}': {}", where,
                                         where.empty() ? "" : ": ", name_, branch.name, what));
}

std::optional<BranchId> ComposePlan::find(std::string_view branch) const noexcept {
  for (BranchId id = 0; id < branches_.size(); ++id) {
    if (branches_[id].name == branch) {
      return id;
    }
  }
  return std::nullopt;
}

Result<ComposePlan> ComposePlan::build(const CompositionConfig& config) {
  ComposePlan plan;
  plan.name_ = config.name;
  if (config.branches.empty() || config.branches.size() > kMaxBranches) {
    return fail(Errc::limit, fmt::format("{}{}composition '{}' has {} branches; 1 to {} are taken",
                                         config.where, config.where.empty() ? "" : ": ", config.name,
                                         config.branches.size(), kMaxBranches));
  }
  for (const BranchConfig& branch : config.branches) {
    if (auto ok = plan.add(branch); !ok) {
      return std::unexpected(ok.error());
    }
  }
  if (auto ok = plan.link(config.branches); !ok) {
    return std::unexpected(ok.error());
  }
  return plan;
}

Result<> ComposePlan::add(const BranchConfig& config) {
  if (!is_branch_name(config.name)) {
    return error(config, config.where,
                 "a name is letters, digits, '_' and '-', at most 64, and begins with a letter or '_'");
  }
  if (find(config.name)) {
    return error(config, config.where, "there are two of that name");
  }
  auto call = call::CallTemplate::parse(config.call.text);
  if (!call) {
    return error(config, config.call.where, call.error().message);
  }
  Branch branch{
      .name = config.name, .call = *std::move(call), .timeout = config.timeout, .optional = config.optional};
  if (config.body) {
    auto body = call::Expression::compile(config.body->text);
    if (!body) {
      return error(config, config.body->where, fmt::format("body: {}", body.error().message));
    }
    branch.body = *std::move(body);
  }
  for (const auto& [header, text] : config.headers) {
    auto value = call::TextTemplate::parse(text.text);
    if (!is_header_name(header) || !value) {
      return error(config, text.where,
                   fmt::format("header '{}': {}", header,
                               value ? "that is not a header's name" : value.error().message));
    }
    branch.headers.emplace_back(header, *std::move(value));
  }
  if (config.fallback && !config.optional) {
    return error(config, config.where,
                 "a default is for a branch with `optional: true`; a required one has none");
  }
  branch.default_json = config.fallback.value_or("null");
  if (const auto fault = json::find_fault(branch.default_json)) {
    return error(config, config.where,
                 fmt::format("the default is not JSON: byte {}: {}", fault->offset, fault->what));
  }
  branches_.push_back(std::move(branch));
  return {};
}

Result<> ComposePlan::link(std::span<const BranchConfig> configs) {
  for (BranchId id = 0; id < branches_.size(); ++id) {
    for (const std::string& name : configs[id].after) {
      const auto other = find(name);
      if (!other) {
        return error(configs[id], configs[id].where,
                     fmt::format("waits for '{}', which is no branch of this composition", name));
      }
      if (branches_[*other].optional && !branches_[id].optional) {
        return error(
            configs[id], configs[id].where,
            fmt::format(
                "is required, but waits for the optional '{}'; make that one required, or this one optional",
                name));
      }
      branches_[id].after |= branch_bit(*other);
    }
  }
  // Ancestors by relaxation: after as many rounds as there are branches nothing changes any more.
  for (std::size_t round = 0; round < branches_.size(); ++round) {
    for (Branch& branch : branches_) {
      branch.ancestors |= branch.after;
      for (BranchId id = 0; id < branches_.size(); ++id) {
        if ((branch.ancestors & branch_bit(id)) != 0) {
          branch.ancestors |= branches_[id].ancestors;
        }
      }
    }
  }
  for (BranchId id = 0; id < branches_.size(); ++id) {
    if ((branches_[id].ancestors & branch_bit(id)) != 0) {
      return error(configs[id], configs[id].where, "waits for itself, through `after`");
    }
  }
  return {};
}

Result<ComposeView> ComposeView::build(const ComposePlan& plan, std::span<const std::string> only,
                                       const std::optional<Text>& shape, std::string_view where) {
  ComposeView view;
  for (const std::string& name : only) {
    const auto id = plan.find(name);
    if (!id) {
      return fail(Errc::invalid, fmt::format("{}{}`only` names '{}', which is no branch of '{}'", where,
                                             where.empty() ? "" : ": ", name, plan.name()));
    }
    view.shown_ |= branch_bit(*id);
  }
  for (BranchId id = 0; id < plan.branches().size(); ++id) {
    if (only.empty()) {
      view.shown_ |= branch_bit(id);
    }
  }
  view.called_ = view.shown_;
  for (BranchId id = 0; id < plan.branches().size(); ++id) {
    if ((view.shown_ & branch_bit(id)) != 0) {
      view.called_ |= plan.branches()[id].ancestors;
    }
  }
  if (shape) {
    auto compiled = call::Expression::compile(shape->text);
    if (!compiled) {
      return fail(Errc::invalid, fmt::format("{}{}shape: {}", shape->where, shape->where.empty() ? "" : ": ",
                                             compiled.error().message));
    }
    view.shape_ = *std::move(compiled);
  }
  view.reads_body_ = view.mentions(plan, "body");
  view.reads_headers_ = view.mentions(plan, "headers");
  return view;
}

bool ComposeView::mentions(const ComposePlan& plan, std::string_view variable) const {
  if (shape_ && shape_->mentions(variable)) {
    return true;
  }
  for (BranchId id = 0; id < plan.branches().size(); ++id) {
    const Branch& branch = plan.branches()[id];
    if ((called_ & branch_bit(id)) == 0) {
      continue;
    }
    if (branch.call.mentions(variable) || (branch.body && branch.body->mentions(variable)) ||
        std::ranges::any_of(branch.headers, [&](const auto& header) {
          return call::mentions(header.second.parts(), variable);
        })) {
      return true;
    }
  }
  return false;
}

}  // namespace flotilla::gateway
