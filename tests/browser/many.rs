//! Many files at once: ticked, packed, deleted, brought back.

use thirtyfour::{By, Key, WebElement};

use crate::{
    harness::{Browser, Stillage},
    journeys::{choose, make_batch, set_up},
    samples,
};

async fn boxes(browser: &Browser) -> Vec<WebElement> {
    browser.driver.find_all(By::Css("input.pick[name=ids]")).await.unwrap()
}

async fn values(boxes: &[WebElement]) -> Vec<String> {
    let mut values = Vec::new();
    for element in boxes {
        values.push(element.attr("value").await.unwrap().unwrap());
    }
    values
}

#[tokio::test]
async fn ticked_files_are_packed_deleted_and_brought_back() {
    let stillage = Stillage::start();
    let browser = Browser::start().await;
    set_up(&browser, &stillage).await;
    make_batch(&browser, &stillage, "B-7").await;
    let files = samples::good(stillage.folder.path());
    choose(&browser, &files).await;
    browser.sees("3 files stored").await;
    let batch = format!("{}{}", stillage.base, browser.path().await);
    browser.open(&format!("{batch}?view=table")).await;

    // Shift takes what lies between.
    let all = boxes(&browser).await;
    all[0].click().await.unwrap();
    browser.sees("1 selected").await;
    let shift_click = browser.driver.action_chain().key_down(Key::Shift).click_element(&all[2]);
    shift_click.key_up(Key::Shift).perform().await.unwrap();
    browser.sees("3 selected").await;
    all[1].click().await.unwrap();
    browser.sees("2 selected").await;
    browser.click(".selbar button[type=reset]").await;
    // A table as narrow as here has no head; the bar takes all that is shown.
    all[0].click().await.unwrap();
    browser.click(".selbar button[data-pick-all]").await;
    browser.sees("3 selected").await;
    all[2].click().await.unwrap();
    browser.sees("2 selected").await;

    // What the form sends is an archive of just these.
    let token = browser.find("#picked input[name=csrf_token]").await.attr("value").await.unwrap().unwrap();
    let mut fields = vec![("csrf_token", token)];
    fields.extend(values(&all[..2]).await.into_iter().map(|id| ("ids", id)));
    let answer = reqwest::Client::new()
        .post(browser.find("#picked").await.prop("action").await.unwrap().unwrap())
        .header("Cookie", browser.cookie().await)
        .form(&fields)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let archive = zip::ZipArchive::new(std::io::Cursor::new(answer.bytes().await.unwrap())).unwrap();
    assert_eq!(archive.len(), 3, "two files and the manifest");

    // All of them get another kind.
    browser.find("#picked-kind option[value=certificate]").await.click().await.unwrap();
    browser.click(".selbar button[formaction$='/files/kind']").await;
    browser.sees("Changed the kind of 2 files to certificate").await;

    let all = boxes(&browser).await;
    all[0].click().await.unwrap();
    all[1].click().await.unwrap();
    browser.click(".selbar button[popovertarget=ask-picked]").await;
    browser.sees("Move the selected files to the trash?").await;
    browser.click("#ask-picked button.btn-destroy").await;
    browser.sees("Moved 2 files to the trash").await;
    assert_eq!(boxes(&browser).await.len(), 1);
    browser.click(".flash form button").await;
    browser.sees("Restored 2 files").await;
    assert_eq!(boxes(&browser).await.len(), 3);
    browser.finish().await;
}

#[tokio::test]
async fn ticking_works_without_scripts() {
    let stillage = Stillage::start();
    let browser = Browser::without_scripts().await;
    set_up(&browser, &stillage).await;
    browser.open(&format!("{}/batches/new", stillage.base)).await;
    browser.fill("input[name=number]", "B-8").await;
    browser.fill("input[name=product]", "Soap").await;
    browser.click("main form button.btn-primary").await;
    browser.sees("B-8 is ready for files").await;
    choose(&browser, &samples::good(stillage.folder.path())).await;
    browser.click("#upload button.drop-send").await;
    browser.sees("3 files stored").await;
    let batch = format!("{}{}", stillage.base, browser.path().await);
    browser.open(&format!("{batch}?view=table&sort=name")).await;
    boxes(&browser).await[0].click().await.unwrap();
    browser.click(".selbar button[popovertarget=ask-picked]").await;
    browser.click("#ask-picked button.btn-destroy").await;
    browser.sees("Moved 1 file to the trash").await;
    browser.click(".flash form button").await;
    browser.sees("Restored 1 file").await;
    browser.finish().await;
}
