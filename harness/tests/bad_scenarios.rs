//! Every file in `fixtures/bad-scenarios` is answered with exactly the diagnostics that stand
//! beside it in `*.stderr`. `WORKWAY_UPDATE_FIXTURES=1` writes them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use workway::language::{Diagnostic, MAX_ERRORS, Severity, discover, read, render};
use workway::plan::load;

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

fn diagnose(path: &Path) -> (Vec<Diagnostic>, String) {
    let bytes = read(path).expect("a fixture can be read");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a fixture has a name");
    let diagnostics = load(&path.display().to_string(), &bytes, &workway::catalog())
        .map_or_else(|errors| errors, |(_, warnings)| warnings);
    let shown = render(&diagnostics, name, &String::from_utf8_lossy(&bytes), false);
    (diagnostics, shown)
}

#[test]
fn each_is_answered_as_expected() {
    let update = std::env::var_os("WORKWAY_UPDATE_FIXTURES").is_some();
    let mut failures = Vec::new();
    for path in discover(&[fixtures("bad-scenarios")]).unwrap() {
        let (_, shown) = diagnose(&path);
        let expected = path.with_extension("stderr");
        if update {
            fs::write(&expected, &shown).unwrap();
        }
        match fs::read_to_string(&expected) {
            Ok(text) if text == shown => {}
            Ok(text) => failures.push(format!("expected:\n{text}\nfound:\n{shown}")),
            Err(_) => failures.push(format!("{} is missing; found:\n{shown}", expected.display())),
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn each_has_a_place_and_something_to_say() {
    for path in discover(&[fixtures("bad-scenarios")]).unwrap() {
        let (diagnostics, _) = diagnose(&path);
        assert!(!diagnostics.is_empty(), "{} is not bad", path.display());
        assert!(diagnostics.len() <= MAX_ERRORS + 1, "{}", path.display());
        for diagnostic in &diagnostics {
            let span = diagnostic.span;
            assert!(span.line >= 1 && span.column >= 1, "{}: {diagnostic}", path.display());
            assert!(span.start <= span.end, "{}: {diagnostic}", path.display());
            assert!(!diagnostic.message.is_empty() && !diagnostic.code.is_empty());
        }
        let in_order = diagnostics.is_sorted_by_key(|diagnostic| diagnostic.span.start);
        assert!(in_order, "{}: not in the order of the file", path.display());
    }
}

#[test]
fn no_expectation_is_left_without_its_file() {
    let directory = fixtures("bad-scenarios");
    let names: BTreeSet<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let orphans: Vec<_> = names
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .filter(|path| !names.contains(&path.with_extension("yaml")))
        .collect();
    assert!(orphans.is_empty(), "{orphans:?}");
}

#[test]
fn independent_errors_are_reported_at_once() {
    let (diagnostics, _) = diagnose(&fixtures("bad-scenarios/many-errors.yaml"));
    let lines: BTreeSet<_> = diagnostics.iter().map(|diagnostic| diagnostic.span.line).collect();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), [2, 4, 6, 12, 13, 14, 16, 18]);
    let (diagnostics, _) = diagnose(&fixtures("bad-scenarios/too-many-errors.yaml"));
    assert_eq!(diagnostics.len(), MAX_ERRORS + 1);
    assert_eq!(diagnostics[MAX_ERRORS].code, "and-more");
}

#[test]
fn a_file_past_the_size_limit() {
    let bytes = vec![b'#'; workway::language::MAX_FILE_BYTES + 1];
    let errors = load("large.yaml", &bytes, &workway::catalog()).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["file-too-large"]);
}

#[test]
fn valid_scenarios_load_without_a_word() {
    for path in discover(&[fixtures("scenarios")]).unwrap() {
        let bytes = read(&path).unwrap();
        let (plan, warnings) =
            load(&path.display().to_string(), &bytes, &workway::catalog()).unwrap();
        assert!(warnings.is_empty(), "{}: {warnings:?}", path.display());
        assert!(!plan.labels.is_empty(), "{}", path.display());
    }
}

#[test]
fn warnings_do_not_stop_a_scenario() {
    let (diagnostics, _) = diagnose(&fixtures("bad-scenarios/unused.yaml"));
    assert_eq!(diagnostics.len(), 3);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning));
}
