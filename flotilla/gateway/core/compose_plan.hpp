// A composition, checked and compiled: which calls make up one answer, and which of them wait for which.
//
// For: the `compose` action. A ComposePlan is built once from a composition of the file, a ComposeView once
// for each route that uses it (`only`, `shape`); ComposeRun (compose_run.hpp) executes them for one request.
// Rules, checked here: names are unique; `after` names branches and is without cycles; a required branch
// waits for required branches only (otherwise its optional predecessor would not be optional); `default` is
// JSON and belongs to an optional branch. Ownership: values. Threads: immutable, shared by all workers.
// Limits: kMaxBranches.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/call/core/call_template.hpp"
#include "flotilla/gateway/core/composition_config.hpp"

namespace flotilla::gateway {

inline constexpr std::size_t kMaxBranches = 32;

using BranchId = std::uint32_t;
using BranchSet = std::uint32_t;  // bit i is branch i
[[nodiscard]] constexpr BranchSet branch_bit(BranchId id) noexcept { return BranchSet{1} << id; }

struct Branch {
  std::string name;
  call::CallTemplate call;
  std::optional<call::Expression> body = {};
  std::vector<std::pair<std::string, call::TextTemplate>> headers = {};
  std::optional<Duration> timeout = {};  // none: the service's own
  bool optional = false;
  std::string default_json = "null";  // for an optional branch that failed
  BranchSet after = 0;                // as written
  BranchSet ancestors = 0;            // all it waits for, directly or not: what its expressions see as `.`
};

class ComposePlan {
 public:
  // Errors: Errc::invalid or limit, naming the place, the composition and the branch.
  [[nodiscard]] static Result<ComposePlan> build(const CompositionConfig& config);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::vector<Branch>& branches() const noexcept { return branches_; }
  [[nodiscard]] std::optional<BranchId> find(std::string_view branch) const noexcept;

 private:
  [[nodiscard]] Result<> add(const BranchConfig& config);
  [[nodiscard]] Result<> link(std::span<const BranchConfig> configs);
  [[nodiscard]] std::unexpected<Error> error(const BranchConfig& branch, std::string_view where,
                                             std::string_view what) const;

  std::string name_;
  std::vector<Branch> branches_;
};

// What one route shows of a composition.
class ComposeView {
 public:
  // `only`: the branches of the answer, in the composition's order; empty: all. Those it leaves out are
  // called only if another one waits for them. `shape`: an expression over {branch: body}; none: that object
  // itself. `where` is the route's place, for errors about `only`.
  [[nodiscard]] static Result<ComposeView> build(const ComposePlan& plan, std::span<const std::string> only,
                                                 const std::optional<Text>& shape,
                                                 std::string_view where = {});

  [[nodiscard]] BranchSet shown() const noexcept { return shown_; }
  [[nodiscard]] BranchSet called() const noexcept { return called_; }
  [[nodiscard]] const std::optional<call::Expression>& shape() const noexcept { return shape_; }
  // Whether anything that is evaluated mentions `$body` or `$headers`: otherwise they need not be given to
  // the run.
  [[nodiscard]] bool reads_body() const noexcept { return reads_body_; }
  [[nodiscard]] bool reads_headers() const noexcept { return reads_headers_; }

 private:
  [[nodiscard]] bool mentions(const ComposePlan& plan, std::string_view variable) const;

  BranchSet shown_ = 0;
  BranchSet called_ = 0;
  std::optional<call::Expression> shape_;
  bool reads_body_ = false;
  bool reads_headers_ = false;
};

}  // namespace flotilla::gateway
