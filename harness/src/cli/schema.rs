//! `workway schema`

use super::output;
use crate::{exit::Exit, language};

/// Prints the JSON Schema of scenario files, for editors.
pub(super) fn schema() -> Exit {
    output::result_or_fail(&format!("{:#}\n", language::schema()))
}
