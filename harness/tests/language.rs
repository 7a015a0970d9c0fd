//! The language and the commands around it, as their users meet them.
#![cfg(feature = "service")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn workway(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
    command.args(arguments).current_dir(repository()).env_remove("WORKWAY_JWT_SECRET");
    command.env("LANGUAGE_TEST_KEY", SECRET).output().unwrap()
}

const SECRET: &str = "canary/+\"key\"-7";

fn texts(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

/// A folder with one scenario for each text.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(texts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (index, text) in texts.iter().enumerate() {
            fs::write(folder.path().join(format!("{index}.yaml")), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        workway(&[&["run", &self.path()], arguments].concat())
    }

    fn report(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--format", "json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", texts(&output)))
    }
}

#[test]
fn every_word_of_the_language_works_on_the_embedded_service() {
    let output = workway(&["run", "fixtures/scenarios/everything.yaml", "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", texts(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rules = report["scenarios"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 11);
    for rule in rules {
        assert!(rule["held"].as_u64().unwrap() > 0 && rule["broken"] == 0, "{rule}");
    }
    let facts = report["self_check"].as_array().unwrap();
    assert!(facts.iter().any(|fact| fact["name"] == "exact-limiter"), "{facts:?}");
}

/// Long times pass on the clock of the service; two minutes would be far beyond a slow machine.
#[test]
fn the_suites_pass_on_the_embedded_service() {
    let folders = ["rate-limit", "validation", "caching", "workflows", "auth"];
    let folders = folders.map(|folder| format!("scenarios/{folder}"));
    let mut arguments = vec!["run", "--format", "json"];
    arguments.extend(folders.iter().map(String::as_str));
    let output = workway(&arguments);
    assert_eq!(code(&output), 0, "{}", texts(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for scenario in report["scenarios"].as_array().unwrap() {
        assert_eq!(scenario["verdict"], "pass", "{scenario}");
        for rule in scenario["rules"].as_array().unwrap() {
            let seen = rule["held"].as_u64().unwrap() + rule["broken"].as_u64().unwrap();
            assert!(seen > 0, "{}: {rule} is not exercised", scenario["name"]);
        }
    }
}

#[test]
fn a_failure_says_all_that_is_needed() {
    let folder = Folder::with(&["scenario: a/b\nusers: { alice: {} }\nsteps:\n\
        - for-each:\n    as: limit\n    in: [1, 0, 101]\n    steps:\n    - request:\n        name: list\n        \
        get: /workflows?limit=${{ limit }}\n        auth: alice\n        \
        expect: { rule: IV14, status: 200, body: { $: { eq: { workflows: [1], next: null } } } }\n"]);
    let output = folder.run(&["--seed", "7"]);
    assert_eq!(code(&output), 1);
    let text = texts(&output);
    // The columns of a table are as wide as their widest cell.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("IV14 0 3 broken path and query parameters are checked"), "{text}");
    for expected in [
        "0.yaml:12:39  list",
        "0.yaml:12:52  list",
        "rule      IV14: path and query parameters are checked [RFC 3986]",
        "with      limit = 101",
        "- $.workflows[0]: 1",
        "expected  status = 200",
        "request   curl -sS -i 'http://127.0.0.1:",
        "seed 7",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let step = &folder.report(&[])["scenarios"][0]["steps"][0];
    assert_eq!((&step["scheduled"], &step["failed"]), (&3.into(), &3.into()), "each item is tried");
}

#[test]
fn what_should_be_but_need_not_be_is_said_and_fails_nothing() {
    let folder = Folder::with(&[
        "scenario: a/b\nrules: { MY-1: { description: it is 201, source: me }, \
        MY-2: { description: it is never asked, source: me } }\nsteps:\n- request:\n    name: live\n    \
        get: /health/live\n    expect:\n    - { status: 200 }\n    - { rule: MY-1, severity: optimal, status: 201 }\n\
        - check: { value: 1, is: 2, severity: check }\n\
        - burst: { count: 1, request: { get: /health/live }, expect: { distinct: [{ of: $.no, is: 0, rule: MY-2 }] } }\n",
    ]);
    let output = folder.run(&[]);
    let text = texts(&output);
    assert_eq!(code(&output), 0, "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("! MY-1 (optimal) 0 1 broken it is 201 [me]"), "{text}");
    assert!(words.contains("live (optimal)") && words.contains("check (check)"), "{text}");
}

#[test]
fn secrets_are_in_no_output_whatever_their_spelling() {
    let folder = Folder::with(&[
        "scenario: a/b\nvars:\n  key: { secret: { env: LANGUAGE_TEST_KEY } }\n  \
        basic: { base64: \"user:${{ key }}!\" }\n  \
        signed: { hmac-sha256: { key: { env: LANGUAGE_TEST_KEY }, text: a } }\n  \
        token: { jwt: { key: { env: LANGUAGE_TEST_KEY }, claims: { sub: x } } }\nsteps:\n- request:\n    \
        name: all of them\n    post: \"/health/live?k=${{ key }}\"\n    headers:\n      \
        x-basic: \"Basic ${{ basic }}\"\n      x-signed: \"${{ signed }}\"\n      x-token: \"${{ token }}\"\n    \
        json: { key: \"${{ key }}\", part: \"a${{ key }}b\" }\n    expect: { status: 200, text: \"${{ key }}\" }\n\
        - check: { value: \"${{ key }}\", is: \"${{ basic }}\" }\n",
    ]);
    let out = tempfile::tempdir().unwrap();
    let output = folder.run(&["--out", out.path().to_str().unwrap()]);
    assert_eq!(code(&output), 1, "{}", texts(&output));
    let mut all = texts(&output);
    let files: Vec<_> =
        fs::read_dir(out.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= workway::report::Format::ALL.len(), "{files:?}");
    for file in files {
        all += &String::from_utf8_lossy(&fs::read(file).unwrap());
    }
    // The secret itself, percent-encoded, and the middle of it in base64.
    for leak in ["canary", "%22key%22", "Y2FuYXJ5", "Nhbm", "eyJ"] {
        assert!(!all.contains(leak), "{leak} in {all}");
    }
    assert!(all.contains("$SECRET"), "{all}");
}

#[test]
fn a_secret_that_is_missing_or_too_short_is_named() {
    for (name, expected) in [("NOT_SET_ANYWHERE", "which is not set"), ("SHLVL", "no secret")] {
        let text = format!(
            "scenario: a/b\nvars: {{ key: {{ secret: {{ env: {name} }} }} }}\nsteps:\n\
                            - request: {{ get: \"/${{{{ key }}}}\" }}\n"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_workway"));
        let folder = Folder::with(&[&text]);
        let output = command.args(["run", &folder.path()]).env("SHLVL", "1").output().unwrap();
        let text = texts(&output);
        assert_eq!(code(&output), 2, "{text}");
        assert!(text.contains("vars.key: ") && text.contains(expected), "{text}");
    }
}

#[test]
fn a_scenario_leaves_nothing_behind_for_the_next() {
    let folder = Folder::with(&[
        "scenario: a/first\nsteps:\n\
         - control: { fault: { path: \"/*\", status: 500 } }\n- control: { clock: stop }\n\
         - control: { target: kill }\n",
        "scenario: a/second\nusers: { alice: {} }\nsteps:\n- request:\n    name: create\n    \
         post: /workflows\n    auth: alice\n    json: { name: a, description: \"\", steps: [\
         { type: delay, config: { seconds: 1 } }, { type: http, config: { url: \"${{ upstream }}/x\", method: POST } }] }\n    \
         expect: { status: 201 }\n    capture: { workflow: $.id }\n\
         - request: { post: \"/workflows/${{ workflow }}/runs\", auth: alice, capture: { id: $.id } }\n\
         - until: { within: 30s, request: { get: \"/runs/${{ id }}\", auth: alice, expect: { body: { $.status: succeeded } } } }\n\
         - upstream-calls: { path: /x, effects: 1, refused: 0 }\n",
    ]);
    let output = folder.run(&[]);
    assert_eq!(code(&output), 0, "{}", texts(&output));
}

#[test]
fn branches_make_the_same_up_for_the_same_seed() {
    let folder = Folder::with(&[
        "scenario: a/b\nsteps:\n- parallel:\n    left:\n    - vars: { a: \"${{ uuid }}\" }\n    \
        - request: { get: /health/live }\n    right: [{ vars: { b: \"${{ uuid }}\" } }]\n- vars: { c: \"${{ uuid }}\" }\n\
        - check: { value: [\"${{ a }}\", \"${{ b }}\", \"${{ c }}\"], is: { distinct: 2 } }\n",
    ]);
    let made = |seed: &str| folder.report(&["--seed", seed])["scenarios"][0]["failures"].clone();
    let actual = |failures: Value| failures[0]["actual"].as_str().unwrap().to_owned();
    let (first, again, other) = (actual(made("7")), actual(made("7")), actual(made("8")));
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn what_a_target_does_not_offer_is_not_applicable_and_why() {
    let folder = Folder::with(&[
        "scenario: a/clock\nsteps:\n- control: { clock: stop }\n",
        "scenario: a/long\nsteps:\n- wait: 121s\n",
        "scenario: a/short\nsteps:\n- request: { get: / }\n",
    ]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = std::thread::spawn(move || {
        use std::io::{Read, Write};
        // One connection to see that somebody listens; three of the self-check, one of the scenario.
        for stream in listener.incoming().take(5) {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            if stream.read(&mut request).unwrap() > 0 {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                );
            }
        }
    });
    let output = folder.run(&["--target", &url]);
    let text = texts(&output);
    assert_eq!(code(&output), 0, "{text}");
    for expected in [
        "NOT APPLICABLE a/clock: the clock of this target cannot be moved",
        "NOT APPLICABLE a/long: it would take 121 s in real time, more than 120 s",
        "PASS a/short",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    answer.join().unwrap();
}

#[test]
fn filters_choose_by_tag_name_and_rule() {
    let listed = |arguments: &[&str]| {
        let output = workway(&[&["list"], arguments].concat());
        assert_eq!(code(&output), 0, "{}", texts(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let names = text.lines().filter(|line| line.contains(".yaml"));
        names.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["scenarios/smoke", "tag:validation"]), ["smoke/validation"]);
    let limits = listed(&["tag:rate-limit and not name:smoke/*"]);
    assert!(limits.len() >= 4 && limits.iter().all(|name| name.starts_with("rate-limit/")));
    assert!(listed(&["rule:WF2"]).contains(&"workflows/crash".to_owned()));
    let nothing = workway(&["list", "tag:nothing-has-it"]);
    assert_eq!(code(&nothing), 4, "{}", texts(&nothing));
    let wrong = workway(&["run", "tag:a and"]);
    assert_eq!(code(&wrong), 2, "{}", texts(&wrong));
    let rules = workway(&["list", "--rules"]);
    let text = texts(&rules);
    assert!(text.contains("RL1 ") && text.contains("[RFC 6585 section 4]"), "{text}");
    let rules = texts(&workway(&["list", "--rules", "scenarios/rate-limit"]));
    assert!(rules.contains("IV1     0 scenarios"), "{rules}");
}

#[test]
fn rules_of_the_reference_service_are_not_shown_to_others() {
    let folder = Folder::with(&["scenario: a/b\nrules: { MY-1: { description: d, source: s } }\n\
         steps:\n- request: { get: /, expect: { rule: MY-1, status: 200 } }\n"]);
    let listed = workway(&["list", "--rules", &folder.path()]);
    let text = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(text, "MY-1    1 scenario   d  [s]\n");
}

#[test]
fn only_what_failed_runs_again() {
    let folder = Folder::with(&[
        "scenario: a/good\nsteps:\n- request: { get: /health/live }\n",
        "scenario: a/bad\nsteps:\n- request: { get: /health/live, expect: { status: 201 } }\n",
    ]);
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    assert_eq!(code(&folder.run(&["--out", out])), 1);
    let again = workway(&["run", "--rerun-failed", out, "--format", "json"]);
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    let names: Vec<_> =
        report["scenarios"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["a/bad"]);
    fs::write(
        PathBuf::from(folder.path()).join("1.yaml"),
        "scenario: a/bad\nsteps:\n- request: { get: /health/live }\n",
    )
    .unwrap();
    assert_eq!(code(&workway(&["run", "--rerun-failed", out, "--out", out])), 0);
    let nothing = workway(&["run", "--rerun-failed", out]);
    assert_eq!(code(&nothing), 4, "{}", texts(&nothing));
    assert_eq!(code(&workway(&["run", "--rerun-failed", "nowhere"])), 2);
}

#[test]
fn warnings_can_be_made_errors_and_secrets_in_a_file_are_one() {
    // Put together here, so that this file holds none.
    let key = format!("sk_{}_{}", "live", "a1b2c3d4e5");
    let text =
        format!("scenario: a/b\nsteps:\n- request: {{ get: /, headers: {{ x-key: {key} }} }}\n");
    let folder = Folder::with(&[&text]);
    let lenient = workway(&["check", &folder.path()]);
    assert_eq!(code(&lenient), 0);
    assert!(texts(&lenient).contains("this looks like a secret"), "{}", texts(&lenient));
    let strict = workway(&["check", "--deny-warnings", &folder.path()]);
    assert_eq!(code(&strict), 3, "{}", texts(&strict));
    assert_eq!(code(&workway(&["check", "--deny-warnings", "scenarios"])), 0);
}

#[test]
fn every_scenario_in_the_readme_does_what_it_says() {
    let readme = fs::read_to_string(repository().join("scenarios/README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1);
    let snippets: Vec<_> = blocks.map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(snippets.len() >= 4);
    let folder = Folder::with(&snippets);
    let feed = Path::new("validation/names.csv");
    fs::create_dir(Path::new(&folder.path()).join("validation")).unwrap();
    fs::copy(repository().join("scenarios").join(feed), Path::new(&folder.path()).join(feed))
        .unwrap();
    for scenario in folder.report(&[])["scenarios"].as_array().unwrap() {
        let (name, verdict) = (&scenario["name"], &scenario["verdict"]);
        // A busy machine is too slow for the load; what it sends is right all the same.
        let held = name == "example/load" || verdict == "pass";
        assert!(held && scenario["total"]["failed"] == 0, "{scenario}");
    }
}

/// An editor with the schema accepts what the parser accepts.
#[test]
fn the_schema_accepts_the_scenarios() {
    let output = workway(&["schema"]);
    assert_eq!(code(&output), 0);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema, workway::language::schema());
    jsonschema::validator_for(&schema).unwrap();
    assert!(schema["$defs"]["value"]["oneOf"].as_array().unwrap().len() >= 11);
}
