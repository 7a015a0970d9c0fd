//! The checklist, and the commands that prove its boxes.

use serde::{Deserialize, Serialize};

/// When a box is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A week before.
    WeekBefore,
    /// On the day.
    LaunchDay,
    /// Within 24 hours after.
    DayAfter,
}

impl Phase {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::WeekBefore => "A week before",
            Self::LaunchDay => "Launch day",
            Self::DayAfter => "24 hours after",
        }
    }
}

/// A command that proves something, on this machine and without an account.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// Short.
    pub name: &'static str,
    /// For `bash -c` in the root of the repository. It exits with 0 if what it says is so, with 8 if that
    /// could not be decided, and the last line of what it prints is the figure to show.
    pub command: &'static str,
}

/// Every proof.
pub const PROOFS: &[Proof] = &[
    Proof { name: "secrets", command: "scripts/scan-secrets" },
    Proof {
        name: "dependencies",
        command: ". scripts/env && cargo deny --log-level error check bans licenses sources && \
                  echo \"$(grep -c '^name = ' Cargo.lock) packages: licences, bans and sources checked\"",
    },
    Proof {
        name: "advisories",
        command: ". scripts/env; cargo deny --log-level error fetch db || \
                  { echo 'the database of advisories cannot be reached'; exit 8; }; \
                  cargo deny --log-level error check advisories && echo 'no known vulnerability'",
    },
    Proof {
        name: "load",
        command: "\"$WORKWAY\" run scenarios/load --out target/launch/load | grep -E '^ *[✓✗]|^INCONCLUSIVE' | \
                  sed 's/  */ /g' | paste -sd ';'; exit ${PIPESTATUS[0]}",
    },
    Proof {
        name: "backup-drill",
        command: "set -o pipefail; cargo test --package workway --test backup 2>/dev/null | grep '^test result'",
    },
    Proof {
        name: "alerts",
        command: "set -o pipefail; cargo test --package workway --test ops 2>/dev/null | grep '^test result'",
    },
    Proof {
        name: "documents",
        command: "set -o pipefail; cargo test --package workway --test documents 2>/dev/null | grep '^test result'",
    },
    Proof {
        name: "support",
        command: "grep -q 'Reporting' SECURITY.md && ls .github/ISSUE_TEMPLATE/*.yml .github/RUNBOOK.md >/dev/null && \
                  echo \"runbook: $(grep -c '^## ' .github/RUNBOOK.md) sections; security contact; issue forms\"",
    },
    Proof {
        name: "deploy-rehearsal",
        command: "set -o pipefail; . scripts/env; cargo test --package workway --test deploy -- --ignored 2>/dev/null | grep '^test result'",
    },
    Proof {
        name: "health",
        command: "\"$WORKWAY\" run scenarios/ops/uptime.yaml | tail -n 1; exit ${PIPESTATUS[0]}",
    },
    Proof {
        name: "flows",
        command: "\"$WORKWAY\" run scenarios/smoke scenarios/workflows | tail -n 1; exit ${PIPESTATUS[0]}",
    },
    Proof {
        name: "edge-rules",
        command: "set -o pipefail; cargo test --package workway --test edge 2>/dev/null | grep '^test result'",
    },
    Proof {
        name: "cost",
        // The last line: the largest tier's figure stands in target/launch/cost.txt with the others.
        command: "\"$WORKWAY\" run scenarios/cost --out target/launch/cost >/dev/null && \
                  \"$WORKWAY\" cost target/launch/cost --book cloudflare-2026-11 >target/launch/cost.txt && \
                  grep -E 'USD|\\$' target/launch/cost.txt | head -n 1",
    },
];

/// A box of the checklist.
#[derive(Clone, Copy, Debug)]
pub struct LaunchBox {
    /// When it is due.
    pub phase: Phase,
    /// As the checklist names it.
    pub title: &'static str,
    /// Names of its proofs.
    pub proofs: &'static [&'static str],
    /// What is beyond this machine, or why there is nothing to do.
    pub note: Option<&'static str>,
    /// The command for that.
    pub command_beyond: Option<&'static str>,
    /// There is nothing to do.
    pub not_applicable: bool,
}

const fn here(phase: Phase, title: &'static str, proofs: &'static [&'static str]) -> LaunchBox {
    LaunchBox { phase, title, proofs, note: None, command_beyond: None, not_applicable: false }
}

impl LaunchBox {
    /// Part of it needs an account, a deployment or people.
    const fn beyond(mut self, note: &'static str, command: Option<&'static str>) -> Self {
        self.note = Some(note);
        self.command_beyond = command;
        self
    }
}

const UPTIME: &str =
    "workway run scenarios/ops/uptime.yaml --target https://YOUR-DOMAIN --allow-remote";

/// The checklist, in order.
pub const BOXES: &[LaunchBox] = {
    use Phase::{DayAfter, LaunchDay, WeekBefore};
    &[
        here(
            WeekBefore,
            "Security audit complete",
            &["secrets", "dependencies", "advisories", "edge-rules"],
        )
        .beyond("the deployed domain", Some("workway edge https://YOUR-DOMAIN --allow-remote")),
        here(WeekBefore, "Load testing performed", &["load"]).beyond(
            "the numbers are of the native service; those of a deployment are its own",
            Some("workway run scenarios/load --target https://YOUR-STAGING --allow-remote"),
        ),
        here(WeekBefore, "Backup strategy tested", &["backup-drill"]),
        here(WeekBefore, "Monitoring alerts configured", &["alerts"])
            .beyond("that somebody is woken: send a test alert through your scheduler", None),
        here(WeekBefore, "Documentation updated", &["documents"]),
        here(WeekBefore, "Support process defined", &["support"]),
        here(LaunchDay, "Deploy to production", &["deploy-rehearsal"]).beyond(
            "the flow is rehearsed against a fake of the API; an account is needed for the rest",
            Some("scripts/provision production && scripts/deploy production https://YOUR-DOMAIN"),
        ),
        here(LaunchDay, "Verify health checks", &["health"])
            .beyond("of the deployment", Some(UPTIME)),
        here(LaunchDay, "Monitor error rates", &[]).beyond(
            "there are none without traffic",
            Some("scripts/tail production --status error"),
        ),
        here(LaunchDay, "Check performance metrics", &["load"])
            .beyond("of the deployment", Some(UPTIME)),
        here(LaunchDay, "Test critical user flows", &["flows"]).beyond(
            "on the deployment",
            Some("workway run scenarios/smoke --target https://YOUR-DOMAIN --allow-remote"),
        ),
        LaunchBox {
            not_applicable: true,
            ..here(LaunchDay, "Enable auto-scaling", &[])
                .beyond("Workers scale by themselves: there is nothing to enable", None)
        },
        here(DayAfter, "Review error logs", &[])
            .beyond("there are none yet", Some("scripts/tail production --status error")),
        here(DayAfter, "Analyze performance data", &[]).beyond(
            "there is none yet",
            Some("scripts/check-cost and the dashboards of your account"),
        ),
        here(DayAfter, "Check cost projections", &["cost"]).beyond(
            "against what the account is billed",
            Some("scripts/check-cost REPORT DOLLARS-PER-DAY"),
        ),
        here(DayAfter, "Gather user feedback", &[]).beyond("from users", None),
        here(DayAfter, "Plan optimizations", &[]).beyond("from what the day showed", None),
    ]
};
