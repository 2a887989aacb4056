//! What the pages show: one struct per page, and the small ones they are made of.
//!
//! A handler fills a struct with plain data, askama renders it. Nothing here asks the database, decides who may do
//! what, or knows HTTP: permissions arrive as booleans (`can_upload`, …), and a page shows no button for `false`.
//! Words that depend on data (states, activity, sizes) live here, words that do not stand in the templates.
//!
//! | file | pages |
//! |---|---|
//! | [`frame`] | what surrounds every page: who is signed in, flashes, banner, theme |
//! | [`auth`] | sign in, first start |
//! | [`batches`] | the list, one batch, the form for a new or changed batch |
//! | [`attachments`] | the viewer of one file |
//! | [`shares`] | share links, for those who make and those who get them |
//! | [`tokens`] | own API tokens |
//! | [`api`] | the description of the JSON API |
//! | [`two_factor`] | the code from an app |
//! | [`trash`] | what was deleted and can come back |
//! | [`error`] | every error page |
//! | [`activity`], [`mod@file`], [`form`], [`mod@format`] | pieces that several pages share |

pub mod activity;
pub mod api;
pub mod attachments;
pub mod auth;
pub mod batches;
pub mod error;
pub mod file;
pub mod form;
pub mod format;
pub mod frame;
pub mod shares;
pub mod tokens;
pub mod trash;
pub mod two_factor;
