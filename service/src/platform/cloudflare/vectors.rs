//! Vectorize: the binding `VECTORDB` where there is one, else the public API. The `worker` crate has
//! no such binding: this is what we need of it.

use futures_util::future::{Either, select};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{
    Delay, Env,
    js_sys::{Array, Float32Array, JSON, Object, Promise, Reflect},
    send::SendFuture,
    wasm_bindgen::{JsCast, JsValue},
    wasm_bindgen_futures::JsFuture,
};

use super::Product;
use crate::platform::shapes::Matches;
use crate::ports::{
    Match, Metered, PortError, PortFailure, PortResult, VECTOR_TIMEOUT, Vector, VectorIndex,
    one_written,
};

#[wasm_bindgen]
extern "C" {
    type Index;
    #[wasm_bindgen(method, catch)]
    fn upsert(this: &Index, vectors: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = deleteByIds)]
    fn delete_by_ids(this: &Index, ids: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn query(this: &Index, values: &Float32Array, options: &JsValue) -> Result<Promise, JsValue>;
}

/// The name of the binding.
pub(super) const BINDING: &str = "VECTORDB";

/// Turns what the runtime threw into an error for the log.
fn failed(error: &JsValue) -> PortError {
    let text = error.dyn_ref::<worker::js_sys::Error>().map(|error| String::from(error.message()));
    PortError::unavailable("vectors", text.unwrap_or_else(|| format!("{error:?}")))
}

async fn call(
    env: &Env,
    begin: impl FnOnce(&Index) -> Result<Promise, JsValue>,
) -> Result<JsValue, PortError> {
    let index = Reflect::get(env.unchecked_ref(), &JsValue::from_str(BINDING));
    let index: Index = index.map_err(|error| failed(&error))?.unchecked_into();
    let promise = begin(&index).map_err(|error| failed(&error))?;
    match select(JsFuture::from(promise), Delay::from(VECTOR_TIMEOUT)).await {
        Either::Left((answer, _)) => answer.map_err(|error| failed(&error)),
        Either::Right(_) => Err(PortFailure::Timeout("vectors").into()),
    }
}

/// Returns a plain object: Vectorize takes no maps.
fn object<const N: usize>(members: [(&str, JsValue); N]) -> Result<JsValue, PortError> {
    let object = Object::new();
    for (name, value) in members {
        Reflect::set(&object, &JsValue::from_str(name), &value).map_err(|error| failed(&error))?;
    }
    Ok(object.into())
}

async fn upsert(env: &Env, vector: Vector) -> PortResult<()> {
    let vector = object([
        ("id", vector.id.into()),
        ("values", Float32Array::from(vector.values.as_slice()).into()),
        ("metadata", object([("readers", vector.readers.into())])?),
    ])?;
    call(env, |index| index.upsert(&Array::of1(&vector))).await?;
    Ok(Metered { value: (), usage: one_written() })
}

async fn delete(env: &Env, id: &str) -> PortResult<()> {
    call(env, |index| index.delete_by_ids(&Array::of1(&id.into()))).await?;
    Ok(Metered::free(()))
}

async fn query(
    env: &Env,
    values: Vec<f32>,
    readers: Vec<String>,
    limit: u32,
) -> PortResult<Vec<Match>> {
    let readers: Array = readers.iter().map(|reader| JsValue::from_str(reader)).collect();
    let options = object([
        ("topK", limit.into()),
        ("filter", object([("readers", object([("$in", readers.into())])?)])?),
        ("returnValues", false.into()),
        ("returnMetadata", "none".into()),
    ])?;
    let values = Float32Array::from(values.as_slice());
    let found = call(env, |index| index.query(&values, &options)).await?;
    let text = JSON::stringify(&found).map_err(|error| failed(&error))?;
    let found: Matches = serde_json::from_str(&String::from(text))
        .map_err(|error| PortError::unavailable("vectors", error))?;
    Ok(found.found())
}

impl VectorIndex for Product {
    async fn upsert(&self, vector: Vector) -> PortResult<()> {
        match self {
            Self::Binding(env) => SendFuture::new(upsert(env, vector)).await,
            Self::Rest(rest) => rest.upsert(vector).await,
        }
    }

    async fn delete(&self, id: &str) -> PortResult<()> {
        match self {
            Self::Binding(env) => SendFuture::new(delete(env, id)).await,
            Self::Rest(rest) => rest.delete(id).await,
        }
    }

    async fn query(
        &self,
        values: Vec<f32>,
        readers: Vec<String>,
        limit: usize,
    ) -> PortResult<Vec<Match>> {
        match self {
            Self::Binding(env) => {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                SendFuture::new(query(env, values, readers, limit)).await
            }
            Self::Rest(rest) => rest.query(values, readers, limit).await,
        }
    }
}
