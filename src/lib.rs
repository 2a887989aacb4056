//! Attachment storage for production batches.
//!
//! A request flows one way, and so does background work:
//!
//! ```text
//!   browser, script            schedule                shell
//!         │                       │                      │
//!        web ──────┐             jobs                   cli
//!                  ▼              ▼                      │
//!               domain  ◄─────────┴──────────────────────┘   decides, authorises, opens transactions
//!         ┌────────┼────────┐
//!         ▼        ▼        ▼
//!      scanner    db     storage                             verdicts; rows; bytes
//! ```
//!
//! | module | job |
//! |---|---|
//! | [`app`] | the parts of a running Stillage, put together once for server, commands, jobs and tests |
//! | [`config`] | the environment, typed |
//! | [`web`] | everything that knows HTTP; [`web::routes`] is the whole address map |
//! | [`domain`] | use cases and rules; [`domain::access`] alone decides who may do what |
//! | [`db`] | all SQL, and the private PostgreSQL of a first run |
//! | [`scanner`] | the malware scanner behind `CLAMAV_ADDRESS` |
//! | [`storage`] | files on disk: staged, published, never overwritten |
//! | [`render`] | pictures of files and the text of PDFs, made in a child process with bounds |
//! | [`jobs`] | the queue, its worker, the schedule |
//! | [`cli`] | one file per command |
//! | [`error`], [`clock`], [`blocking`], [`characters`], [`telemetry`], [`metrics`] | leaves that all may use |

pub mod app;
pub mod blocking;
pub mod characters;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod error;
pub mod jobs;
pub mod metrics;
pub mod render;
pub mod scanner;
pub mod storage;
pub mod telemetry;
pub mod web;
