//! D1.

use serde_json::Value;
use worker::{D1Result, Env, send::SendFuture, wasm_bindgen::JsValue};

use super::unavailable;
use crate::ports::{
    Database, Metered, Param, PortError, PortFailure, PortResult, Rows, Statement, Usage,
};

/// The binding `DB`.
#[derive(Clone, Debug)]
pub struct D1(Env);

impl D1 {
    pub(super) fn new(env: Env) -> Self {
        Self(env)
    }

    async fn run(&self, statement: Statement) -> PortResult<Rows> {
        let params: Vec<_> = statement.params.iter().map(to_js).collect();
        let database = self.0.d1("DB").map_err(unavailable("database"))?;
        // `run`, not `all` or `first`: it gives rows and meta, and maps D1's errors.
        let prepared = database.prepare(statement.sql.text).bind(&params);
        let result = prepared.map_err(unavailable("database"))?.run().await.map_err(failure)?;
        metered(&result).map_err(unavailable("database"))
    }
}

impl Database for D1 {
    fn query(&self, statement: Statement) -> impl Future<Output = PortResult<Rows>> + Send {
        SendFuture::new(self.run(statement))
    }
}

/// Integers go as JavaScript numbers: D1 takes no `BigInt`.
#[expect(clippy::cast_precision_loss, reason = "at most 2^53 by the port's contract")]
fn to_js(param: &Param) -> JsValue {
    match param {
        Param::Null => JsValue::NULL,
        Param::Integer(value) => JsValue::from_f64(*value as f64),
        Param::Text(value) => JsValue::from_str(value),
    }
}

fn metered(result: &D1Result) -> worker::Result<Metered<Rows>> {
    let meta = result.meta()?;
    let meta = meta.as_ref();
    let count = |amount: Option<usize>| amount.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let usage = Usage {
        rows_read: count(meta.and_then(|meta| meta.rows_read)),
        rows_written: count(meta.and_then(|meta| meta.rows_written)),
        ..Usage::default()
    };
    let changes = count(meta.and_then(|meta| meta.changes));
    Ok(Metered { value: Rows { rows: result.results::<Value>()?, changes }, usage })
}

fn failure(error: worker::Error) -> PortError {
    match error {
        worker::Error::D1(error) if error.cause().contains("constraint failed") => {
            PortFailure::Conflict(error.cause()).into()
        }
        other => unavailable("database")(other),
    }
}
