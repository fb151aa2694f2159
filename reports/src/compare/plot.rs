//! Percentile plots as SVG: rarity (1 in so many is longer) to the right, latency upwards, both logarithmic.

use super::{Point, words};
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 34.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 52.0;

/// One line of a plot.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// The class that gives it colour and dashes.
    pub(super) class: String,
    pub(super) points: &'a [Point],
}

/// Where values are on the picture.
struct Scale {
    decades: i32,
    low: i32,
    high: i32,
}

impl Scale {
    fn x(&self, rarity: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * rarity.log10() / f64::from(self.decades)
    }

    fn y(&self, us: f64) -> f64 {
        let above = us.max(1.0).log10() - f64::from(self.low);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * above / f64::from(self.high - self.low)
    }
}

/// The plot; `None` without points. `title` and `description` are for those who cannot see it, `id` keeps their names apart.
pub(super) fn svg(id: &str, title: &str, description: &str, series: &[Series<'_>]) -> Option<String> {
    let points = || series.iter().flat_map(|one| one.points);
    let rarest = points().map(|point| point.rarity).fold(0.0_f64, f64::max);
    let lowest = points().map(|point| point.us.max(1)).min()? as f64;
    let highest = points().map(|point| point.us.max(1)).max()? as f64;
    let low = lowest.log10().floor() as i32;
    let scale = Scale {
        decades: (rarest.log10().ceil() as i32).max(1),
        low,
        high: (highest.log10().ceil() as i32).max(low + 1),
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-text\">{}</desc>\n",
        escaped(title),
        escaped(description),
    );
    axes(&mut svg, &scale);
    for (place, one) in series.iter().enumerate().filter(|(_, one)| !one.points.is_empty()) {
        line(&mut svg, &scale, one, place);
    }
    svg.push_str("</svg>");
    Some(svg)
}

fn axes(svg: &mut String, scale: &Scale) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for decade in 0..=scale.decades {
        let x = scale.x(10_f64.powi(decade));
        let _infallible = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            percentile(decade),
        );
    }
    for decade in scale.low..=scale.high {
        let us = 10_f64.powi(decade);
        let y = scale.y(us);
        let _infallible = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            tick(us),
        );
    }
    let _infallible = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">percentile</text>",
        (LEFT + right) / 2.0,
        HEIGHT - 10.0,
    );
}

fn line(svg: &mut String, scale: &Scale, series: &Series<'_>, place: usize) {
    let at = |point: &Point| (scale.x(point.rarity), scale.y(point.us as f64));
    let path: Vec<String> = series
        .points
        .iter()
        .map(at)
        .enumerate()
        .map(|(index, (x, y))| format!("{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' }))
        .collect();
    let _infallible = writeln!(svg, "<g class=\"{}\"><path class=\"line\" d=\"{}\"/>", series.class, path.join(""));
    for point in series.points {
        let (x, y) = at(point);
        let _infallible = writeln!(
            svg,
            "{}<title>{} {}: {}</title></path>",
            marker(place, x, y),
            escaped(series.name),
            name(point.rarity),
            words::duration(point.us as f64),
        );
    }
    svg.push_str("</g>\n");
}

/// A mark whose shape, too, tells the series apart: square, diamond, triangle, triangle upside down.
fn marker(place: usize, x: f64, y: f64) -> String {
    let shape = match place % 4 {
        0 => "m-3 -3h6v6h-6z",
        1 => "m0 -4l4 4l-4 4l-4 -4z",
        2 => "m0 -4l4 7h-8z",
        _ => "m0 4l4 -7h-8z",
    };
    format!("<path class=\"mark\" d=\"M{x:.1} {y:.1}{shape}\">")
}

/// The percentile at 1 in 10 to the power of `decade`.
fn percentile(decade: i32) -> String {
    match decade {
        0 => "min".to_owned(),
        1 => "p90".to_owned(),
        2 => "p99".to_owned(),
        more => format!("p99.{}", "9".repeat(usize::try_from(more - 2).unwrap_or(0))),
    }
}

/// The percentile of a point, for its tool tip.
fn name(rarity: f64) -> String {
    let percent = (1.0 - 1.0 / rarity) * 100.0;
    format!("p{}", format!("{percent:.3}").trim_end_matches('0').trim_end_matches('.'))
}

/// A power of ten of microseconds.
fn tick(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.0} s", us / 1e6),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_line_for_each_series_and_names_for_those_who_cannot_see_it() {
        let points = [Point { rarity: 1.0, us: 200 }, Point { rarity: 1_000.0, us: 30_000 }];
        let series = |name| Series { name, class: format!("backend-{name}"), points: &points };
        let svg = svg("a", "Fan-out <p>", "two lines", &[series("nats"), series("redis")]).unwrap();
        assert_eq!(svg.matches("class=\"line\"").count(), 2);
        assert_eq!(svg.matches("class=\"mark\"").count(), 4);
        for part in [
            "Fan-out &lt;p&gt;",
            "<desc id=\"a-text\">two lines",
            "p99.9",
            "nats p0: 0.20 ms",
            "100 ms",
            "p99.9: 30.0 ms",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }

    #[test]
    fn nothing_measured_is_no_plot() {
        assert_eq!(svg("a", "t", "d", &[Series { name: "nats", class: String::new(), points: &[] }]), None);
    }

    #[test]
    fn a_single_value_is_a_plot_too() {
        let points = [Point { rarity: 1.0, us: 0 }];
        let svg = svg("a", "t", "d", &[Series { name: "nats", class: String::new(), points: &points }]).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
