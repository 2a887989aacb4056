//! The trail of events and its seals.

mod seals;
mod sentences;
