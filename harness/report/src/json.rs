//! The report as JSON.

use super::RunReport;

/// The report as indented JSON with a newline at the end.
///
/// # Errors
/// None that this type can cause; a caller reports it as a defect.
pub fn json(report: &RunReport) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}
