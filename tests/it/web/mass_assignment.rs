//! No form decides what is the server's to decide (mass assignment).

use crate::support::{Multipart, TestApp, samples};

#[tokio::test]
async fn what_the_server_decides_is_not_taken_from_a_form() {
    const CHOSEN: &str = "01890000-0000-7000-8000-000000000001";
    let app = TestApp::start();
    let (_, staff) = (app.admin().await, app.staff().await);
    let site = app.value("SELECT id FROM sites WHERE is_default");
    let admin = app.value("SELECT id FROM users WHERE role = 'admin'");
    let greedy = [
        ("id", CHOSEN),
        ("state", "purged"),
        ("status", "closed"),
        ("purged_at", "2026-01-01T00:00:00Z"),
        ("files_count", "9"),
        ("sha256", "00"),
        ("size_bytes", "1"),
        ("content_type", "text/html"),
        ("stored_name", "../../etc/passwd"),
        ("created_by", &admin),
        ("uploaded_by", &admin),
        ("user_id", &admin),
        ("role", "admin"),
        ("downloads", "-1000"),
        ("legal_hold", "true"),
        ("disabled_at", ""),
        ("scopes", "admin"),
    ];
    let send = async |path: &str, own: &[(&str, &str)]| staff.post_form(path, &[own, &greedy].concat()).await;

    send("/batches", &[("number", "B-1"), ("product", "Soap"), ("site_id", &site)]).await.is(303);
    let batch = app.value("SELECT id FROM batches");
    assert_ne!(batch, CHOSEN);
    assert_eq!(
        app.value("SELECT status || ' ' || username FROM batches JOIN users ON users.id = created_by"),
        "open stan"
    );

    let png = samples::png();
    let form = greedy.iter().fold(Multipart::new(), |form, (name, value)| form.field(name, value));
    staff.upload_body(&batch, form.file("a.png", &png).body()).await.is(201);
    let kept = "SELECT state || ' ' || content_type || ' ' || size_bytes || ' ' || encode(sha256, 'hex') || ' ' \
                || username FROM attachments JOIN users ON users.id = uploaded_by";
    let expected = format!("available image/png {} {} stan", png.len(), samples::sha256(&png));
    assert_eq!(app.value(kept), expected);

    send("/account", &[("display_name", "Stan")]).await.is(303);
    assert_eq!(
        app.value("SELECT role || ' ' || display_name FROM users WHERE username = 'stan'"),
        "staff Stan"
    );
    send(&format!("/batches/{batch}/shares"), &[("expires_in_hours", "1"), ("max_downloads", "3")]).await;
    let link = "SELECT downloads || ' ' || username FROM share_links JOIN users ON users.id = created_by";
    assert_eq!(app.value(link), "0 stan");
}
