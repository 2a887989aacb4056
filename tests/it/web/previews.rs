//! Pictures of files, pages of documents, and finding by their text.

use std::fs;

use stillage::{domain::previews, storage::key};
use uuid::Uuid;

use super::Target;
use crate::support::{Answer, Client, TestApp, samples};

const STATE: &str = "SELECT state FROM previews";

async fn picture(by: &Client, path: &str) -> image::RgbImage {
    let answer = by.get(path).await.is(200);
    assert_eq!(answer.header("content-type"), "image/jpeg", "{path}");
    image::load_from_memory(&answer.body).unwrap().to_rgb8()
}

#[tokio::test]
async fn a_picture_stands_upright_and_does_not_say_where_it_was_taken() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let bytes = samples::jpeg_lying(3000, 1500);
    assert!(bytes.windows(16).any(|window| window == samples::PLACE));
    let id = staff.store_id(&batch, "photo.jpg", &bytes).await;
    app.draw().await;
    let base = format!("/attachments/{id}");
    for (path, expected) in [
        ("preview", (1024, 2048)),
        ("thumbnail", (160, 320)),
        ("thumbnail?size=320", (160, 320)),
        ("thumbnail?size=500", (320, 640)),
        ("thumbnail?size=nonsense", (160, 320)),
    ] {
        let path = format!("{base}/{path}");
        let picture = picture(&staff, &path).await;
        let (width, height) = picture.dimensions();
        assert_eq!((width, height), expected, "{path}");
        let (above, below) =
            (picture.get_pixel(width / 2, height / 8), picture.get_pixel(width / 2, height * 7 / 8));
        assert!(above.0[0] > 150 && below.0[2] > 150, "{path}: red above blue");
        let sent = staff.get(&path).await.body;
        for private in [&b"Exif"[..], samples::PLACE] {
            assert!(!sent.windows(private.len()).any(|window| window == private), "{path}");
        }
    }
    assert_eq!(staff.get(&format!("{base}/download")).await.is(200).body, bytes, "the original is untouched");
    staff.get_html(&base).await.is(200).shows("1500 × 3000").shows("width=\"1024\" height=\"2048\"");
    staff
        .get_html(&format!("/batches/{batch}"))
        .await
        .is(200)
        .shows(&format!("src=\"{base}/thumbnail?size=320\""));
    for none in ["pages/1", "pages/0", "pages/x"] {
        staff.get(&format!("{base}/{none}")).await.is(404);
    }
}

#[tokio::test]
async fn a_document_shows_its_pages() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let id = staff.store_id(&batch, "sheets.pdf", &samples::pdf_of_pages(22)).await;
    let base = format!("/attachments/{id}");
    staff.get_html(&base).await.is(200).shows("Open the PDF").hides("pages/1\"");
    app.draw().await;
    assert_eq!(picture(&staff, &format!("{base}/thumbnail")).await.dimensions(), (320, 214));
    for page in [1, 20] {
        assert_eq!(picture(&staff, &format!("{base}/pages/{page}")).await.dimensions(), (1600, 1067));
    }
    for page in [0, 21, 22, 4_000_000_000_u64] {
        staff.get(&format!("{base}/pages/{page}")).await.is(404);
    }
    let page = staff.get_html(&base).await.is(200).shows("22 pages").shows(&format!("{base}/pages/20\""));
    page.shows("2 more pages in the PDF itself").hides(&format!("{base}/pages/21\""));
}

#[tokio::test]
async fn what_is_not_made_yet_is_asked_for_again() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let batch = staff.make_batch("B-1").await;
    let id = staff.store_id(&batch, "photo.png", &samples::png()).await;
    let (base, jobs) =
        (format!("/attachments/{id}"), "SELECT count(*) FROM jobs WHERE kind = 'make_previews'");
    for path in ["thumbnail", "preview"] {
        let pending = staff.get(&format!("{base}/{path}")).await.is(202);
        assert_eq!((pending.header("retry-after"), pending.body.len()), ("1", 0));
    }
    staff.get_html(&base).await.is(200).shows("The preview is being made");
    staff.get_html(&format!("/batches/{batch}")).await.is(200).shows("data-thumb");
    assert_eq!(
        (app.value(STATE), app.value(jobs)),
        ("pending".into(), "1".into()),
        "asking orders nothing twice"
    );
    app.draw().await;
    assert_eq!(app.value(STATE), "made");
    assert_eq!(
        picture(&staff, &format!("{base}/thumbnail")).await.dimensions(),
        (3, 2),
        "nothing is made larger"
    );

    let known = staff.get(&format!("{base}/thumbnail")).await.is(200);
    let tag = known.header("etag");
    assert_eq!(known.header("cache-control"), "private, no-cache");
    let same = staff.get_with(&format!("{base}/thumbnail"), &[("If-None-Match", tag)]).await.is(304);
    assert_eq!((same.header("etag"), same.body.len()), (tag, 0));
    staff.get_with(&format!("{base}/preview"), &[("If-None-Match", tag)]).await.is(200);

    // Lost pictures are made again; a damaged one counts as lost.
    let folder = key::previews_of(&app.store(), id.parse().unwrap());
    fs::write(folder.join("320.jpg"), b"").unwrap();
    staff.get(&format!("{base}/thumbnail")).await.is(202);
    fs::remove_dir_all(&folder).unwrap();
    staff.get(&format!("{base}/preview")).await.is(202);
    assert_eq!(app.value(jobs), "1");
    app.draw().await;
    staff.get(&format!("{base}/thumbnail")).await.is(200);

    // An unmounted disk is called that.
    app.unmount();
    staff.get(&format!("{base}/thumbnail")).await.is(507);
    app.mount();
    assert_eq!(app.value(jobs), "0");
}

