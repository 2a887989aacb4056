//! Background work.

mod fair_previews;
mod orphans;
mod purge;
mod queue;
mod reconcile;
