//! Sizes, rates and times, as the user writes and reads them.

use std::fmt::Write;
use std::time::Duration;

/// A number of bytes: `16384`, `16K`, `16KiB`, `1.5G`. K, M, G and T count in 1,024s; KB, MB, GB and TB in 1,000s.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = unit_factor(unit.trim())
        .ok_or_else(|| format!("`{unit}` is no unit; write for example 500K, 2M or 1G"))?;
    let bytes = scaled(number, factor);
    bytes.ok_or_else(|| "not a size; write for example 16384, 500K, 2M or 1.5G".to_owned())
}

/// A number of bytes a second, more than 0: a size, with or without `/s`.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let size = text.trim().strip_suffix("/s").unwrap_or(text);
    match parse_size(size)? {
        0 => Err("nothing can move at rate 0; leave the option out for no limit".to_owned()),
        rate => Ok(rate),
    }
}

/// A time in seconds, more than 0: `60`, `0.5`.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.trim().parse().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero())
        .ok_or_else(|| "not a time; write seconds, for example 60 or 0.5".to_owned())
}

fn unit_factor(unit: &str) -> Option<u64> {
    let lower = unit.to_ascii_lowercase();
    let (power, rest) = match lower.as_bytes().first() {
        None => return Some(1),
        Some(b'b') if lower.len() == 1 => return Some(1),
        Some(b'k') => (1, &lower[1..]),
        Some(b'm') => (2, &lower[1..]),
        Some(b'g') => (3, &lower[1..]),
        Some(b't') => (4, &lower[1..]),
        Some(_) => return None,
    };
    match rest {
        "" | "i" | "ib" => Some(1024_u64.pow(power)),
        "b" => Some(1000_u64.pow(power)),
        _ => None,
    }
}

/// Whole numbers exactly; decimal fractions rounded down to a byte.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let thousands = match fraction {
        "" => 0,
        digits => digits.parse::<u128>().ok()?,
    };
    let divisor = 10_u128.pow(fraction.len() as u32);
    let part = u128::from(factor) * thousands / divisor;
    whole
        .checked_mul(factor)?
        .checked_add(u64::try_from(part).ok()?)
}

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// A size with three digits and its unit: `512 B`, `1.50 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A size that is a whole number of a unit without decimals, as piece lengths are: `256 KiB`.
pub(crate) fn exact_size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes, "B");
    for larger in UNITS {
        if value == 0 || value % 1024 != 0 {
            break;
        }
        (value, unit) = (value / 1024, larger);
    }
    format!("{} {unit}", grouped(value))
}

/// A rate: `1.50 MiB/s`.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// A number with commas: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A length of time in its two largest units: `4 s`, `2 min 5 s`, `3 h 0 min`, `2 d 1 h`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10 => format!("{:.1} s", time.as_secs_f64()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Seconds since 1970 as a date and time in UTC: `2024-02-29 12:00:00 UTC`; `None` outside of the years 0 to 9999.
pub(crate) fn date(unix_seconds: i64) -> Option<String> {
    let (day, second) = (
        unix_seconds.div_euclid(86_400),
        unix_seconds.rem_euclid(86_400),
    );
    let (year, month, day) = civil_date(day)?;
    let mut text = String::new();
    write!(text, "{year:04}-{month:02}-{day:02}").ok()?;
    write!(
        text,
        " {:02}:{:02}:{:02} UTC",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
    .ok()?;
    Some(text)
}

/// The Gregorian date of a day counted from 1970-01-01: eras of 400 years, years that begin in March.
fn civil_date(day: i64) -> Option<(i64, i64, i64)> {
    let day = day.checked_add(719_468)?;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (0..=9999).contains(&year).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let cases = [
            ("0", 0),
            ("16384", 16_384),
            ("512B", 512),
            ("16K", 16 << 10),
            ("16 KiB", 16 << 10),
            ("2m", 2 << 20),
            ("1.5G", 3 << 29),
            ("1MB", 1_000_000),
            ("0.5k", 512),
            ("3T", 3 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        let wrong = [
            "",
            "K",
            "-1",
            "1X",
            "1.2.3",
            ".5M",
            "99999999999T",
            "1e9",
            "1.1234567890K",
            "18446744073709551616",
        ];
        for text in wrong {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_sizes_above_zero() {
        assert_eq!(parse_rate("500K"), Ok(500 << 10));
        assert_eq!(parse_rate("2M/s"), Ok(2 << 20));
        assert!(parse_rate("0").is_err());
        assert!(parse_rate("fast").is_err());
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(parse_seconds("60"), Ok(Duration::from_mins(1)));
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "0", "-1", "nan", "inf", "1e300", "5s"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (10 << 10, "10.0 KiB"),
            (1_022_976, "999 KiB"),
            (1_023_999, "0.98 MiB"),
            (5_678_901_234, "5.29 GiB"),
            (u64::MAX, "16384 PiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn exact_sizes_lose_nothing() {
        assert_eq!(exact_size(256 << 10), "256 KiB");
        assert_eq!(exact_size(1 << 20), "1 MiB");
        assert_eq!(exact_size(20_000), "20,000 B");
        assert_eq!(exact_size(0), "0 B");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn times_have_two_units() {
        let text = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(text(4), "4.0 s");
        assert_eq!(text(59), "59 s");
        assert_eq!(text(125), "2 min 5 s");
        assert_eq!(text(10_800), "3 h 0 min");
        assert_eq!(text(176_400), "2 d 1 h");
    }

    #[test]
    fn dates_are_right_over_leap_years_and_bounded() {
        assert_eq!(date(0).as_deref(), Some("1970-01-01 00:00:00 UTC"));
        assert_eq!(
            date(951_782_400).as_deref(),
            Some("2000-02-29 00:00:00 UTC")
        );
        assert_eq!(
            date(1_709_208_000).as_deref(),
            Some("2024-02-29 12:00:00 UTC")
        );
        assert_eq!(date(-1).as_deref(), Some("1969-12-31 23:59:59 UTC"));
        assert_eq!(date(i64::MAX), None);
        assert_eq!(date(i64::MIN), None);
    }
}