#[tokio::test]
async fn files_from_before_there_were_previews_get_theirs_when_they_are_looked_at() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    app.execute("DELETE FROM previews; DELETE FROM jobs");
    let path = target.address("/attachments/{id}/thumbnail");
    staff.get(&path).await.is(202);
    app.draw().await;
    staff.get(&path).await.is(200);
}

#[tokio::test]
async fn what_cannot_be_drawn_is_an_icon_and_a_reason_for_admins() {
    let app = TestApp::start();
    let (admin, staff) = (app.admin().await, app.staff().await);
    let batch = staff.make_batch("B-1").await;
    let hopeless = [
        ("locked.pdf", samples::pdf_encrypted(), "protected by a password"),
        ("odd.pdf", b"%PDF-1.7\nno document at all".to_vec(), "broken"),
        // Its end is where it should be, its content is not.
        ("odd.png", samples::png_claiming(900, 900), "broken"),
    ];
    for (name, bytes, why) in hopeless {
        let id = staff.store_id(&batch, name, &bytes).await;
        app.draw().await;
        let base = format!("/attachments/{id}");
        assert_eq!(app.value(&format!("{STATE} WHERE attachment_id = '{id}'")), "none", "{name}");
        staff.get(&format!("{base}/thumbnail")).await.is(404);
        staff.get(&format!("{base}/pages/1")).await.is(404);
        staff.get(&format!("{base}/preview")).await.is(if name.ends_with("pdf") { 200 } else { 404 });
        staff.get_html(&base).await.is(200).hides(why).hides("<img");
        admin.get_html(&base).await.is(200).shows("For admins").shows(why);
        staff.get(&format!("{base}/download")).await.is(200);
    }
    staff.get_html(&format!("/batches/{batch}")).await.is(200).hides("<img").hides("data-thumb");
}

#[tokio::test]
async fn damaged_and_deleted_files_show_nothing() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    app.draw().await;
    let path = target.address("/attachments/{id}/thumbnail");
    staff.get(&path).await.is(200);
    for state in ["corrupt", "quarantined", "missing"] {
        app.execute(&format!("UPDATE attachments SET state = '{state}'"));
        staff.get(&path).await.is(409);
        staff.get_html(&target.address("/batches/{id}")).await.is(200).hides("<img");
        app.execute(&format!("DELETE FROM previews; UPDATE attachments SET state = '{state}'"));
        previews::make(&app.app, target.file.parse().unwrap()).await.unwrap();
        assert_eq!(app.value("SELECT count(*) FROM previews"), "0", "{state}: not looked into");
    }
    app.execute("UPDATE attachments SET state = 'available'");
    staff.post_form(&target.address("/batches/{id}/delete"), &[]).await.is(303);
    staff.get(&path).await.is(404);
}

#[tokio::test]
async fn a_purge_leaves_nothing_that_was_made() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    app.draw().await;
    let id: Uuid = target.file.parse().unwrap();
    assert!(key::previews_of(&app.store(), id).exists());
    let left = "SELECT (SELECT count(*) FROM previews) + (SELECT count(*) FROM attachment_texts)";
    assert_eq!(app.value(left), "2");
    // A job that comes after the purge finds nothing to draw and clears up.
    app.execute("UPDATE attachments SET state = 'purged', trashed_at = now()");
    previews::make(&app.app, id).await.unwrap();
    assert_eq!(app.value(left), "0");
    assert!(!key::previews_of(&app.store(), id).exists());
}

