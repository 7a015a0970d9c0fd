//! What the documents show is true.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{fs, path::Path};

use workway::{exit::Exit, language, plan};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The blocks of a document that are fenced as `language`.
fn blocks(file: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(file)).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_scenario_in_a_document_is_valid() {
    for document in ["README.md", "scenarios/README.md"] {
        let snippets = blocks(document, "yaml");
        assert!(snippets.len() >= 2, "{document}");
        // The files that a snippet names are beside the document.
        let file = repository().join(document).display().to_string();
        for snippet in snippets {
            if let Err(errors) = plan::load(&file, snippet.as_bytes(), &workway::catalog()) {
                panic!("{}", language::render(&errors, document, &snippet, false));
            }
        }
    }
}

/// What is said not to be checked has no rule that scenarios name.
#[test]
fn checks_that_are_not_made_are_not_made() {
    let text = fs::read_to_string(repository().join("scenarios/README.md")).unwrap();
    let (_, table) = text.split_once("## Checks that are not made").unwrap();
    let rules: Vec<_> = workway::rules::all().iter().map(|rule| rule.id.as_str()).collect();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let mut checks = 0;
    for row in rows {
        let (names, why) = row.split_once(" | ").unwrap();
        assert!(why.len() > 15, "{row}");
        for id in names.split([' ', ',']).take_while(|word| !word.starts_with(char::is_lowercase)) {
            assert!(!rules.contains(&id), "{id} is a rule");
            checks += usize::from(!id.is_empty());
        }
    }
    assert!(checks >= 18, "{checks}");
}

#[test]
fn every_exit_code_is_in_the_readme() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    for exit in [
        Exit::Pass,
        Exit::Conformance,
        Exit::Usage,
        Exit::Scenario,
        Exit::NothingSelected,
        Exit::Threshold,
        Exit::Cost,
        Exit::Unreachable,
        Exit::Inconclusive,
        Exit::ReportNotWritten,
        Exit::Internal,
    ] {
        assert!(readme.contains(&format!("| {} | ", exit.code())), "{exit:?}");
    }
    assert!(readme.contains("| 130, 143 |"));
}

/// Every document of the repository, but for those of tests' inputs and of packages.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for folder in [
        "",
        ".github",
        "benches",
        "docs",
        "docs/decisions",
        "reports",
        "reports/launch",
        "scenarios",
        "harness/tests",
    ] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let path = path.strip_prefix(repository()).unwrap();
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// What is made by a command that stands beside it, and not there before.
const MADE: [&str; 4] =
    ["reports/run", "reports/baseline", "service/build", "reports/launch/signed.toml"];

#[test]
fn every_path_in_the_documents_exists() {
    let documents = documents();
    for expected in [
        ".github/RUNBOOK.md",
        "benches/README.md",
        "docs/service.md",
        "reports/README.md",
        "scenarios/README.md",
    ] {
        assert!(documents.iter().any(|document| document == expected), "{expected}");
    }
    let folders = [
        "service/",
        "harness/",
        "scenarios/",
        "fixtures/",
        "scripts/",
        "reports/",
        "benches/",
        "docs/",
        ".github/",
    ];
    let mut checked = 0;
    for document in documents {
        let text = fs::read_to_string(repository().join(&document)).unwrap();
        // Commands name files in one of their words; fenced blocks are not split by single marks.
        let text = text.replace("```", "");
        let words = text.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
        let paths = words.filter(|word| folders.iter().any(|folder| word.starts_with(folder)));
        for path in paths.filter(|path| !path.contains(['{', '*', '…', '<'])) {
            let path = path.trim_end_matches(['.', ',', ';', ':']);
            let made = MADE.iter().any(|made| path.starts_with(made));
            let there = repository().join(path);
            // A scenario may be named without its ending.
            let exists = there.exists() || there.with_extension("yaml").exists();
            assert!(made || exists, "{document}: {path}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// The files below `folder`, one after the other.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => fs::read_to_string(&path).unwrap(),
            _ => String::new(),
        })
        .collect()
}

#[test]
fn every_test_in_the_table_of_promises_exists() {
    let harness = repository().join("harness");
    let table = fs::read_to_string(harness.join("tests/README.md")).unwrap();
    let folders = ["src", "core", "report", "cloudflare", "lab", "tests"];
    let code: String = folders.iter().map(|folder| sources(&harness.join(folder))).collect();
    let quoted = table.split('`').skip(1).step_by(2);
    let names: Vec<_> = quoted.filter_map(|quoted| quoted.rsplit_once("::")).collect();
    assert!(names.len() > 20, "{names:?}");
    for (_, name) in names.iter().filter(|(_, name)| *name != "*") {
        assert!(code.contains(&format!("fn {name}(")), "{name}");
    }
}

/// A file that is no module would not be compiled, and its tests would not be missed.
#[test]
fn every_file_of_tests_is_a_module() {
    for folder in ["harness/tests", "service/tests"] {
        let folder = repository().join(folder);
        let program = fs::read_to_string(folder.join("integration.rs")).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let is_code = path.extension().is_some_and(|extension| extension == "rs");
            let is_program = ["integration", "worker"].contains(&name.as_str());
            let is_module = program.contains(&format!("mod {name};"));
            assert!(!is_code || is_program || is_module, "{}", path.display());
        }
    }
}
