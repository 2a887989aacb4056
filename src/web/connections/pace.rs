//! How slow a client may be. One that is waited for uses up its patience; bytes that move give it back.

use std::time::Duration;

use crate::config::Timeouts;

/// What is left of the time that a client may be waited for.
#[derive(Debug)]
pub struct Pace {
    patience: Duration,
    min_rate: u64,
    left: Duration,
}

impl Pace {
    pub fn new(timeouts: &Timeouts) -> Self {
        let Timeouts { patience, min_rate, .. } = *timeouts;
        Self { patience, min_rate, left: patience }
    }

    /// How long the client may still be waited for.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// The client was waited for.
    pub fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// Bytes moved: at the least rate, they are worth the time that they may take.
    pub fn moved(&mut self, bytes: u64) {
        let earned = Duration::from_secs_f64(bytes as f64 / self.min_rate.max(1) as f64);
        self.left = self.left.saturating_add(earned).min(self.patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a client lasts that moves so many bytes at a time, with a pause before each; at most a day.
    fn lasts(bytes: u64, pause_seconds: u64) -> u64 {
        let pause = Duration::from_secs(pause_seconds);
        let mut pace = Pace::new(&Timeouts::default());
        for n in 1..86_400 / pause_seconds {
            pace.waited(pause);
            if pace.left().is_zero() {
                return n * pause_seconds;
            }
            pace.moved(bytes);
        }
        86_400
    }

    #[test]
    fn only_clients_below_the_least_rate_are_given_up() {
        let day = 86_400;
        for (bytes, pause, expected) in [
            // Nothing at all, or a byte now and then.
            (0, 1, 60..=60),
            (1, 20, 60..=80),
            (100, 1, 60..=70),
            // A little below the least rate, at it, and a poor radio link that comes and goes.
            (1500, 1, 200..=300),
            (2048, 1, day..=day),
            (120_000, 55, day..=day),
        ] {
            let lasted = lasts(bytes, pause);
            assert!(expected.contains(&lasted), "{bytes} bytes every {pause} s last {lasted} s");
        }
    }
}
