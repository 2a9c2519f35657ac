//! Measures how much work something takes, independent of other load on the computer.

/// CPU time of this thread so far, ns.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Ratio of the work of `large` to that of `small`: the quotient of the lowest CPU times of some runs.
pub(crate) fn ratio(small: impl Fn(), large: impl Fn()) -> f64 {
    let least = |work: &dyn Fn()| {
        let one = || {
            let before = spent();
            work();
            // Yielding updates the count.
            std::thread::yield_now();
            spent().saturating_sub(before).max(1)
        };
        (0..3).map(|_| one()).min().unwrap_or(1)
    };
    least(&large) as f64 / least(&small) as f64
}
