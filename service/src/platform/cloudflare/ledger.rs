//! Usage on its way to the database, in the memory of the isolate.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{D1, system};
use crate::domain::month::Month;
use crate::ports::{Cause, Database, Ledger, PortError, Share, Tally};
use crate::store::{ADD_USAGE, add_usage};

type Key = (String, Month, Cause);

/// One for each isolate: plain data, which may outlive a request.
static PENDING: Mutex<BTreeMap<Key, Tally>> = Mutex::new(BTreeMap::new());

/// The usage of the requests of this isolate. It moves by the binding of whoever asks.
#[derive(Clone, Debug)]
pub struct IsolateLedger(D1);

impl IsolateLedger {
    pub(super) fn new(database: D1) -> Self {
        Self(database)
    }

    async fn write(&self, key: Key, tally: Tally) -> Result<(), PortError> {
        let (account, month, cause) = key.clone();
        let share = Share { account, month, cause, tally };
        let written = match add_usage(&share) {
            Ok(statement) => self.0.query(statement).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(written) if written.usage != ADD_USAGE => {
                system::log(&format!("usage: a row took {:?}, billed is another", written.usage));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                put(key, tally);
                Err(error)
            }
        }
    }
}

fn put(key: Key, tally: Tally) {
    *PENDING.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += tally;
}

impl Ledger for IsolateLedger {
    async fn add(&self, share: Share) -> Result<(), PortError> {
        let Share { account, month, cause, tally } = share;
        put((account, month, cause), tally);
        Ok(())
    }

    async fn pending(
        &self,
        account: &str,
        month: Month,
    ) -> Result<BTreeMap<Cause, Tally>, PortError> {
        let pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
        let mine =
            pending.iter().filter(|((whose, when, _), _)| whose == account && *when == month);
        Ok(mine.map(|((_, _, cause), tally)| (*cause, *tally)).collect())
    }

    async fn flush(&self) -> Result<(), PortError> {
        let taken = std::mem::take(&mut *PENDING.lock().unwrap_or_else(PoisonError::into_inner));
        let mut outcome = Ok(());
        for (key, tally) in taken {
            outcome = outcome.and(self.write(key, tally).await);
        }
        outcome
    }
}
