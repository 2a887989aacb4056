//! What the pages show: one struct per page, and the small ones they are made of.
//!
//! A handler fills a struct with plain data, askama renders it. Nothing here asks the database, decides who may do
//! what, or knows HTTP: permissions arrive as booleans (`can_upload`, …), and a page shows no button for `false`.
//! Words that depend on data (states, activity, sizes) live here, words that do not stand in the templates.
//!
//! | file | pages |
//! |---|---|
//! | [`frame`] | what surrounds every page: who is signed in, flashes, banner, theme |
//! | [`auth`] | sign in, first start, the link to choose a password |
//! | [`account`] | one's own account |
//! | [`admin`], [`people`], [`sites`] | the admin's pages: their tabs, people, sites |
//! | [`stats`] | the admin's overview, with [`chart`]; prices |
//! | [`quarantine`] | files that were locked away or refused because of malware |
//! | [`batches`] | the list, one batch, the form for a new or changed batch |
//! | [`attachments`] | the viewer of one file |
//! | [`shares`] | share links, for those who make and those who get them |
//! | [`tokens`] | own API tokens |
//! | [`api`] | the description of the JSON API |
//! | [`two_factor`] | the code from an app |
//! | [`doctor`] | what the doctor found |
//! | [`trail`] | the audit trail, a batch's history, who saw a file |
//! | [`jobs`] | background work |
//! | [`trash`] | what was deleted and can come back |
//! | [`error`] | every error page |
//! | [`labels`] | printable labels |
//! | [`activity`], [`device`], [`mod@file`], [`files`], [`hold`], [`preview`], [`receipt`], [`search`], [`form`], [`mod@format`] | pieces that several pages share |

pub mod account;
pub mod activity;
pub mod admin;
pub mod api;
pub mod attachments;
pub mod auth;
pub mod batches;
pub mod chart;
pub mod device;
pub mod doctor;
pub mod error;
pub mod file;
pub mod files;
pub mod form;
pub mod format;
pub mod frame;
pub mod hold;
pub mod jobs;
pub mod labels;
pub mod people;
pub mod preview;
pub mod quarantine;
pub mod receipt;
pub mod search;
pub mod settings;
pub mod shares;
pub mod sites;
pub mod stats;
pub mod storage;
pub mod tokens;
pub mod trail;
pub mod trash;
pub mod two_factor;
