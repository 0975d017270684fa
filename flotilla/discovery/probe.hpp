// Sends one health probe: resolves the host, judges every address, connects or fetches.
//
// For: RegistryServer and InstanceHealth. Ownership: borrows everything until it ends. Threads: the loop's.
// Limits: it ends at the probe's deadline; 1 MiB of an answer's body; a connection of its own each time.
#pragma once

#include "flotilla/discovery/core/check_definition.hpp"
#include "flotilla/discovery/core/probe_target.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/resolver.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::discovery {

// `guard` null: the target was put there by the operator. Redirects are not followed: they could lead past
// the guard; a 3xx is critical.
[[nodiscard]] net::Task<ProbeResult> run_probe(net::Loop& loop, net::Resolver& resolver,
                                               const TargetGuard* guard, StartProbe start);

}  // namespace flotilla::discovery
