//! `stillage user`

use std::io::{BufRead, IsTerminal};

use secrecy::SecretString;
use serde_json::json;

use super::{Finding, app, block_on};
use crate::{
    config::Config,
    domain::{
        access::{Actor, Role},
        two_factor, users,
    },
};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Add an account.
    #[command(after_help = "Examples:\n  stillage user add ines --role staff\n  \
                            printf '%s\\n' \"$PASSWORD\" | stillage user add ines --role staff --site Main --password-stdin")]
    Add {
        /// The user name: small letters, digits, and . _ - @
        name: String,
        /// admin, staff or viewer
        #[arg(long)]
        role: String,
        /// A site the person belongs to; may be given many times. Without it, the default site.
        #[arg(long = "site")]
        sites: Vec<String>,
        /// Read the password from standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a password; ends the person's sessions.
    #[command(after_help = "Example:\n  stillage user passwd ines")]
    Passwd {
        /// The user name.
        name: String,
        /// Read the password from standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Lock an account; ends the person's sessions.
    #[command(after_help = "Example:\n  stillage user disable ines")]
    Disable {
        /// The user name.
        name: String,
    },
    /// Unlock an account.
    #[command(after_help = "Example:\n  stillage user enable ines")]
    Enable {
        /// The user name.
        name: String,
    },
    /// Take an account's second factor away, for somebody who has lost it; ends their sessions and tokens.
    #[command(after_help = "Example:\n  stillage user reset-two-factor ines")]
    ResetTwoFactor {
        /// The user name.
        name: String,
    },
    /// List accounts.
    #[command(after_help = "Example:\n  stillage user list --json")]
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: Config, command: Command) -> anyhow::Result<Finding> {
    let console = Actor::console();
    match command {
        Command::Add { name, role, sites, password_stdin } => {
            let role: Role = role.parse().map_err(super::told)?;
            let password = read_password(password_stdin)?;
            let app = app(config)?;
            let user = block_on(users::add(&app, &console, &name, role, sites, password))?;
            say!("added {} ({role})", user.username);
        }
        Command::Passwd { name, password_stdin } => {
            let password = read_password(password_stdin)?;
            let app = app(config)?;
            block_on(users::set_password(&app, &console, &name, password))?;
            say!("password of {name} set; their sessions have ended");
        }
        Command::ResetTwoFactor { name } => {
            let app = app(config)?;
            block_on(two_factor::reset(&app, &console, &name))?;
            say!("two-factor of {name} is off; their sessions and tokens have ended");
        }
        Command::Disable { name } => {
            let app = app(config)?;
            block_on(users::set_enabled(&app, &console, &name, false))?;
            say!("disabled {name}; their sessions have ended");
        }
        Command::Enable { name } => {
            let app = app(config)?;
            block_on(users::set_enabled(&app, &console, &name, true))?;
            say!("enabled {name}");
        }
        Command::List { json } => {
            let app = app(config)?;
            print_users(&block_on(users::list(&app, &console))?, json)?;
        }
    }
    Ok(Finding::Good)
}

fn print_users(users: &[crate::db::users::UserRow], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let users: Vec<_> = users
            .iter()
            .map(|user| {
                let (name, role) = (&user.username, &user.role);
                json!({ "username": name, "role": role, "enabled": user.disabled_at.is_none(), "created_at": user.created_at })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&users)?);
        return Ok(());
    }
    let width = users.iter().map(|user| user.username.len()).max().unwrap_or(0);
    for user in users {
        let state = if user.disabled_at.is_some() { "disabled" } else { "enabled" };
        say!("{:width$}  {:6}  {state}", user.username, user.role);
    }
    Ok(())
}

fn read_password(from_stdin: bool) -> anyhow::Result<SecretString> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned().into());
    }
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("there is no terminal to ask for the password; use --password-stdin");
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? != password {
        anyhow::bail!("the two passwords differ");
    }
    Ok(password.into())
}
