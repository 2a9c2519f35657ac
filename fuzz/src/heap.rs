//! Bounded memory: a run that exceeds its limit counts as a finding.

use cap::Cap;
use std::alloc::System;
use std::panic;
use std::sync::Once;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Runs `what` with at most `bytes` of additional memory; an allocation beyond that aborts the process, which the fuzzer reports
/// with the input.
pub fn bounded(bytes: usize, what: impl FnOnce()) {
    static REPORT: Once = Once::new();
    REPORT.call_once(|| {
        // Reporting a panic takes more memory than the code itself.
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            lift();
            report(info);
        }));
    });
    let most = HEAP.allocated().saturating_add(bytes);
    HEAP.set_limit(most).expect("no limit below what is in use");
    what();
    lift();
}

fn lift() {
    HEAP.set_limit(usize::MAX).expect("all that is in use is allowed");
}
