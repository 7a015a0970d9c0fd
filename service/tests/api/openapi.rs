//! The OpenAPI document.

use workway_service::routes::document;

use super::client::Api;

/// `UPDATE_OPENAPI=1 cargo test -p workway-service --test integration openapi::` writes the file anew.
#[tokio::test]
async fn the_document_is_the_one_that_the_code_makes() {
    let made = format!("{:#}\n", document());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(file, &made).unwrap();
    }
    let checked_in = std::fs::read_to_string(file).unwrap();
    assert!(made == checked_in, "run with UPDATE_OPENAPI=1 and look at the difference");
    let api = Api::start().await;
    let served = api.client.get(format!("{}/openapi.json", api.base)).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    let served: serde_json::Value = serde_json::from_str(&served.text().await.unwrap()).unwrap();
    assert!(served["paths"].is_object() || std::env::var_os("UPDATE_OPENAPI").is_some());
}
