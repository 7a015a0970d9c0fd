//! The public catalogue of published workflows.

use axum::{
    Json,
    http::{HeaderName, header},
    response::IntoResponse,
};

use super::{Context, extract::ListPage, workflows::ListBody};
use crate::domain::page::Position;
use crate::guard::Problem;
use crate::ports::Platform;
use crate::store::CatalogueEntry;

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// `GET /api/workflows`
pub(super) async fn list<P: Platform>(
    context: Context<P>,
    ListPage(page): ListPage,
) -> Result<impl IntoResponse, Problem> {
    let listed = context.workflows().catalogue(&page).await;
    let entries = listed.map_err(|error| context.failed(&error))?;
    let position =
        |last: &CatalogueEntry| Position { created_at: last.published_at, id: last.id.clone() };
    let caching = [
        (header::CACHE_CONTROL, "public, max-age=60, s-maxage=300"),
        (CDN_CACHE_CONTROL, "max-age=300"),
    ];
    Ok((caching, Json(ListBody::new(entries, &page, position))))
}