#[tokio::test]
async fn a_batch_is_found_by_the_text_of_its_documents() {
    let app = TestApp::start();
    let staff = app.staff().await;
    let (first, second) = (staff.make_batch("B-1").await, staff.make_batch("B-2").await);
    let sheet =
        staff.store_id(&first, "release.pdf", &samples::pdf("Viscosity 7.5 released <b>by</b> O'Neil")).await;
    staff.store(&second, "other.pdf", &samples::pdf("Nothing of note")).await;
    app.draw().await;
    let find = async |query: &str| staff.get_html(&format!("/batches?q={query}")).await.is(200);
    for query in ["viscosity", "VISCO", "7.5+viscosity", "O'Neil", "released+by"] {
        let found = find(query).await.shows(">B-1<").hides(">B-2<");
        found
            .shows("release.pdf")
            .shows("<mark>")
            .shows(&format!("href=\"/attachments/{sheet}\""))
            .hides("<b>by</b>");
    }
    find("viscosity+note").await.hides(">B-1<").hides(">B-2<").shows("Nothing found");
    find("release.pdf").await.shows(">B-1<").hides("<mark>");
    find("B-1").await.shows(">B-1<").hides("class=\"hit\"");
    for odd in ["'", "%26%26", "%5C", ":*", "!", "a:*%26", "%00", "%C2%A0"] {
        find(odd).await;
    }
    staff.post_form(&format!("/attachments/{sheet}/delete"), &[]).await.is(303);
    find("viscosity").await.hides(">B-1<");
}

#[tokio::test]
async fn a_search_in_many_texts_uses_their_index() {
    let app = TestApp::start();
    Target::make(&app, &app.staff().await).await;
    app.execute(
        "INSERT INTO attachments (id, batch_id, stored_name, original_name, content_type, size_bytes, sha256,
                                  uploaded_by, uploaded_at)
         SELECT gen_random_uuid(), (SELECT id FROM batches LIMIT 1), 's' || n, n || '.pdf', 'application/pdf', 1,
                decode(repeat('00', 32), 'hex'), (SELECT id FROM users LIMIT 1), now()
         FROM generate_series(1, 6000) n;
         INSERT INTO attachment_texts SELECT id, 'word ' || original_name FROM attachments;
         -- So few that the planner would rather read them all: it shall show whether it could do otherwise.
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$",
    );
    let plan = app.plan(
        "SELECT a.batch_id FROM attachment_texts t JOIN attachments a ON a.id = t.attachment_id
        WHERE a.state NOT IN ('trashed', 'purged') AND t.words @@ to_tsquery('simple', '''viscosity'':*')",
    );
    assert!(
        plan.contains("attachment_texts_words") && !plan.contains("Seq Scan on attachment_texts"),
        "{plan}"
    );
    // Words that nearly all have are found in another way, and say the same.
    let staff = app.stranger().sign_in("stan").await;
    let number = app.value("SELECT number FROM batches");
    for (query, is_found) in [("word", true), ("word+17.pdf", true), ("nothing", false)] {
        let found = staff.get_html(&format!("/batches?q={query}")).await.is(200).text();
        assert_eq!(found.contains(&format!(">{number}<")), is_found, "{query}");
    }
}

#[tokio::test]
async fn a_text_with_too_many_words_is_cut_until_it_can_be_indexed() {
    let app = TestApp::start();
    let target = Target::make(&app, &app.staff().await).await;
    let words: String = (0..110_000).map(|n| format!("word{n:05} ")).collect();
    let mut conn = app.database.connect();
    stillage::db::previews::set_text(&mut conn, target.file.parse().unwrap(), &words).unwrap();
    let kept: usize = app.value("SELECT octet_length(body) FROM attachment_texts").parse().unwrap();
    assert!((100_000..words.len()).contains(&kept), "{kept}");
    assert_eq!(app.value("SELECT words @@ 'word00001' FROM attachment_texts"), "true");
}

#[tokio::test]
async fn what_another_site_has_is_not_there_at_all() {
    let app = TestApp::start();
    app.add_site("Elsewhere");
    let staff = app.staff().await;
    let target = Target::make(&app, &staff).await;
    app.draw().await;
    let otto = app.new_user("otto", stillage::domain::access::Role::Staff, &["Elsewhere"]).await;
    let status = async |path: &str| -> [Answer; 2] { [otto.get(path).await, staff.get(path).await] };
    for pattern in ["/attachments/{id}/thumbnail", "/attachments/{id}/pages/{n}", "/attachments/{id}/receipt"]
    {
        let [foreign, own] = status(&target.address(pattern)).await;
        assert_eq!((foreign.status, own.status), (404, 200), "{pattern}");
    }
    otto.get_html("/batches?q=slip").await.is(200).hides("slip.pdf");
}
