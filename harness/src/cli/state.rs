//! Keeps calibrations of this machine between calls.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    gate::Calibration,
    plan::ScenarioPlan,
    report::host::{self, Host},
    report::{self, Timestamp, WriteError},
};

/// Version of the format.
pub(super) const CALIBRATION_SCHEMA_VERSION: u32 = 2;

/// Names the settings for which a calibration is valid: with anything else the noise is another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setting {
    /// The machine.
    pub(super) host: Host,
    /// The scenario.
    pub(super) scenario: String,
    /// A hash of its file.
    pub(super) config: Option<String>,
    /// Seconds of a window.
    pub(super) window_s: f64,
    /// Seconds before it that are thrown away.
    pub(super) warmup_s: f64,
    /// The kind of the target: `embedded`, `wrangler` or `url`.
    pub(super) target_kind: String,
}

/// A calibration with what it holds for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// [`CALIBRATION_SCHEMA_VERSION`].
    pub(super) schema_version: u32,
    /// The time at which it was made.
    pub(super) made_at: Timestamp,
    /// The settings for which it is valid.
    #[serde(flatten)]
    pub(super) setting: Setting,
    /// The calibration that was measured.
    pub(super) calibration: Calibration,
}

/// Says what is known of a machine's noise.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    /// A calibration for these settings.
    Calibrated(Box<Saved>),
    /// A calibration exists for other settings only; the text says in what they differ.
    Other(String),
    /// No calibration exists.
    Nothing,
}

impl Setting {
    /// Returns the setting of windows on this machine, with `warmup` before each.
    pub(super) fn new(
        plan: &ScenarioPlan,
        file: &Path,
        window: Duration,
        warmup: Duration,
        target_kind: String,
    ) -> Self {
        Self {
            host: Host::here(),
            scenario: plan.name.clone(),
            config: host::hash_of(file),
            window_s: window.as_secs_f64(),
            warmup_s: warmup.as_secs_f64(),
            target_kind,
        }
    }

    /// Describes the differences between two settings in words; empty where the other's calibration
    /// holds here.
    fn differences(&self, other: &Self) -> Vec<String> {
        let seconds = |part: f64| format!("{part} s");
        let kind = |setting: &Self| setting.target_kind.clone();
        let named = [
            ("window", seconds(self.window_s), seconds(other.window_s)),
            ("warm-up", seconds(self.warmup_s), seconds(other.warmup_s)),
            ("target", kind(self), kind(other)),
        ];
        let named = named.into_iter().filter(|(_, mine, other)| mine != other);
        let mut differences: Vec<_> =
            named.map(|(what, mine, other)| format!("{what} {other}, not {mine}")).collect();
        if self.scenario != other.scenario {
            differences.insert(0, format!("scenario {}, not {}", other.scenario, self.scenario));
        } else if self.config != other.config {
            differences.insert(0, "the scenario has changed since".to_owned());
        }
        if !self.host.is_same(&other.host) {
            differences.insert(0, "another machine".to_owned());
        }
        differences
    }

    /// Returns the path at which a calibration for it is kept.
    fn file(&self) -> Option<String> {
        let Self { host, scenario, config, window_s, warmup_s, target_kind } = self;
        let key = (&host.machine, scenario, config, window_s, warmup_s, target_kind);
        let key = serde_json::to_vec(&key).ok()?;
        Some(format!("{PREFIX}{}.json", host::hash(&key)))
    }
}

/// The beginning of the names of calibration files.
const PREFIX: &str = "calibration-";

impl Saved {
    /// Loads what is known of the noise with these settings.
    pub(super) fn load(setting: &Setting) -> Known {
        folder().map_or(Known::Nothing, |folder| Self::find(&folder, setting))
    }

