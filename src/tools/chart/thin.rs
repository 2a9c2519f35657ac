//! Reduces points without a visible difference: a day has 86 400 seconds, a chart some 800 columns.

/// Keeps the first, lowest, highest and last point of each column, then drops points that are on the line between their neighbours
/// within `tolerance`.
pub(super) fn thin(points: &[(f64, f64)], column: f64, tolerance: f64) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| (a.0 / column).floor() == (b.0 / column).floor()) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let corners = [group.first(), group.iter().min_by(by_height), group.iter().max_by(by_height), group.last()];
        let mut corners: Vec<(f64, f64)> = corners.into_iter().flatten().copied().collect();
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        corners.dedup();
        kept.extend(corners);
    }
    straighten(&kept, tolerance)
}

/// Drops points as long as all points dropped since the last one kept are on the straight line.
fn straighten(points: &[(f64, f64)], tolerance: f64) -> Vec<(f64, f64)> {
    let Some((first, rest)) = points.split_first() else { return Vec::new() };
    let mut kept = vec![*first];
    let mut anchor = *first;
    let mut waiting: Vec<(f64, f64)> = Vec::new();
    for point in rest {
        let on_line = |(x, y): &(f64, f64)| {
            let share = if point.0 > anchor.0 { (x - anchor.0) / (point.0 - anchor.0) } else { 1.0 };
            (anchor.1 + (point.1 - anchor.1) * share - y).abs() <= tolerance
        };
        if let Some(last) = waiting.last().copied()
            && !waiting.iter().all(on_line)
        {
            kept.push(last);
            anchor = last;
            waiting.clear();
        }
        waiting.push(*point);
    }
    kept.extend(waiting.last());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_becomes_its_ends_and_a_spike_stays() {
        let mut points: Vec<(f64, f64)> = (0..1000u32).map(|x| (f64::from(x), f64::from(x) * 2.0)).collect();
        assert_eq!(thin(&points, 10.0, 0.1), [(0.0, 0.0), (999.0, 1998.0)]);
        points[505].1 = 5000.0;
        let thinned = thin(&points, 10.0, 0.1);
        assert!(thinned.contains(&(505.0, 5000.0)) && thinned.len() < 10, "{thinned:?}");
        assert_eq!(thin(&[], 1.0, 0.1), []);
    }
}
