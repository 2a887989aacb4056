//! What is accepted as a new password (OWASP ASVS 5.0, 6.2; NIST SP 800-63B, 3.1.1.2): a length, and nothing that is
//! guessed early. No kinds of characters are asked for.

use secrecy::{ExposeSecret, SecretString};

use super::{passwords, weak};
use crate::{
    app::App,
    blocking, db,
    error::{Error, Result},
};

/// Least length of a password in characters (ASVS 5.0, 6.2.1 asks for 8 and recommends 15), counted in the form in which
/// it is hashed (`passwords::normalised`).
pub const MIN_CHARS: usize = 12;

/// The product, which every password may be about.
const PRODUCT: &str = "Stillage";

/// Checks a new password of somebody who goes by `names`: their user name and the name that others see. Both are known
/// here, and so are the names of the installation and of its sites.
///
/// # Errors
/// [`Error::Invalid`] with what is wrong with it, at the field `password`.
pub(super) async fn check(app: &App, names: &[&str], password: &SecretString) -> Result<()> {
    if !passwords::is_hashable(password) {
        return Err(Error::invalid("password", "The password is longer than 1,024 bytes."));
    }
    let password = passwords::normalised(password);
    let chars = password.expose_secret().chars().count();
    if chars < MIN_CHARS {
        let message =
            format!("{chars} characters. {MIN_CHARS} or more are needed; three words in a row do well.");
        return Err(Error::invalid("password", message));
    }
    let sites = app.db.run(db::sites::all).await?;
    let mut known: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    known.extend([PRODUCT.to_owned(), app.settings.now().name.clone()]);
    known.extend(sites.into_iter().map(|site| site.name));
    // Some milliseconds for a long one: not on the threads that serve everybody.
    let weakness = blocking::run(move || {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Ok(weak::weakness(password.expose_secret(), &known))
    })
    .await?;
    match weakness {
        Some(why) => {
            let message = format!("{why} Three or four words that do not belong together do well.");
            Err(Error::invalid("password", message))
        }
        None => Ok(()),
    }
}