    fn find(folder: &Path, setting: &Setting) -> Known {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let files = files.filter(|file| file.file_name().to_string_lossy().starts_with(PREFIX));
        let saved = files.filter_map(|file| Self::read(&file.path()));
        let different = saved.map(|saved| (setting.differences(&saved.setting), saved));
        // The nearest; of those the newest.
        let nearest = different.min_by_key(|(differences, saved)| {
            (differences.len(), std::cmp::Reverse(saved.made_at))
        });
        match nearest {
            None => Known::Nothing,
            Some((differences, saved)) if differences.is_empty() => {
                Known::Calibrated(Box::new(saved))
            }
            Some((differences, saved)) => {
                let made_at = saved.made_at;
                Known::Other(format!("calibration of {made_at}: {}", differences.join(", ")))
            }
        }
    }

    fn read(path: &Path) -> Option<Self> {
        let saved: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (saved.schema_version == CALIBRATION_SCHEMA_VERSION).then_some(saved)
    }

    /// Keeps it, in place of an older one. `None` when there is no place to keep it.
    pub(super) fn save(&self) -> Option<Result<PathBuf, WriteError>> {
        let json = serde_json::to_vec_pretty(self).ok()?;
        Some(report::write(&folder()?, &self.setting.file()?, &json))
    }
}

/// Returns the folder for state of the XDG base directory specification: state is what outlives a
/// run and is not worth a backup.
fn folder() -> Option<PathBuf> {
    let absolute =
        |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(Path::new(".local/state"))));
    state.map(|state| state.join("workway"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn setting() -> Setting {
        Setting {
            host: Host::here(),
            scenario: "load/a".to_owned(),
            config: Some("0123".to_owned()),
            window_s: 5.0,
            warmup_s: 1.0,
            target_kind: "embedded".to_owned(),
        }
    }

    fn keep(folder: &Path, setting: Setting, made_at: &str) {
        let calibration = Calibration {
            pairs: 16,
            noise: BTreeMap::new(),
            suggested_delta: Some(0.07),
            suggested_pairs: Some(20),
        };
        let made_at = humantime::parse_rfc3339(made_at).unwrap().into();
        let schema_version = CALIBRATION_SCHEMA_VERSION;
        let saved = Saved { schema_version, made_at, setting, calibration };
        let json = serde_json::to_vec(&saved).unwrap();
        report::write(folder, &saved.setting.file().unwrap(), &json).unwrap();
    }

    #[test]
    fn a_calibration_holds_for_its_settings_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Saved::find(folder.path(), &setting()), Known::Nothing);
        keep(folder.path(), setting(), "2026-11-01T00:00:00Z");
        assert!(matches!(Saved::find(folder.path(), &setting()), Known::Calibrated(_)));
        let mut other_host = Host::here();
        other_host.cores += 1;
        for (other, expected) in [
            (Setting { window_s: 2.0, ..setting() }, "window 5 s, not 2 s"),
            (Setting { warmup_s: 0.5, ..setting() }, "warm-up 1 s, not 0.5 s"),
            (Setting { target_kind: "url".to_owned(), ..setting() }, "target embedded, not url"),
            (Setting { config: None, ..setting() }, "the scenario has changed since"),
            (Setting { scenario: "b".to_owned(), ..setting() }, "scenario load/a, not b"),
            (Setting { host: other_host.clone(), ..setting() }, "another machine"),
        ] {
            let expected = format!("calibration of 2026-11-01T00:00:00Z: {expected}");
            assert_eq!(Saved::find(folder.path(), &other), Known::Other(expected));
        }
    }

    #[test]
    fn calibrations_for_several_settings_are_kept_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let short = Setting { window_s: 2.0, ..setting() };
        keep(folder.path(), setting(), "2026-11-01T00:00:00Z");
        keep(folder.path(), short.clone(), "2026-11-02T00:00:00Z");
        for wanted in [setting(), short] {
            let Known::Calibrated(found) = Saved::find(folder.path(), &wanted) else {
                panic!("{wanted:?} is not found");
            };
            assert_eq!(found.setting, wanted);
        }
        let file = folder.path().join("calibration-broken.json");
        fs::write(file, "{").unwrap();
        assert!(matches!(Saved::find(folder.path(), &setting()), Known::Calibrated(_)));
    }
}
