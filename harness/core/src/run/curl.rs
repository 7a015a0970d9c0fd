//! A request as a command line that can be run.

use http::Method;

use crate::http::Prepared;

/// Bytes of a body that a command line shows; a longer one is named only.
pub(super) const SHOWN_BODY: usize = 2000;

/// The request as a command line for a shell. Secret headers are shell variables.
pub(crate) fn curl(request: &Prepared) -> String {
    let mut words = vec!["curl -sS -i".to_owned()];
    if request.method != Method::GET {
        words.push(format!("-X {}", request.method));
    }
    words.push(quoted(request.url.as_str()));
    for (name, value) in &request.headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        words.push(if !value.is_sensitive() {
            format!("-H {}", quoted(&format!("{name}: {text}")))
        } else if text.starts_with("Bearer ") {
            "-H \"Authorization: Bearer $TOKEN\"".to_owned()
        } else {
            format!("-H \"{name}: $TOKEN\"")
        });
    }
    match request.body.len() {
        0 => {}
        1..=SHOWN_BODY => {
            let body = String::from_utf8_lossy(&request.body);
            words.push(format!("--data-raw {}", quoted(&body)));
        }
        bytes => words.push(format!("--data-binary @body # {bytes} bytes")),
    }
    words.join(" ")
}

/// Puts a text in single quotes, as a POSIX shell reads them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
