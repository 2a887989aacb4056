//! Style sheets, scripts and icons, embedded in the binary and served under names that carry their hash, so
//! that browsers keep them for ever and a new release is seen at once.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use actix_web::{HttpResponse, http::header, web};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::error::{WebError, WebResult};
use crate::error::Error;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Files;

/// An asset as browsers get it.
struct Asset {
    /// Such as `/static/css/base.0123456789ab.css` for `css/base.css`.
    url: String,
    data: Cow<'static, [u8]>,
    /// Addresses of all modules that this one needs, near and far.
    imports: Vec<String>,
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let mut assets = HashMap::new();
    for path in Files::iter() {
        add(&path, &mut assets, &mut HashSet::new());
    }
    assets
});

/// Adds an asset, and first the modules that it imports: their addresses are written into it, so that its own
/// hash changes with theirs. Modules must not import each other in a circle; one that does stays unresolved.
fn add(path: &str, assets: &mut HashMap<String, Asset>, open: &mut HashSet<String>) {
    if assets.contains_key(path) || !open.insert(path.to_owned()) {
        return;
    }
    let Some(file) = Files::get(path) else { return };
    let mut imports: Vec<String> = Vec::new();
    let data = match std::str::from_utf8(&file.data) {
        Ok(text) if path.ends_with(".js") => {
            let resolved = resolve_imports(path, text, |module| {
                add(module, assets, open);
                let asset = assets.get(module)?;
                for url in asset.imports.iter().chain([&asset.url]) {
                    if !imports.contains(url) {
                        imports.push(url.clone());
                    }
                }
                Some(asset.url.clone())
            });
            Cow::Owned(resolved.into_bytes())
        }
        _ => file.data,
    };
    let hash = hex::encode(&Sha256::digest(&data)[..6]);
    if let Some((stem, extension)) = path.rsplit_once('.') {
        let url = format!("/static/{stem}.{hash}.{extension}");
        assets.insert(path.to_owned(), Asset { url, data, imports });
    }
}

/// Puts addresses in the place of `"./name.js"`, which only imports are written like: JSDoc imports types in single
/// quotes.
fn resolve_imports(path: &str, text: &str, mut url_of: impl FnMut(&str) -> Option<String>) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let quoted = text.split('"').map(|piece| {
        let name = piece.strip_prefix("./").filter(|name| name.ends_with(".js") && !name.contains('\n'));
        name.and_then(|name| url_of(&format!("{folder}/{name}"))).map_or(Cow::Borrowed(piece), Cow::Owned)
    });
    quoted.collect::<Vec<_>>().join("\"")
}

/// The address of an asset, for templates. An unknown one gives an address that answers 404; a test looks for
/// those on every page.
pub fn url(path: &str) -> &'static str {
    ASSETS.get(path).map_or("/static/missing", |asset| asset.url.as_str())
}

/// The addresses of the modules that a module needs, so that a page can ask for all of them at once.
pub fn imports(path: &str) -> &'static [String] {
    ASSETS.get(path).map_or(&[], |asset| asset.imports.as_slice())
}

/// `GET /static/{path}`
pub async fn serve(path: web::Path<String>) -> WebResult {
    let not_found = || WebError::from(Error::NotFound);
    let (stem, extension) = path.rsplit_once('.').ok_or_else(not_found)?;
    let (stem, _hash) = stem.rsplit_once('.').ok_or_else(not_found)?;
    let name = format!("{stem}.{extension}");
    let asset = ASSETS.get(&name).filter(|asset| asset.url["/static/".len()..] == **path);
    let asset = asset.ok_or_else(not_found)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, actix_files::file_extension_to_mime(extension)))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.data.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_become_addresses() {
        let text = "import { a } from \"./part/a.js\";\nexport const b = \"./\" + \"./b.css\";";
        let resolved = resolve_imports("js/x.js", text, |name| {
            (name == "js/part/a.js").then(|| "/static/js/part/a.0.js".to_owned())
        });
        assert_eq!(
            resolved,
            "import { a } from \"/static/js/part/a.0.js\";\nexport const b = \"./\" + \"./b.css\";"
        );
    }

    #[test]
    fn no_import_stays_unresolved() {
        for (path, asset) in ASSETS.iter().filter(|(path, _)| path.ends_with(".js")) {
            let text = String::from_utf8_lossy(&asset.data);
            assert!(!text.contains("from \"."), "{path} imports what is not there, or in a circle");
        }
    }
}
